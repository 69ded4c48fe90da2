"""What is wrong with a config, and what of it is not used: sentences with file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from waypost.config.tree import Node

# difflib is quadratic; no name that a person typed is longer.
_LONGEST_NAME = 80


def quoted(name: str) -> str:
    """A name as it may be shown: on one line, printable, and not longer than a name is."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return f"`{shown if shown.isprintable() else ascii(shown)[1:-1]}`"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: the known name most like ``name``, or nothing."""
    close = difflib.get_close_matches(name[:_LONGEST_NAME], sorted(known), n=1)
    return f"; did you mean {quoted(close[0])}?" if close else ""


@dataclass(slots=True)
class Report:
    """Collects every problem and warning of one load, so that all are told at once. It never holds a value of the file."""

    _problems: list[tuple[str, int, str]] = field(default_factory=list)
    _warnings: list[tuple[str, int, str]] = field(default_factory=list)
    _unused: dict[str, tuple[Node, dict[str, None]]] = field(default_factory=dict)
    _unset: dict[str, dict[tuple[str, int], None]] = field(default_factory=dict)

    def problem(self, where: Node, sentence: str) -> None:
        """Something that makes the file unusable."""
        self._problems.append((where.file, where.line, sentence))

    def warning(self, where: Node, sentence: str) -> None:
        """Something that the reader should know, and that the file works without."""
        self._warnings.append((where.file, where.line, sentence))

    def unused(self, block: str, key: str, where: Node) -> None:
        """A key of LiteLLM's that Waypost does not read; each block becomes one warning, at its first such key."""
        self._unused.setdefault(block, (where, {}))[1][key] = None

    def unset(self, variable: str, where: Node) -> None:
        """A variable that LiteLLM's blocks refer to and that the environment lacks: what refers to it goes without."""
        self._unset.setdefault(variable, {})[where.file, where.line] = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Each with ``file:line``, in the order of the lines."""
        return _told(self._problems)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Each with ``file:line``, in the order of the lines."""
        found = list(self._warnings)
        for block, (where, keys) in self._unused.items():
            names = ", ".join(quoted(key) for key in keys)
            found.append((where.file, where.line, f"{block}: Waypost does not use {names}"))
        for variable, places in self._unset.items():
            (file, line), *others = places
            more = f" (also in line {', '.join(str(other) for _, other in others)})" if others else ""
            found.append((file, line, f"the environment variable {quoted(variable)} is not set{more}"))
        return _told(found)


def _told(found: Iterable[tuple[str, int, str]]) -> tuple[str, ...]:
    in_order = sorted(found, key=lambda entry: entry[:2])
    return tuple(dict.fromkeys(f"{file}:{line}: {sentence}" for file, line, sentence in in_order))
