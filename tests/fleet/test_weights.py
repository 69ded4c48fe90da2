from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.fleet.report import ModelReport, Occupant
from waypost.fleet.timings import Timings
from waypost.fleet.weights import LOADS, SHORTEST_LOAD_S, Weights

GB = 1_000_000_000


@pytest.fixture
def weights() -> Weights:
    return Weights("qwen3:8b")


def test_before_anybody_has_said_anything_all_is_unknown(weights: Weights) -> None:
    assert (weights.size_bytes(4096), weights.load_s, weights.loads_seen) == (None, None, 0)


def test_a_size_is_guessed_from_the_file_and_the_window_until_it_is_measured(weights: Weights) -> None:
    weights.describe(ModelReport("qwen3:8b", file_bytes=5 * GB))
    assert weights.size_bytes(4096) == 6 * GB
    weights.describe(ModelReport("qwen3:8b", window_bytes=131_072.0))
    assert weights.size_bytes(8192) == 5_500_000_000 + 8192 * 131_072
    weights.occupy(Occupant("qwen3:8b", memory_bytes=7 * GB, gpu_bytes=7 * GB), 0.0)
    assert (weights.size_bytes(8192), weights.gpu_share) == (7 * GB, 1.0)


def test_a_file_that_nobody_knows_is_guessed_from_the_parameters(weights: Weights) -> None:
    weights.describe(ModelReport("qwen3:8b", parameters_b=10.0))
    assert (weights.size_bytes(None), weights.load_s) == (7_200_000_000, 13.0)


def test_the_first_guess_of_a_load_reads_the_file_from_a_disk(weights: Weights) -> None:
    weights.describe(ModelReport("qwen3:8b", file_bytes=5 * GB))
    assert (weights.load_s, weights.loads_seen) == (11.0, 0)


def test_a_load_time_is_the_median_of_the_last_loads(weights: Weights) -> None:
    for number, took_s in enumerate([40.0, 10.0, 12.0]):
        weights.loaded(took_s, 1000.0 * number)
    assert (weights.load_s, weights.loads_seen) == (12.0, 3)
    for number in range(LOADS):
        weights.loaded(5.0, 10_000.0 + 1000.0 * number)
    assert (weights.load_s, weights.loads_seen) == (5.0, LOADS)


def test_a_model_that_was_there_teaches_no_load(weights: Weights) -> None:
    weights.loaded(0.001334875, 100.0)
    weights.loaded(SHORTEST_LOAD_S - 0.01, 200.0)
    assert weights.loads_seen == 0


def test_all_who_waited_for_one_load_are_one_load_of_the_longest_wait(weights: Weights) -> None:
    weights.loaded(10.0, 100.0)  # came first, at 90 s
    weights.loaded(3.0, 100.0)  # came 7 s later
    weights.loaded(12.0, 100.5)
    assert (weights.load_s, weights.loads_seen) == (12.0, 1)
    weights.loaded(8.0, 200.0)
    assert weights.loads_seen == 2


def test_speeds_follow_what_is_measured_without_jumping(weights: Weights) -> None:
    weights.worked(Timings(prompt_s=1.0, prompt_tokens=1000, answer_s=2.0, answer_tokens=100), cached=False)
    assert (weights.prompt_tokens_per_s, weights.answer_tokens_per_s) == (1000.0, 50.0)
    weights.worked(Timings(prompt_s=1.0, prompt_tokens=2000, answer_s=1.0, answer_tokens=100), cached=False)
    assert (weights.prompt_tokens_per_s, weights.answer_tokens_per_s) == (1200.0, 60.0)


def test_a_few_tokens_measure_the_overhead_and_are_not_counted(weights: Weights) -> None:
    weights.worked(Timings(prompt_s=0.5, prompt_tokens=3, answer_s=0.5, answer_tokens=2), cached=False)
    weights.worked(Timings(prompt_s=0.0, prompt_tokens=100, answer_s=None, answer_tokens=100), cached=False)
    assert (weights.prompt_tokens_per_s, weights.answer_tokens_per_s) == (None, None)


def test_tokens_out_of_a_cache_make_no_model_faster(weights: Weights) -> None:
    weights.worked(Timings(prompt_s=1.0, prompt_tokens=1000), cached=False)
    weights.worked(Timings(prompt_s=0.01, prompt_tokens=1000), cached=True)
    assert weights.prompt_tokens_per_s == 1000.0
    weights.worked(Timings(prompt_s=2.0, prompt_tokens=1000), cached=True)
    assert weights.prompt_tokens_per_s == 900.0


def test_how_long_a_model_is_kept_is_what_it_was_promised_when_it_was_used_last(weights: Weights) -> None:
    weights.occupy(Occupant("m", expires_at=5_300.0), 1000.0)
    weights.occupy(Occupant("m", expires_at=5_300.0), 1200.0)
    assert weights.kept_s == 4_300.0
    weights.occupy(Occupant("m", expires_at=5_260.0), 1250.0)
    assert weights.kept_s == 4_010.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30))
def test_a_load_time_lies_between_the_loads_seen(loads: list[tuple[float, float]]) -> None:
    weights = Weights("m")
    for took_s, at in loads:
        weights.loaded(took_s, at)
    seen = [took_s for took_s, _ in loads if took_s >= SHORTEST_LOAD_S]
    assert (weights.load_s is None) == (not seen)
    if weights.load_s is not None:
        assert min(seen) <= weights.load_s <= max(seen)
