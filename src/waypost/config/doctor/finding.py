"""What the doctor finds, and the rules by which it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from waypost.config.doctor.case import Case
from waypost.config.tree import Node

Severity = Literal["error", "warning", "note"]
"""*error*: answers are wrong, cut or missing. *warning*: it works, slowly or not as meant. *note*: Waypost copes, LiteLLM or
another program that reads the file may not.
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule found something. ``mend`` replaces the rule's own where this place needs another one."""

    where: Node
    message: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One trap: what of a config is it (``finds``), what happens to who walks into it (``why``), and how it is mended.

    ``id`` is stable, and a heading of ``docs/doctor.md``.
    """

    id: str
    severity: Severity
    finds: str
    why: str
    mend: str
    check: Callable[[Case], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap in a file, with its line. Keys of ``waypost doctor --json``."""

    rule: str
    severity: Severity
    file: str
    line: int
    message: str
    mend: str

    @property
    def docs(self) -> str:
        """Where the rule is explained."""
        return f"docs/doctor.md#{self.rule}"
