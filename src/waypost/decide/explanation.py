"""Why a turn was taken for what it was taken for: what the answer would have been without each of its words and facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from waypost.decide.evidence import FLAG_WORDS
from waypost.decide.labels import TASKS
from waypost.decide.reading import FLAGS, TurnReading

MOST_WORDS = 40
"""Words of the request that are left out, one at a time."""

Probabilities = Callable[[TurnReading], list[float]]
"""The six tasks' probabilities of a reading."""


@dataclass(frozen=True, slots=True)
class Influence:
    """What a word or a fact did: by how much the log odds of the best task against the next fall when it is left out."""

    kind: str
    what: str
    log_odds: float

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        log_odds = round(self.log_odds, 3) if math.isfinite(self.log_odds) else None
        return {"kind": self.kind, "what": self.what, "log_odds": log_odds}


@dataclass(frozen=True, slots=True)
class Explanation:
    """``influences`` speak for ``best`` where they are positive, for ``rival`` where they are negative, the strongest first.

    Where a fact decided there is no rival, and the fact is the only influence, of infinite weight.
    """

    best: str
    rival: str | None
    influences: tuple[Influence, ...]

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {"best": self.best, "rival": self.rival, "influences": [one.to_dict() for one in self.influences]}


def explain(seen: TurnReading, probabilities: Probabilities) -> Explanation:
    """Leaves out each word, fact and further text of ``seen``, and looks what changes (occlusion: Zeiler and Fergus 2014)."""
    whole = probabilities(seen)
    best, rival = sorted(range(len(TASKS)), key=lambda task: -whole[task])[:2]

    def lead(found: list[float]) -> float:
        return math.log(max(found[best], 1e-9)) - math.log(max(found[rival], 1e-9))

    found = [Influence(kind, what, lead(whole) - lead(probabilities(other))) for kind, what, other in _without_one(seen)]
    found.sort(key=lambda one: -abs(one.log_odds))
    return Explanation(TASKS[best], TASKS[rival], tuple(found))


def _without_one(seen: TurnReading) -> Iterator[tuple[str, str, TurnReading]]:
    request = seen.request
    text = "".join(map(chr, request.codes.tolist()))
    cuts = [*request.starts[: MOST_WORDS + 1].tolist(), len(text)]
    for position, (start, end) in enumerate(pairwise(cuts[: MOST_WORDS + 1])):
        yield "word", request.word(position), seen.asking(text[:start] + text[end:])
    for position, name in enumerate(FLAGS):
        if seen.flags[position] and name in FLAG_WORDS:
            flags = (*seen.flags[:position], False, *seen.flags[position + 1 :])
            yield "fact", FLAG_WORDS[name], replace(seen, flags=flags)
    for position, part in enumerate(seen.parts[1:], 1):
        yield "text", part.what, replace(seen, parts=(*seen.parts[:position], *seen.parts[position + 1 :]))
