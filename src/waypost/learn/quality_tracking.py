"""How the answers of each deployment did on each route: what was said of them, and what they show themselves."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from waypost.learn.replay import Entry
from waypost.ledger.rating import failed_its_check, scores_of, was_checked

_NORMAL_95 = 1.959964
"""The quantile of the normal distribution that leaves 2.5 % on each side."""


@dataclass(slots=True)
class Track:
    """The answers of one deployment on one route; ``route`` is ``None`` for those that clients named.

    ``scores`` is the sum over the ``rated`` answers. ``checked`` are answers whose tool calls or text could be held to
    something, and ``misfits`` those of them that failed. ``cut`` ended at their cap, ``broken`` after their first output.
    """

    route: str | None
    deployment: str
    answers: int = 0
    rated: int = 0
    scores: float = 0.0
    checked: int = 0
    misfits: int = 0
    cut: int = 0
    broken: int = 0

    def add(self, entry: Entry, sources: Collection[str]) -> None:
        """One answer more."""
        scores = scores_of(entry, sources)
        self.answers += 1
        self.rated += bool(scores)
        self.scores += sum(scores) / len(scores) if scores else 0.0
        self.checked += was_checked(entry)
        self.misfits += failed_its_check(entry)
        self.cut += entry["finish_reason"] == "length"
        self.broken += entry["status"] == "partial"

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON. What nothing was seen of is ``None``."""
        counts = {name: getattr(self, name) for name in ("route", "deployment", "answers", "rated")}
        others = {name: getattr(self, name) for name in ("checked", "misfits", "cut", "broken")}
        score = round(self.scores / self.rated, 4) if self.rated else None
        return {**counts, "score": score, "ci95": wilson(self.scores, self.rated), **others}


def tracks(entries: Iterable[Entry], sources: Collection[str]) -> list[Track]:
    """One for each route and deployment that answered, by the names of both."""
    made: dict[tuple[str | None, str], Track] = {}
    for entry in entries:
        if entry["deployment"] is not None:
            key = entry["route"], entry["deployment"]
            made.setdefault(key, Track(*key)).add(entry, sources)
    return [made[key] for key in sorted(made, key=lambda key: (key[0] or "", key[1]))]


def wilson(total: float, n: int) -> list[float] | None:
    """The interval of 95 % for a mean of ``n`` scores from 0 to 1 that sum up to ``total`` (Wilson 1927); ``None`` without any.

    It is for scores that are 0 or 1; others lie less far apart, so that it is on the safe side for them.
    """
    if n == 0:
        return None
    mean, squared = total / n, _NORMAL_95**2
    centre = (mean + squared / (2 * n)) / (1 + squared / n)
    half = _NORMAL_95 / (1 + squared / n) * math.sqrt(mean * (1 - mean) / n + squared / (4 * n * n))
    return [round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4)]
