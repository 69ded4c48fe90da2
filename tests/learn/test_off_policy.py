"""What other rules would have scored: the arithmetic, what a simulation says of the intervals, and when the answer is no."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from waypost.errors import ThinData
from waypost.learn.off_policy import Evidence, Judgement, judge
from waypost.learn.outcomes import Floats


def evidence(n: int = 40, **columns: Any) -> Evidence:
    """``n`` decisions that the new rules leave as they were, without chance, all rated 1, and whatever is said otherwise."""
    usual: dict[str, Any] = {
        "scores": 1.0,
        "propensities": 1.0,
        "followed": True,
        "changed": False,
        "possible": True,
        "expected_chosen": math.nan,
        "expected_new": math.nan,
        "clusters": np.arange(n),
    }
    kinds = {"followed": np.bool_, "changed": np.bool_, "possible": np.bool_, "clusters": np.int64}
    given = {
        name: np.resize(np.asarray(columns.get(name, value), kinds.get(name, np.float64)), n) for name, value in usual.items()
    }
    return Evidence(**given)


def half_drawn(**columns: Any) -> Evidence:
    """Everything changes: of 80 decisions each second went the new way, with a propensity of 0.5, and scored 1, 0, …"""
    scores = [1.0, 0.25, 0.0, 0.25]  # who was drawn: 1 and 0; who was not: 0.25
    return evidence(80, **{"scores": scores, "propensities": 0.5, "followed": [True, False], "changed": True, **columns})


def test_rules_that_change_nothing_score_what_was_scored() -> None:
    found = judge(evidence(scores=[1.0, 0.0, 0.5, 0.5]))
    assert found.new.value == found.old.value == found.weighted.value == pytest.approx(0.5)
    assert (found.new.lower, found.new.upper) == (found.old.lower, found.old.upper)
    assert found.difference.value == found.difference.lower == found.difference.upper == 0
    assert (found.n, found.effective, found.drawn, found.unjudged) == (40, 40.0, 0, 0.0)


def test_the_estimate_is_what_was_expected_mended_by_how_far_ratings_lay_from_it() -> None:
    found = judge(half_drawn(expected_chosen=[0.8, 0.2], expected_new=0.8))
    # Drawn: 0.8 + (1 - 0.8) / 0.5 and 0.8 + (0 - 0.8) / 0.5; the others: 0.8.
    assert found.new.value == pytest.approx((1.2 + 0.8 - 0.8 + 0.8) / 4)
    assert found.old.value == pytest.approx(0.375)
    assert found.difference.value == pytest.approx(0.5 - 0.375)
    assert found.weighted.value == pytest.approx(0.5)
    assert (found.effective, found.drawn) == (40.0, 40)


def test_without_expectations_the_mean_rating_stands_for_them() -> None:
    found = judge(half_drawn())
    assert found.new.value == pytest.approx((2 * 0.375 + 2 * (1 - 0.375) + 2 * (0 - 0.375) + 2 * 0.375) / 4)


def test_seldom_draws_weigh_more_and_count_for_less() -> None:
    found = judge(half_drawn(propensities=[0.5, 0.5, 0.1, 0.5]))
    assert found.weighted.value == pytest.approx(2 / 12)
    assert found.effective == pytest.approx(20 * 12**2 / (2**2 + 10**2))


def test_decisions_that_hang_together_are_drawn_together() -> None:
    alone, together = (judge(half_drawn(clusters=clusters)) for clusters in (np.arange(80), np.arange(80) // 8))
    assert alone.old.value == together.old.value
    drawn_alike = judge(half_drawn(scores=np.repeat([1.0, 0.0], 40), clusters=np.arange(80) // 20))
    apart = judge(half_drawn(scores=np.repeat([1.0, 0.0], 40)))
    assert drawn_alike.old.upper - drawn_alike.old.lower > 1.5 * (apart.old.upper - apart.old.lower)


def test_a_few_that_never_had_a_chance_count_for_anything_in_the_interval() -> None:
    possible = [False, *[True] * 24]
    expected = {"expected_new": [0.75, *[0.5] * 24], "expected_chosen": 0.5}
    found = judge(evidence(100, scores=0.5, possible=possible, followed=possible, **expected))
    assert found.unjudged == pytest.approx(0.04)
    assert found.new.value == pytest.approx(0.96 * 0.5 + 0.04 * 0.75)
    # In a resample there may be more or fewer of the four.
    assert found.new.lower <= 0.96 * 0.5
    assert found.new.upper >= 0.96 * 0.5 + 0.04


def test_values_stay_where_scores_can_be() -> None:
    found = judge(half_drawn(scores=[1.0, 0.0], propensities=[0.1, 0.9], expected_new=0.9, expected_chosen=[0.0, 0.9]))
    assert (found.new.value, found.new.upper) == (1.0, 1.0)
    assert found.difference.upper <= 1.0


def test_the_same_seed_gives_the_same_and_the_order_of_decisions_none() -> None:
    assert judge(half_drawn(), seed=3) == judge(half_drawn(), seed=3)
    assert judge(half_drawn(), seed=3).new != judge(half_drawn(), seed=4).new


@pytest.mark.parametrize(
    ("given", "said", "missing"),
    [
        (evidence(12), "12 decisions are rated", 18),
        (evidence(followed=False, possible=False), "40 of 40 rated decisions .* propensity was 0", None),
        (evidence(100, possible=[True] * 15 + [False]), r"6 of 100 .* 5% is the most", None),
        (half_drawn(followed=[True, False, False, False]), r"change 80 .* in 20 of these .* of 0\.5: 30", 20),
        (evidence(changed=True, followed=False, propensities=0.95), r"in 0 of these .* of 0\.05", 600),
        (evidence(followed=False), "nothing that is rated went", 30),
    ],
)
def test_too_little_is_refused_with_what_is_missing(given: Evidence, said: str, missing: int | None) -> None:
    with pytest.raises(ThinData, match=said) as refused:
        judge(given)
    assert refused.value.missing == missing


def simulated(seed: int, n: int, share: float, *, knows: bool) -> Evidence:
    """Two models, ``cheap`` good at the easy half; the new rules ask it for a fifth more. ``knows``: expectations are right."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(size=n)
    quality = _quality(hard)
    usual, new = (hard >= 0.5).astype(np.int64), (hard >= 0.7).astype(np.int64)
    other = rng.uniform(size=n) < share / 2
    chosen = np.where(other, 1 - usual, usual)
    rows = np.arange(n)
    expected = quality if knows else 1 - quality
    return Evidence(
        scores=(rng.uniform(size=n) < quality[rows, chosen]).astype(np.float64),
        propensities=np.where(other, share / 2, 1 - share / 2),
        followed=chosen == new,
        changed=new != usual,
        possible=np.ones(n, np.bool_),
        expected_chosen=expected[rows, chosen],
        expected_new=expected[rows, new],
        clusters=rows,
    )


