"""What rates the models, and what the dial makes of the ratings."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.fixed_model import FixedModel
from learn.outcome_tables import asked, table
from waypost.decide.quality import COST_WEIGHT, QualityEstimate
from waypost.decide.task import TaskScores
from waypost.errors import ArtefactError
from waypost.fleet.view import Deployment
from waypost.learn.outcomes import Floats, Outcomes, Prompt
from waypost.learn.quality_playing import DIALS, Rated, play
from waypost.learn.quality_policies import (
    PRIOR_ANSWERS,
    Constant,
    Estimated,
    Ranked,
    StrongOrWeak,
    baselines,
    litellm_baselines,
    ratings_of,
)
from waypost.learn.quality_subject import load_subject
from waypost.turn import Turn

TABLES = st.integers(2, 4).flatmap(
    lambda models: st.lists(
        st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=models, max_size=models), min_size=3, max_size=20
    )
)
NOBODY = FixedModel({})


def ratings(name: str, train: Outcomes, prompts: Sequence[Prompt], model: FixedModel = NOBODY) -> Floats:
    return baselines(model)[name](train).rate(prompts)


def test_the_best_single_model_is_that_of_the_training() -> None:
    found = ratings("best_single", table(asked(4), [[0, 1], [0, 1], [1, 0], [0, math.nan]]), asked(2))
    assert found.tolist() == [[0.25, 2 / 3]] * 2


def test_the_cheapest_one_is_rated_by_nothing_but_its_cost() -> None:
    found = ratings("cheapest", table(asked(2), [[1, 0], [1, 0]], [0.5, 0.1]), asked(1))
    assert found.argmax() == 1


def test_a_category_has_its_own_best_drawn_to_the_whole() -> None:
    # Model a is right in category c0, model b in c1.
    found = ratings("best_per_category", table(asked(40), [[1, 0], [0, 1]] * 20), [*asked(2), Prompt("x", "x", "x", "new")])
    drawn = (20 + PRIOR_ANSWERS / 2) / (20 + PRIOR_ANSWERS)
    assert found[0].tolist() == pytest.approx([drawn, 1 - drawn])
    assert found[1].tolist() == pytest.approx([1 - drawn, drawn])
    assert found[2].tolist() == [0.5, 0.5]


def test_a_task_has_its_own_best() -> None:
    model = FixedModel({"code": ("coding", 0.9)})
    prompts = [Prompt(str(n), str(n), f"{'code' if n % 2 else 'talk'} {n}") for n in range(40)]
    found = ratings("best_per_task", table(prompts, [[1, 0], [0, 1]] * 20), prompts[:2], model)
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_the_rules_of_the_note_tell_apart_what_their_words_do() -> None:
    prompts = [Prompt(str(n), str(n), f"{'Add milk' if n % 2 else 'Hello'} {n}") for n in range(40)]
    found = ratings("keyword_rules", table(prompts, [[1, 0], [0, 1]] * 20), prompts[:2])
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_neighbours_answer_for_what_reads_alike() -> None:
    pytest.importorskip("scipy")
    topics = ["roses", "integrals", "rivers", "proofs", "castles", "matrices", "birds", "primes", "clouds", "vectors", "songs"]
    prompts = [Prompt(str(n), str(n), f"{topics[n % 11]} no. {n}") for n in range(44)]
    train = table(prompts, [[0, 1] if n % 11 % 2 else [1, 0] for n in range(44)])
    found = ratings("knn", train, [Prompt("q", "q", "matrices"), Prompt("r", "r", "zzz")])
    assert found[0, 1] > 0.5 > found[0, 0]
    # Nothing is like it: the means of all.
    assert found[1].tolist() == train.mean_scores.tolist()


def test_without_scipy_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ArtefactError, match="needs scipy"):
        ratings("knn", table(asked(3), [[1, 0]] * 3), asked(1))


def test_tiers_are_mapped_to_models_by_rank() -> None:
    policy = Ranked(list, np.array([1.0, 0.0, 0.5]))
    prompts = [Prompt("", "", tier) for tier in ("SIMPLE", "REASONING")]
    assert policy.rate(prompts).argmax(axis=1).tolist() == [1, 0]


def test_without_litellm_its_classifiers_are_not_among_the_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm.router_strategy.complexity_router", None)
    assert litellm_baselines() == {}


READER = FixedModel({"a": ("memory", 0.9)})


class Estimator:
    """Knows that the last deployment is best, and nothing of a stranger."""

    version = "mine-1"

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> list[QualityEstimate | None]:
        assert (turn.user_texts[0][:10], task.task) == ("a question", "memory")
        return [None if one.model == "stranger" else QualityEstimate(n / 10, 0.0, 1.0, n) for n, one in enumerate(deployments)]


class Router:
    """Says yes to long prompts, as one of RouteLLM's."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        return min(1.0, len(prompt) / 100)


def subject(monkeypatch: pytest.MonkeyPatch, thing: object, train: Outcomes, strong: str | None = None) -> Floats:
    monkeypatch.setattr(sys.modules[__name__], "THING", thing, raising=False)
    return load_subject(f"{__name__}:THING", strong, READER)(train).rate(asked(2, "a question of some length"))


def test_an_estimator_is_judged_by_its_means(monkeypatch: pytest.MonkeyPatch) -> None:
    train = table(asked(3), [[1, 0, 1]] * 3)
    assert subject(monkeypatch, Estimator(), train).tolist() == [[0.0, 0.1, 0.2]] * 2
    assert subject(monkeypatch, lambda _: Estimator(), train).tolist() == [[0.0, 0.1, 0.2]] * 2


