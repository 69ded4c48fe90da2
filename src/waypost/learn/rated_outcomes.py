"""Rated answers of the ledger as outcomes: what `waypost eval quality` judges by and `waypost train quality` learns from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from waypost.learn.replay import Entry
from waypost.ledger.rating import scores_of

COLUMNS = ("prompt", "prompt_id", "group_id", "category", "tools", "model", "score", "cost_usd", "n")

_TOOLS = "(offered, and not kept)"


@dataclass(slots=True)
class RatedOutcomes:
    """A row for each prompt, route and deployment, with the columns ``COLUMNS``; ``n`` answers are averaged in it.

    ``unrated`` counts answers that nobody rated, and ``without_text`` rated ones whose prompt is not stored.
    """

    rows: list[dict[str, Any]]
    unrated: int
    without_text: int

    @classmethod
    def of(cls, entries: Iterable[Entry], sources: Collection[str]) -> RatedOutcomes:
        """Those of whole entries of the ledger. Answers of simulated models, of the cache, and vectors are none."""
        found: defaultdict[tuple[str, str, str], list[tuple[Entry, float]]] = defaultdict(list)
        unrated = without_text = 0
        for entry in entries:
            prompt, by = entry["prompt"], entry["deployment"]
            if by is None or entry["simulated"] or entry["cache"] in ("hit", "shared") or "vectors" in (prompt["needs"] or ()):
                continue
            scores = scores_of(entry, sources)
            unrated += not scores
            if scores and not (prompt["text"] or "").strip():
                without_text += 1
            elif scores:
                found[prompt["hash"], entry["route"] or "", by].append((entry, sum(scores) / len(scores)))
        return cls([_row(key, answers) for key, answers in found.items()], unrated, without_text)


def _row(key: tuple[str, str, str], answers: list[tuple[Entry, float]]) -> dict[str, Any]:
    """What several answers to the same prompt by the same deployment have in common, and their means."""
    asked, route, by = key
    first = answers[0][0]["prompt"]
    costs = [entry["cost_usd"] for entry, _ in answers]
    return {
        "prompt": first["text"],
        "prompt_id": f"{asked}:{route}",
        "group_id": asked,
        "category": route,
        "tools": _TOOLS if "tools" in (first["needs"] or ()) else "",
        "model": by,
        "score": sum(score for _, score in answers) / len(answers),
        "cost_usd": None if None in costs else sum(costs) / len(costs),
        "n": len(answers),
    }
