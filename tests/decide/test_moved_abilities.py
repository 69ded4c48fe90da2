"""Where deployments stand after outcomes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from decide.known_abilities import SIZE, abilities
from waypost.decide.abilities import Standing
from waypost.decide.moved_abilities import Passed, after_outcomes


def standing(mean: float, sd: float = 0.6) -> Standing:
    return Standing(np.array([mean] + [0.0] * (SIZE - 1)), np.diag([sd**2] + [0.02] * (SIZE - 1)), 0)


def abilities_after(*known: tuple[Standing, Passed]) -> list[float]:
    return [float(one.mean[0]) for one in after_outcomes(known, abilities())]


def test_who_passed_more_stands_higher_though_both_were_thought_alike() -> None:
    better, worse = abilities_after((standing(0.5), Passed(70, 80)), (standing(0.5), Passed(40, 80)))
    assert better > 0.8
    assert worse < 0.2


def test_how_hard_the_prompts_were_is_learned_from_all() -> None:
    easy = abilities_after((standing(0.5), Passed(78, 80)), (standing(0.5), Passed(78, 80)))
    assert easy[0] == pytest.approx(easy[1])
    alone = abilities_after((standing(0.5), Passed(78, 80)))[0]
    assert 0.5 < easy[0] < 1.5, "prompts that all pass are easy, rather than all able"
    assert alone < 1.5


def test_outcomes_make_surer() -> None:
    before = standing(0.5)
    after = after_outcomes([(before, Passed(60, 80)), (standing(1.0), Passed(70, 80))], abilities())[0]
    assert after.covariance[0, 0] < before.covariance[0, 0]
    assert after.n == 80
    assert np.array_equal(after.mean[1:], before.mean[1:])
    assert np.all(np.linalg.eigvalsh(after.covariance) > 0)


def test_who_was_well_known_moves_little() -> None:
    known, guessed = abilities_after((standing(1.0, 0.1), Passed(40, 80)), (standing(1.0, 0.8), Passed(40, 80)))
    assert abs(known - 1.0) < abs(guessed - 1.0)


def test_all_right_and_none_right_have_odds() -> None:
    right, wrong = abilities_after((standing(0.0), Passed(80, 80)), (standing(0.0), Passed(0, 80)))
    assert np.isfinite([right, wrong]).all()
    assert right > wrong


def test_who_answered_nothing_stays_where_it_was() -> None:
    silent = standing(0.3)
    found = after_outcomes([(silent, Passed(0, 0)), (standing(0.5), Passed(60, 80))], abilities())
    assert found[0] is silent


def test_no_outcomes_move_nobody() -> None:
    assert after_outcomes([], abilities()) == []