def _quality(hard: Floats) -> Floats:
    return np.stack([0.9 - 0.6 * hard, 0.85 - 0.1 * hard], axis=1)


def _true_value() -> float:
    hard = np.linspace(0, 1, 100_001)
    cheap, strong = _quality(hard).T
    return float(np.where(hard >= 0.7, strong, cheap).mean())


@pytest.mark.parametrize("knows", [True, False])
def test_the_interval_holds_the_true_value_about_as_often_as_it_says_whatever_was_expected(knows: bool) -> None:
    runs = [judge(simulated(seed, 1200, 0.6, knows=knows), resampled=200, seed=seed) for seed in range(160)]
    true = _true_value()

    def held(name: str) -> float:
        return float(np.mean([getattr(run, name).lower <= true <= getattr(run, name).upper for run in runs]))

    assert 0.91 <= held("new") <= 0.99
    assert 0.91 <= held("weighted") <= 0.99
    error = np.mean([run.new.value for run in runs]) - true
    assert abs(error) < 4 * np.std([run.new.value for run in runs]) / math.sqrt(len(runs))


def test_good_expectations_make_the_interval_narrower_than_ratings_alone() -> None:
    def width(run: Judgement, name: str) -> float:
        return float(getattr(run, name).upper - getattr(run, name).lower)

    runs = [judge(simulated(seed, 2000, 0.4, knows=True), resampled=200) for seed in range(20)]
    assert np.mean([width(run, "new") for run in runs]) < np.mean([width(run, "weighted") for run in runs])


def test_a_log_without_chance_judges_nothing_that_it_did_not_do() -> None:
    log = simulated(1, 2000, 0.4, knows=True)
    deterministic = Evidence(
        log.scores,
        np.ones(2000),
        ~log.changed,
        log.changed,
        ~log.changed,
        log.expected_chosen,
        log.expected_new,
        log.clusters,
    )
    with pytest.raises(ThinData, match="let the routes explore"):
        judge(deterministic)
