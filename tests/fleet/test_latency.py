"""How long a deployment takes: peaks at once, forgets with time, and says when it does not know."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.fleet.latency import DECAY_S, FEWEST_SAMPLES, FORGET_S, SAMPLES, Latency


def test_nothing_is_known_before_the_first_answer() -> None:
    latency = Latency()
    assert latency.value(0.0) is None
    assert latency.p95() is None
    assert latency.until(0.0) == math.inf


def test_a_slower_answer_counts_at_once_and_fades_with_the_ones_after_it() -> None:
    latency = Latency()
    latency.see(1.0, 0.0)
    latency.see(9.0, 1.0)
    assert latency.value(1.0) == 9.0
    latency.see(1.0, 1.0)
    assert latency.value(1.0) == 9.0
    latency.see(1.0, 1.0 + DECAY_S)
    assert latency.value(1.0 + DECAY_S) == pytest.approx(1 + 8 / math.e)


def test_what_is_old_is_not_known_any_more() -> None:
    latency = Latency()
    latency.see(1.0, 100.0)
    assert latency.value(99.0 + FORGET_S) == 1.0
    assert latency.until(100.0) == 100.0 + FORGET_S
    assert latency.value(100.0 + FORGET_S) is None
    assert latency.until(100.0 + FORGET_S) == math.inf


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e3)), min_size=1, max_size=50))
def test_it_stays_between_the_last_answer_and_the_slowest(answers: list[tuple[float, float]]) -> None:
    latency, now = Latency(), 0.0
    for seconds, pause_s in answers:
        now += pause_s
        latency.see(seconds, now)
        value = latency.value(now)
        assert value is not None
        assert seconds - 1e-6 <= value <= max(one for one, _ in answers) + 1e-6


def test_the_95th_percentile_needs_samples_and_keeps_the_last_ones() -> None:
    latency = Latency()
    for n in range(FEWEST_SAMPLES - 1):
        latency.see(n, 0.0)
    assert latency.p95() is None
    for n in range(SAMPLES):
        latency.see(n + 1, 0.0)
    assert latency.p95() == 0.95 * SAMPLES
