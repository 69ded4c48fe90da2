"""What is known of an attempt, and what it costs to know it."""

from __future__ import annotations

import pytest
from desk import Desk

from waypost.dispatch import attempt_log
from waypost.dispatch.attempt_log import AttemptLog
from waypost.dispatch.events import Event, Usage


async def test_output_that_no_engine_counts_is_estimated_once_however_often_somebody_looks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []

    def estimate(text: str) -> int:
        counted.append(text)
        return 5

    monkeypatch.setattr(attempt_log, "estimate", estimate)
    record = AttemptLog().begin(desk.deployment("long"), prompt_tokens=7, started_s=1.0)
    for _ in range(8000):
        record.see(Event(b"{}", output=True, text="word "), now_s=2.0)
        assert record.attempt.usage is None
    assert counted == []
    record.end(3.0)
    for _ in range(3):
        attempt = record.attempt
    assert counted == ["word " * 8000]
    assert (attempt.ended_s, attempt.usage) == (3.0, Usage(7, 5, estimated=True))
    assert attempt.cost_usd == pytest.approx(7e-6 + 5e-5)


async def test_the_engines_own_count_is_known_as_soon_as_it_comes(desk: Desk) -> None:
    record = AttemptLog().begin(desk.deployment("ok"), prompt_tokens=7, started_s=1.0)
    record.see(Event(b"{}", output=True, text="word", usage=Usage(3, 4)), now_s=2.0)
    assert record.attempt.usage == Usage(3, 4)
    record.end(3.0)
    assert record.attempt.usage == Usage(3, 4)


async def test_an_attempt_without_output_has_no_usage(desk: Desk) -> None:
    record = AttemptLog().begin(desk.deployment("drop"), prompt_tokens=7, started_s=1.0)
    record.end(2.0)
    assert (record.attempt.usage, record.attempt.cost_usd) == (None, None)
