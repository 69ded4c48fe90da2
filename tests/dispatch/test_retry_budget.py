"""What calls beyond the first may add."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.dispatch.retry_budget import FLOOR, RetryBudget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lone_user_gets_every_fail_over() -> None:
    clock = Clock()
    budget = RetryBudget(0.2, clock)
    for _ in range(100):
        budget.request()
        assert budget.take()
        clock.now += 1.0
    assert budget.refused == 0


@pytest.mark.parametrize(("share", "allowed"), [(0.0, 10), (0.05, 10), (0.2, 20), (1.0, 100)])
def test_the_share_is_of_the_requests_of_the_last_ten_seconds_and_never_less_than_the_floor(share: float, allowed: int) -> None:
    clock = Clock()
    budget = RetryBudget(share, clock)
    for _ in range(100):
        budget.request()
    assert sum(budget.take() for _ in range(200)) == allowed
    assert budget.refused == 200 - allowed
    clock.now += 10
    assert sum(budget.take() for _ in range(200)) == FLOOR


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 80)), min_size=1, max_size=60))
def test_in_any_window_the_extra_calls_stay_within_the_share_or_the_floor(seconds: list[tuple[int, int]]) -> None:
    clock = Clock()
    budget = RetryBudget(0.2, clock)
    seen: list[tuple[int, int]] = []
    for requests, wanted in seconds:
        for _ in range(requests):
            budget.request()
        seen.append((requests, sum(budget.take() for _ in range(wanted))))
        window = seen[-10:]
        assert sum(extra for _, extra in window) <= max(
            FLOOR, *(0.2 * sum(r for r, _ in seen[max(0, end - 10) : end]) for end in range(1, len(seen) + 1))
        )
        clock.now += 1.0
