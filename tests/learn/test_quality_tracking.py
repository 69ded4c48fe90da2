"""How the answers of each deployment did on each route."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.outcomes import outcome
from waypost.learn.quality_tracking import tracks, wilson
from waypost.ledger.rows import entry_of


def answer(by: str | None = "far", *scores: float, verdict: str | None = None, **fields: Any) -> dict[str, Any]:
    entry = entry_of(outcome())
    attempts = [{**attempt, "verdict": verdict} for attempt in entry["attempts"]]
    ratings = [{"score": score, "source": "user"} for score in scores]
    return {**entry, "deployment": by, "attempts": attempts, "ratings": ratings, **fields}


def test_each_deployment_has_a_track_on_each_route() -> None:
    entries = [
        answer("far", 1.0),
        answer("far", 0.0, 1.0),
        answer("far"),
        answer("near", route="chat"),
        answer("near", route=None),
        answer(None, status="failed"),
    ]
    found = [one.to_dict() for one in tracks(entries, {"user"})]
    assert [(one["route"], one["deployment"], one["answers"], one["rated"], one["score"]) for one in found] == [
        (None, "near", 1, 0, None),
        ("chat", "near", 1, 0, None),
        ("coding", "far", 3, 2, 0.75),
    ]


def test_what_answers_show_themselves_is_counted_beside() -> None:
    entries = [
        answer(verdict="ok"),
        answer(verdict="invalid_arguments"),
        answer(finish_reason="length"),
        answer(status="partial"),
    ]
    (found,) = tracks(entries, {"user"})
    assert (found.checked, found.misfits, found.cut, found.broken, found.rated) == (2, 1, 1, 1, 0)
    (with_checks,) = tracks(entries, {"user", "check"})
    assert (with_checks.rated, with_checks.scores) == (1, 0.0)


@pytest.mark.parametrize(
    ("total", "n", "interval"),
    [(0, 0, None), (0, 10, [0.0, 0.2775]), (10, 10, [0.7225, 1.0]), (5, 10, [0.2366, 0.7634]), (80, 100, [0.7112, 0.8666])],
)
def test_the_interval_is_wilsons(total: float, n: int, interval: list[float] | None) -> None:
    assert wilson(total, n) == interval
