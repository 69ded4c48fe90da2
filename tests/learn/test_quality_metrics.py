"""The numbers that routers are judged by, against cases small enough to count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.learn.outcomes import Floats
from waypost.learn.quality_metrics import (
    area_under,
    arena_score,
    calibration,
    cost_at,
    coverage,
    frontier,
    means,
    quality_at,
    recovered,
    resamples,
)

SCORES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
PAIRS = st.lists(st.tuples(SCORES, SCORES, st.integers(0, 5)), min_size=2, max_size=30).filter(
    lambda rows: sum(strong - weak for strong, weak, _ in rows) > 0
)


def once(n: int) -> Floats:
    return np.ones((1, n))


def gap(win_rates: list[float], gains: list[float]) -> tuple[float, float, float]:
    found = recovered(once(len(gains)), np.array(win_rates), np.array(gains), np.zeros(len(gains), np.int64))
    return float(found.apgr[0]), float(found.cpt50[0]), float(found.cpt80[0])


def test_a_router_that_knows_where_the_strong_model_gains_recovers_the_gap_with_the_first_calls() -> None:
    # Two of four prompts gain: after half of the calls all of the gap is recovered. The area is 1/4 + 1/2.
    assert gap([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == pytest.approx((0.75, 0.25, 0.4))


def test_one_that_is_wrong_about_all_recovers_it_with_the_last_calls() -> None:
    assert gap([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == pytest.approx((0.25, 0.75, 0.9))


def test_losing_prompts_lift_the_curve_above_the_whole_gap() -> None:
    # Gains 1, 1 and a loss of 1: the gap is 1, and two calls recover twice of it.
    apgr, cpt50, _ = gap([3, 2, 1], [1, 1, -1])
    assert apgr == pytest.approx((0.5 + 1.5 + 1.5) / 3)
    assert cpt50 == pytest.approx(1 / 6)


def test_without_a_gap_there_is_nothing_to_recover() -> None:
    assert all(math.isnan(one) for one in gap([1, 2], [0, 0]))
    assert all(math.isnan(one) for one in gap([1, 2], [-1, 0]))


@given(PAIRS)
def test_a_constant_win_rate_recovers_what_chance_does(rows: list[tuple[float, float, int]]) -> None:
    gains = [strong - weak for strong, weak, _ in rows]
    assert gap([0.3] * len(gains), gains) == pytest.approx((0.5, 0.5, 0.8))


@given(PAIRS, st.randoms(use_true_random=False))
def test_no_order_beats_that_of_the_gains_and_the_order_of_rows_does_not_count(
    rows: list[tuple[float, float, int]], rng: object
) -> None:
    gains = [strong - weak for strong, weak, _ in rows]
    rates = [float(rate) for *_, rate in rows]
    found = gap(rates, gains)
    assert found[0] <= gap(gains, gains)[0] + 1e-9
    order = list(range(len(rows)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    assert gap([rates[at] for at in order], [gains[at] for at in order]) == pytest.approx(found)


def test_each_part_sends_the_same_share_whatever_the_scale_of_its_ratings() -> None:
    # The second part is rated higher as a whole, and one of its prompts apart from the others: that says nothing about parts.
    rates, gains = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.8]), np.array([1.0, 1, 1, 1, 0, 0, 0, 0])
    parts = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = recovered(once(8), rates, gains, parts)
    assert (found.apgr[0], found.cpt50[0]) == pytest.approx((0.5, 0.5))
    # In one part they would come first, and gain nothing.
    assert recovered(once(8), rates, gains, np.zeros(8, np.int64)).apgr[0] == pytest.approx(0.25)


def test_a_part_that_a_resample_left_out_does_not_count() -> None:
    weights = np.array([[1.0, 1.0, 0.0, 0.0]])
    found = recovered(weights, np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 1.0]), np.array([0, 0, 1, 1]))
    assert found.apgr[0] == pytest.approx(0.75)


def test_the_frontier_is_the_hull_that_never_falls() -> None:
    costs, qualities = frontier(np.array([1.0, 2.0, 3.0, 4.0, 2.0]), np.array([0.2, 0.3, 0.8, 0.7, math.nan]))
    assert costs.tolist() == [1.0, 3.0]
    assert qualities.tolist() == [0.2, 0.8]


def test_aiq_is_the_mean_height_of_the_frontier() -> None:
    hull = frontier(np.array([0.0, 1.0]), np.array([0.4, 0.8]))
    # From 0 to 1 it is 0.6 on average, from 1 to 3 it stays at 0.8.
    assert area_under(hull, 0.0, 3.0) == pytest.approx((0.6 + 2 * 0.8) / 3)
    assert math.isnan(area_under(hull, 1.0, 1.0))


def test_a_mixture_reaches_what_lies_between_two_points() -> None:
    hull = frontier(np.array([1.0, 3.0]), np.array([0.4, 0.8]))
    assert quality_at(hull, 2.0) == pytest.approx(0.6)
    assert quality_at(hull, 9.0) == pytest.approx(0.8)
    assert math.isnan(quality_at(hull, 0.5))
    assert cost_at(hull, 0.5) == pytest.approx(1.5)
    assert cost_at(hull, 0.1) == pytest.approx(1.0)
    assert math.isnan(cost_at(hull, 0.9))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_frontier_is_above_every_point(points: list[tuple[float, float]]) -> None:
    costs, qualities = np.array(points).T
    hull = frontier(costs, qualities)
    assert all(quality_at(hull, cost) >= quality - 1e-6 for cost, quality in points)
    assert (np.diff(hull[0]) > 0).all()
    assert (np.diff(hull[1]) > 0).all()


def test_routerarena_weighs_accuracy_ten_times_as_much_as_cheapness() -> None:
    # At the cheapest price the score is 1.1 A / (0.1 A + 1); at the dearest it is 0.
    found = arena_score(np.array([0.8, 0.8, 0.0]), np.array([0.0044, 200.0, 200.0]) / 1000)
    assert found.tolist() == pytest.approx([0.88 / 1.08, 0.0, 0.0])


def test_the_published_score_of_a_router_comes_out() -> None:
    # RouterArena's leaderboard: accuracy 68.09 and 0.54 dollars a thousand questions score 66.66.
    assert arena_score(np.array([0.6809]), np.array([0.00054]))[0] == pytest.approx(0.6666, abs=5e-4)


def test_calibration_is_the_gap_between_what_was_expected_and_what_came() -> None:
    expected = np.array([[0.9, 0.1], [0.9, 0.1]])
    scores = np.array([[1.0, 0.0], [0.0, math.nan]])
    found = calibration(once(2), expected, scores)
    # Two answers at 0.9 scored 0.5 on average, one at 0.1 scored 0.
    assert found.ece[0] == pytest.approx((2 * 0.4 + 0.1) / 3)
    assert found.brier[0] == pytest.approx((0.01 + 0.81 + 0.01) / 3)
    assert found.bins == (pytest.approx((0.1, 0.0, 1)), pytest.approx((0.9, 0.5, 2)))


def test_whole_groups_are_drawn_and_the_first_row_is_the_data_itself() -> None:
    weights = resamples(np.array([7, 7, 9]), 200, seed=1)
    assert weights.shape == (201, 3)
    assert weights[0].tolist() == [1, 1, 1]
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[1:, 0] + weights[1:, 2] == 2).all()


def test_a_mean_is_over_what_is_known() -> None:
    found = means(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]), np.array([1.0, 0.0, math.nan]))
    assert found[0] == 0.5
    assert math.isnan(found[1])


def test_bounds_hold_nine_of_ten_means_where_they_are_right() -> None:
    rng = np.random.default_rng(1)
    categories, models, each = 60, 4, 100
    truth = rng.uniform(0.2, 0.8, (categories, models))
    # Whoever knows the truth up to an error of 0.05 has bounds of 1.64 times that.
    told = np.repeat(truth + rng.normal(0, 0.05, truth.shape), each, axis=0)
    names = [str(one) for one in np.repeat(np.arange(categories), each)]
    scores = (rng.random(told.shape) < np.repeat(truth, each, axis=0)).astype(np.float64)
    half = 1.645 * 0.05
    assert coverage(told, (told - half, told + half), scores, names) == pytest.approx(0.9, abs=0.05)
    # Bounds that are too narrow, or wrong on one side, hold fewer.
    assert coverage(told, (told - 0.01, told + 0.01), scores, names) < 0.85
    assert coverage(told, (told - half, told), scores, names) < 0.85
    assert coverage(told, (told * 0, told * 0 + 1), scores, names) == 1.0


def test_few_groups_say_nothing_of_bounds() -> None:
    level = np.full((290, 1), 0.5)
    assert math.isnan(coverage(level, (level, level), level, ["a"] * 290))
    # 29 answers are too few for a group.
    assert math.isnan(coverage(level, (level, level), level, [str(n // 29) for n in range(290)]))
