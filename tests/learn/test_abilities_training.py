"""Abilities that are learned from outcomes of many sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from learn.known_answers import EASE, NAMES, TRUTH, known_answers
from waypost.decide.abilities import Abilities
from waypost.decide.model_kinds import kind_of
from waypost.errors import ArtefactError
from waypost.learn.abilities import train_abilities
from waypost.learn.abilities_judging import judge_abilities
from waypost.learn.answers import Answers


@pytest.fixture(scope="module")
def learned() -> Abilities:
    return train_abilities(known_answers())


def test_models_are_ordered_by_their_ability_though_not_all_are_in_all_sources(learned: Abilities) -> None:
    said = [learned.means[learned.names.index(name), 0] for name in NAMES]
    real = [TRUTH[name] for name in NAMES]
    assert np.corrcoef(said, real)[0, 1] > 0.97
    assert np.mean(np.abs(np.array(said) - real)) < 0.25


def test_true_abilities_lie_in_the_intervals(learned: Abilities) -> None:
    halves = 1.645 * np.sqrt(learned.covariances[:, 0, 0])
    real = np.array([TRUTH[name] for name in learned.names])
    assert np.mean(np.abs(learned.means[:, 0] - real) <= halves) >= 0.8


def test_more_outcomes_make_an_ability_surer() -> None:
    answers = known_answers()
    few = [source if source.source == "easy" else _narrowed(source) for source in answers]
    sure, unsure = train_abilities(answers), train_abilities(few)
    row = sure.names.index("gpt-4o-mini")
    assert sure.covariances[row, 0, 0] < unsure.covariances[unsure.names.index("gpt-4o-mini"), 0, 0]


def _narrowed(source: Answers) -> Answers:
    scores = source.scores.copy()
    for column, model in enumerate(source.models):
        if model == "gpt-4o-mini":
            scores[10:, column] = np.nan
    return replace(source, scores=scores)


def test_what_makes_prompts_hard_is_found(learned: Abilities) -> None:
    assert learned.ease[int(np.argmin(EASE))] < -0.3


def test_outcomes_are_counted_for_each_model(learned: Abilities) -> None:
    counts = dict(zip(learned.names, learned.outcomes.tolist(), strict=True))
    assert counts["gpt-4o-2024-08-06"] == 1200
    assert counts["gpt-4o-mini"] == 800


def test_a_model_without_outcomes_is_guessed_by_its_size_and_is_less_sure(learned: Abilities) -> None:
    small, large = (learned.by_kind(kind_of(f"qwen-2-5-{size}-instruct", f"qwen2.5-{size}") or ()) for size in ("3b", "32b"))
    assert small.mean[0] < large.mean[0]
    assert small.n == 0
    known = learned.covariances[learned.names.index("qwen-2-5-7b-instruct"), 0, 0]
    assert small.covariance[0, 0] > 2 * known


def test_the_same_answers_give_the_same_numbers() -> None:
    first, second = train_abilities(known_answers()), train_abilities(known_answers())
    assert np.array_equal(first.means, second.means)
    assert np.array_equal(first.covariances, second.covariances)


def test_abilities_survive_their_arrays(learned: Abilities) -> None:
    again = Abilities.of_arrays(learned.to_arrays())
    assert again.names == learned.names
    assert np.allclose(again.means, learned.means, atol=1e-6)
    assert again.kind_sd == learned.kind_sd


def test_arrays_that_do_not_fit_are_refused(learned: Abilities) -> None:
    arrays = learned.to_arrays()
    with pytest.raises(ValueError, match="do not fit"):
        Abilities.of_arrays({**arrays, "names": arrays["names"][1:]})
    with pytest.raises(KeyError):
        Abilities.of_arrays({name: table for name, table in arrays.items() if name != "ease"})


def test_nothing_can_be_learned_of_no_answers() -> None:
    with pytest.raises(ArtefactError, match="no answers"):
        train_abilities([])


def test_a_source_that_was_left_out_is_told_by_the_others() -> None:
    steps: list[tuple[int, int]] = []
    report = judge_abilities(known_answers(), lambda done, of: steps.append((done, of)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert sorted(report) == ["easy", "plain"]
    plain = report["plain"]
    assert plain["models"] == 10
    assert plain["spearman"]["abilities"] > 0.85
    assert plain["error"] < plain["error_of_mean"]
    assert plain["coverage"] >= 0.8


def test_of_models_that_are_in_no_other_source_only_the_kind_is_known() -> None:
    others = known_answers(without=NAMES[:4])
    report = judge_abilities([known_answers()[0], *others[1:]], lambda _, __: None)
    assert report["easy"]["new_models"] == 4
    assert report["easy"]["spearman_new"]["kind"] is None
