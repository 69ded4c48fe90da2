"""Prompts of kinds that the training did not have: how they are told from others, and what is expected of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from learn.outcome_tables import table
from learn.test_quality_ensemble import ANY, READER, fixed, one_for_each
from waypost.decide.quality_pool import NewKinds, Pool
from waypost.learn.outcomes import Outcomes, Prompt
from waypost.learn.quality_ensemble import learn_pool
from waypost.learn.quality_intervals import LEAST_REACH, MOST_REACH, reach_of
from waypost.learn.quality_new_kinds import NEW_SHARE, means_of_kinds, odds_of

pytest.importorskip("scipy")
NAN = math.nan
TEXTS = {
    "sums": "What is {} plus {} times 7?",
    "poems": "Write a poem about river {} and the wind over hill {}",
    "capitals": "Which city is the capital of country {} in region {}",
    "code": "def f{}(x): return x ** {}  # what does this Python function do",
}


def doubts(odds: np.ndarray, fits: list[float]) -> list[float]:
    """How probable it is that prompts are of a new kind, to which a known kind fits so well."""
    none = np.zeros(1)
    return [round(float(one), 6) for one in NewKinds(odds, none, none).doubt(np.array(fits))[:, 0]]


def of_four_kinds(n: int) -> Outcomes:
    """Each kind has its own best model; of 4n prompts."""
    prompts, share = [], []
    for number in range(n):
        for place, (kind, text) in enumerate(TEXTS.items()):
            name = f"{kind}{number:04}"
            prompts.append(Prompt(name, name, text.format(number, number * 3), category=kind))
            share.append([0.9 if model == place else 0.3 for model in range(4)])
    rng = np.random.default_rng(2)
    return table(prompts, (rng.random((4 * n, 4)) < np.array(share)).astype(float).tolist())


def test_what_fits_no_kind_is_new_and_what_fits_one_is_not() -> None:
    odds = odds_of(np.array([0.9, 1.0, 1.1]), np.array([-0.1, 0.0, 0.1]))
    fits, between, not_at_all = doubts(odds, [1.0, 0.5, 0.0])
    assert fits < 0.02
    assert between == pytest.approx(NEW_SHARE)
    assert not_at_all > 0.4


def test_groups_count_alike_however_many_prompts_they_have() -> None:
    few = odds_of(np.array([1.0, 0.8]), np.array([0.0, 0.2]))
    many = odds_of(np.array([1.0, 0.8]), np.tile([0.0, 0.2], 50))
    assert doubts(few, [0.5]) == pytest.approx([NEW_SHARE])
    # More of them move the middle, not the balance.
    assert doubts(many, [0.5]) == pytest.approx([NEW_SHARE], abs=0.02)


@pytest.mark.parametrize("new", [[0.8, 1.0], [1.8, 2.0]], ids=["alike", "fits better"])
def test_where_the_fit_tells_nothing_all_prompts_are_as_probably_new(new: list[float]) -> None:
    odds = odds_of(np.array([0.8, 1.0]), np.array(new))
    assert odds[0] == 0
    assert len(set(doubts(odds, [-5.0, 0.0, 5.0]))) == 1
    assert doubts(odds_of(np.array([0.8, 1.0]), np.array([0.8, 1.0])), [0.0]) == [NEW_SHARE]


def test_no_fit_is_too_bad_or_too_good() -> None:
    assert doubts(np.array([-20.0, 0.0]), [-1e6, 1e6]) == [1.0, 0.0]


def test_kinds_count_alike_and_what_is_missing_stays_missing() -> None:
    scores = np.array([[1, 0, NAN], [0, NAN, NAN], [1, 1, NAN]])
    found = means_of_kinds(scores, np.array([0, 0, 2]), np.array([0.6, 0.5, 0.4]))
    assert found.tolist() == [[0.5, 0.0, 0.4], [0.6, 0.5, 0.4], [1.0, 1.0, 0.4]]


def test_models_may_be_off_by_as_much_as_a_new_kind_is_more_probable_than_usual() -> None:
    pool = fixed([[0, 1], [0, 1]], 0.0, (0.8, 0.4))
    known = pool.expected(ANY)
    half = replace(pool, new_kinds=NewKinds(np.zeros(2), np.array([0.2]), np.array([0.5, 0.1])))
    assert half.expected(ANY).stray.tolist() == [pytest.approx([0.15, 0.03])]
    assert half.expected(ANY, [1]).stray.tolist() == [pytest.approx([0.03])]
    assert half.expected(ANY).means == known.means
    usual = replace(pool, new_kinds=NewKinds(np.zeros(2), np.array([0.5]), np.array([0.5, 0.1])))
    assert usual.expected(ANY).stray.tolist() == known.stray.tolist() == [[0.0, 0.0]]


def test_an_interval_holds_both_what_is_off_on_known_kinds_and_on_new_ones() -> None:
    pool = fixed([[0, 1], [0, 1]], 0.0, (0.8, 0.4))
    known = pool.half_width(0.5, 8, 2.0, 0.0)
    assert known == pytest.approx(2 * 1.645 * math.sqrt(0.25 * (1 / 10 + 1 / 50)))
    assert pool.half_width(0.5, 8, 2.0, 0.3) == pytest.approx(math.hypot(known, 0.3))


def test_intervals_reach_as_far_as_nine_of_ten_left_out_means() -> None:
    cells = np.array([[0.1 * number, 0.0, 0.0, 10.0, 0.1] for number in range(1, 11)])
    reach = reach_of(cells, 50.0)
    assert reach * 1.645 * 0.1 == pytest.approx(0.9, rel=0.08)
    assert reach_of(np.zeros((3, 5)), 50.0) == LEAST_REACH
    assert reach_of(np.array([[1.0, 0.0, 0.0, 10.0, 0.0]]), 50.0) == MOST_REACH
    assert reach_of(np.empty((0, 5)), 50.0) == 1


def test_a_new_kind_has_wide_intervals_and_a_known_one_has_not() -> None:
    train = of_four_kinds(60)
    pool = learn_pool(train, READER, 1)
    texts = [text.format(901, 7) for text in TEXTS.values()]
    known, new = (
        pool.expected(READER.read([Prompt("", "", text) for text in asked]).seen_by(pool.experts.topics))
        for asked in (texts, ["Translate the letter of my aunt into Spanish, and keep her tone"])
    )
    assert np.array(known.means).argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert new.stray.min() > 2 * known.stray.max()


def test_of_fewer_than_four_kinds_none_is_left_out() -> None:
    assert learn_pool(one_for_each(240), READER, 1).new_kinds is None


def test_what_is_known_of_new_kinds_is_packed_with_the_pool() -> None:
    pool = learn_pool(of_four_kinds(60), READER, 1)
    arrays = pool.to_arrays()
    again = Pool.of_arrays(arrays)
    assert again.new_kinds is not None
    assert pool.new_kinds is not None
    assert again.new_kinds.odds.tolist() == pool.new_kinds.odds.tolist()
    with pytest.raises(ValueError, match="new kinds"):
        Pool.of_arrays(arrays | {"new_reach": np.zeros(3)})
    with pytest.raises(KeyError):
        Pool.of_arrays({name: array for name, array in arrays.items() if name != "new_usual"})