def test_an_estimator_that_knows_nothing_of_a_model_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    train = replace(table(asked(3), [[1, 0]] * 3), models=("a", "stranger"))
    with pytest.raises(ArtefactError, match="mine-1 gives no estimate for the model stranger"):
        subject(monkeypatch, Estimator(), train)


def test_a_router_of_routellm_is_judged_by_its_win_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    train = table(asked(3), [[1, 0]] * 3)
    assert subject(monkeypatch, Router(), train)[0].tolist() == pytest.approx([0.27, 0.73])
    assert subject(monkeypatch, lambda _: Router(), train, strong="b")[0].tolist() == pytest.approx([0.73, 0.27])
    unanswered = table(asked(3), [[math.nan, 0]] * 3)
    assert subject(monkeypatch, Router(), unanswered)[0].tolist() == pytest.approx([0.73, 0.27])
    with pytest.raises(ArtefactError, match="name two with --only"):
        subject(monkeypatch, Router(), table(asked(3), [[1, 0, 1]] * 3))


def test_a_policy_may_be_learned_from_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    train = table(asked(3), [[1, 0]] * 3)
    made = subject(monkeypatch, lambda found: Constant(found.mean_scores, expects=True), train)
    assert made.tolist() == [[1.0, 0.0]] * 2


@pytest.mark.parametrize("name", ["nothing", "no.such.module:x", f"{__name__}:nothing", ":x"])
def test_a_policy_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(ArtefactError, match="there is no policy"):
        load_subject(name, None, NOBODY)


def test_what_is_no_policy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for thing in (3, lambda _: 3, Estimator):
        with pytest.raises((ArtefactError, TypeError)):
            subject(monkeypatch, thing, table(asked(3), [[1, 0]] * 3))


@pytest.mark.parametrize("rate", [math.nan, 7.0, "a lot", None])
def test_a_win_rate_that_is_none_is_refused(rate: object) -> None:
    class Confused:
        def calculate_strong_win_rate(self, prompt: str) -> Any:
            return rate

    with pytest.raises(ArtefactError, match=r"not from 0 to 1 \(row 2 of o\.csv\)"):
        StrongOrWeak(Confused(), 1).rate([Prompt("1", "1", "hello", where="row 2 of o.csv")])


def test_an_estimator_has_an_estimate_for_each_model() -> None:
    class Terse(Estimator):
        def estimate(self, *_: object) -> list[QualityEstimate | None]:
            return []

    with pytest.raises(ArtefactError, match="mine-1 gives 0 estimates for 2 models"):
        Estimated(Terse(), ("a", "b"), READER).rate(asked(1))


def test_ratings_have_to_be_numbers_one_for_each_model() -> None:
    train, prompts = table(asked(3), [[1, 0]] * 3), [Prompt("1", "1", "hello", where="row 2 of o.csv")]
    with pytest.raises(ArtefactError, match=r"no number \(row 2 of o\.csv\)"):
        ratings_of(Constant(np.array([0.5, math.nan]), expects=True), prompts, train)
    with pytest.raises(ArtefactError, match=r"shape \(1, 3\) are not for 1 prompts and 2 models"):
        ratings_of(Constant(np.zeros(3), expects=True), prompts, train)


def test_the_dial_goes_from_the_cheapest_to_the_best() -> None:
    rated = Rated(np.array([[0.9, 0.6, 0.5]]), np.array([[1.0, 0.1, 0.0]]), expects=True)
    played = play(rated, np.array([[1.0, 0.5, 0.0]]), np.array([[9.0, 2.0, 1.0]]))
    assert played.costs is not None
    assert (played.costs[0, 0], played.costs[-1, 0]) == (1.0, 9.0)
    assert (np.diff(played.costs[:, 0]) >= 0).all()
    assert set(played.scores[:, 0]) == {0.0, 0.5, 1.0}


def test_what_rates_alike_is_chosen_in_equal_parts_and_by_cost_where_scores_are_expected() -> None:
    scores, costs, level = np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]]), np.zeros((1, 2))
    guessed = play(Rated(level, costs, expects=False), scores, costs)
    assert guessed.dials == DIALS[-1:]
    assert guessed.scores.tolist() == [[0.5]]
    assert guessed.costs is not None
    assert guessed.costs.tolist() == [[2.0]]
    expected = play(Rated(level, costs, expects=True), scores, costs)
    assert expected.scores[-1].tolist() == [0.0]


def test_a_model_without_an_outcome_is_not_chosen() -> None:
    played = play(Rated(np.array([[0.9, 0.1]]), None, expects=True), np.array([[math.nan, 0.3]]), None)
    assert played.scores.tolist() == [[0.3]]
    assert played.shares.tolist() == [0.0, 1.0]


@given(TABLES, st.integers(0, 5))
def test_nobody_beats_the_oracle(scores: list[list[float]], seed: int) -> None:
    found = np.array(scores)
    costs = np.random.default_rng(seed).random(found.shape)
    oracle = play(Rated(found, costs, expects=True), found, costs)
    other = play(Rated(np.random.default_rng(seed).random(found.shape), costs, expects=True), found, costs)
    assert oracle.scores[-1].mean() >= other.scores.max(axis=0).mean() - 1e-12
    for dial in range(0, len(DIALS), 40):
        # At every setting it has the best balance of both.
        assert oracle.costs is not None
        assert other.costs is not None
        weight = DIALS[dial]
        mine = weight * oracle.scores[dial] - (1 - weight) * COST_WEIGHT * oracle.costs[dial]
        theirs = weight * other.scores[dial] - (1 - weight) * COST_WEIGHT * other.costs[dial]
        assert (mine >= theirs - 1e-8).all()
