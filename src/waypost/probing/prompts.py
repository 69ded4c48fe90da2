"""The prompts of a probe: our own, shipped ones, each with the answer that is a good one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import orjson

from waypost.errors import ArtefactError
from waypost.probing.grading import GRADERS, Answer

# Multiples of it, less their whole part, are spread evenly however few they are.
_GOLDEN = (5**0.5 - 1) / 2

SHIPPED = "probe-prompts.jsonl"


@dataclass(frozen=True, slots=True)
class ProbePrompt:
    """One prompt: what is asked, the ``tools`` that are offered with it, and how its answer is graded.

    ``task`` is one of the decision's tasks. ``level`` is how hard we think it is, from 1 to 3; ``None``: nobody says.
    ``answer_tokens`` is how long an answer without thinking is, about.
    """

    id: str
    group: str
    task: str
    text: str = field(repr=False)
    grader: str
    reference: Any = field(repr=False)
    language: str = "en"
    level: int | None = None
    tools: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    answer_tokens: int = 150

    def passes(self, answer: Answer) -> bool:
        """Whether ``answer`` is a good one."""
        return GRADERS[self.grader].passes(answer, self.reference)


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """Prompts with a name that says which they are: results of sets with the same name can be compared."""

    name: str
    prompts: tuple[ProbePrompt, ...]

    def mixed(self, count: int | None = None) -> ProbeSet:
        """``count`` prompts, or all, in an order in which every group and level has its share from early on.

        So a probe that is smaller, or ends in the middle, is still one of everything.
        """
        members: dict[str, list[int]] = {}
        for at, prompt in enumerate(self.prompts):
            members.setdefault(prompt.group, []).append(at)
        turns: dict[int, float] = {}
        for number, listed in enumerate(members.values()):
            ranked = sorted(((place + number) * _GOLDEN % 1, at) for place, at in enumerate(listed))
            turns |= {at: (rank + 0.5) / len(listed) for rank, (_, at) in enumerate(ranked)}
        order = sorted(turns, key=turns.__getitem__)[:count]
        name = self.name if len(order) == len(self.prompts) else f"{self.name}, {len(order)} prompts"
        return ProbeSet(name, tuple(self.prompts[at] for at in order))


def shipped_prompts() -> ProbeSet:
    """The set that comes with Waypost. Raises ArtefactError where its file is not the one that was shipped."""
    raw = resources.files("waypost.artefacts").joinpath(SHIPPED).read_bytes()
    try:
        head, *lines = (orjson.loads(line) for line in raw.splitlines())
        prompts = [ProbePrompt(**{**line, "tools": tuple(line.get("tools", ()))}) for line in lines]
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"{SHIPPED} cannot be read ({error}): install Waypost again") from None
    return ProbeSet(head["name"], tuple(prompts))
