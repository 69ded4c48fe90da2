"""Where a router has to be set, and that what is proven of it is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from learn.outcome_tables import asked, table
from waypost.errors import ArtefactError, ThinData
from waypost.learn.outcome_splits import cross_validated
from waypost.learn.outcomes import Floats, Outcomes, Prompt
from waypost.learn.quality_calibration import Rehearsal, best_of, cheapest_within, rehearse, threshold_for
from waypost.learn.quality_playing import Rated
from waypost.learn.quality_policies import Constant, StrongOrWeak

MANY = asked(2000)


def silent(step: str, done: int, total: int) -> None:
    del step, done, total


@dataclass(frozen=True, slots=True)
class ByLength:
    """A router of RouteLLM's kind: the strong model wins on long prompts."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        return len(prompt) / 1000


def two(win_rates: Floats, scores: Floats, prompts: Sequence[Prompt]) -> Rehearsal:
    """Model a is the weak one, b the strong one."""
    outcomes = table(prompts, scores.tolist(), [0.01, 0.03])
    rated = Rated(np.stack((1 - win_rates, win_rates), axis=1), None, expects=False)
    return Rehearsal(outcomes, rated, np.ones(len(prompts), np.int64), (1, 0))


def drawn(rng: np.random.Generator, n: int) -> Rehearsal:
    """The higher the win rate, the more the strong model gains; answers are right or wrong."""
    win_rates = rng.random(n)
    weak, strong = rng.random(n) < 0.8 - 0.4 * win_rates, rng.random(n) < 0.8
    return two(win_rates, np.stack((weak, strong), axis=1).astype(np.float64), MANY[:n])


def true_loss(threshold: float) -> float:
    """Of `drawn`: what is lost below the threshold is 0.4 times the win rate."""
    return 0.2 * threshold**2


def test_a_proof_is_wrong_no_more_often_than_it_says() -> None:
    rng, runs, confidence = np.random.default_rng(3), 120, 0.8
    found = [cheapest_within(drawn(rng, 400), 0.04, confidence, seed, silent)["setting"] for seed in range(runs)]
    wrong = sum(true_loss(threshold) > 0.04 for threshold in found)
    assert wrong <= runs * (1 - confidence) + 3 * math.sqrt(runs * confidence * (1 - confidence))
    # And it is no proof of nothing: the limit itself is at 0.447.
    assert np.median(found) > 0.2


def test_more_questions_prove_more_and_a_lower_limit_less() -> None:
    rng = np.random.default_rng(4)
    many = drawn(rng, 2000)
    strict, loose = (cheapest_within(many, limit, 0.9, 1, silent) for limit in (0.02, 0.08))
    assert strict["setting"] < loose["setting"]
    assert strict["loss"] < 0.02
    assert loose["cost_usd"] < strict["cost_usd"] < strict["best_cost_usd"]
    assert strict["next"]["more"] > 0


def test_a_router_that_loses_nothing_goes_all_the_way() -> None:
    found = cheapest_within(two(np.full(500, 0.5), np.ones((500, 2)), MANY[:500]), 0.02, 0.95, 1, silent)
    assert found["calls"] == {"a": 1.0}
    assert found["next"] is None


def test_thin_data_is_refused_and_says_what_is_missing() -> None:
    few = drawn(np.random.default_rng(1), 100)
    with pytest.raises(ThinData, match=r"100 questions cannot prove a loss below 0\.02") as thin:
        cheapest_within(few, 0.02, 0.95, 1, silent)
    assert thin.value.missing is not None
    assert cheapest_within(few, 0.3, 0.5, 1, silent)
    enough = two(
        np.full(100 + thin.value.missing, 0.5), np.ones((100 + thin.value.missing, 2)), MANY[: 100 + thin.value.missing]
    )
    assert cheapest_within(enough, 0.02, 0.95, 1, silent)
    with pytest.raises(ThinData, match=r"may be off by 0\.09; it needs about 223 more questions"):
        threshold_for(few, 0.3)


def test_variants_of_a_question_count_once() -> None:
    variants = [Prompt(f"p{n}", f"g{n // 4}", f"question {n}") for n in range(400)]
    with pytest.raises(ThinData, match="100 questions"):
        cheapest_within(two(np.full(400, 0.5), np.ones((400, 2)), variants), 0.02, 0.95, 1, silent)


def test_a_share_of_strong_calls_is_the_quantile_of_the_win_rates() -> None:
    rates = np.random.default_rng(2).random(1000)
    found = threshold_for(two(rates, np.ones((1000, 2)), MANY[:1000]), 0.3)
    assert found["setting"] == round(float(np.quantile(rates, 0.7)), 5)
    assert found["calls"]["b"] == pytest.approx(0.3, abs=0.002)
    assert found["cost_usd"] == pytest.approx(0.3 * 0.03 + 0.7 * 0.01, abs=0.0001)


def test_expected_scores_tell_a_win_rate() -> None:
    # b is right nine times in ten, a six: of what differs b wins; ties are halved.
    rehearsal = Rehearsal(table(asked(1), [[1, 1]]), Rated(np.array([[0.6, 0.9]]), None, expects=True), np.array([1]), (1, 0))
    rates = np.random.default_rng(6).random((200_000, 2)) < [0.6, 0.9]
    wins, ties = (rates[:, 1] > rates[:, 0]).mean(), (rates[:, 1] == rates[:, 0]).mean()
    assert rehearsal.win_rates[0] == pytest.approx(0.65)
    assert wins + ties / 2 == pytest.approx(0.65, abs=0.005)


def test_of_more_models_the_dial_is_set() -> None:
    rng = np.random.default_rng(7)
    sums = rng.random(2000) < 0.5
    scores = np.stack((~sums, np.ones(2000), rng.random(2000) < 0.5), axis=1).astype(np.float64)
    outcomes = table(MANY, scores.tolist(), [0.01, 0.05, 0.02])

    class Knows:
        expects = True

        def rate(self, prompts: Sequence[Prompt]) -> Floats:
            return np.array([[0.1 if sums[int(prompt.id[1:])] else 0.95, 0.97, 0.5] for prompt in prompts])

    rehearsal = rehearse(outcomes, cross_validated(outcomes, 4, 1), lambda _: Knows(), None, silent)
    assert best_of(rehearsal) == "b"
    found = cheapest_within(rehearsal, 0.02, 0.95, 1, silent)
    # Sums need the dear model, the rest does not: all of that is saved, and nothing lost.
    assert found["loss"] == 0.0
    assert found["calls"] == {"b": pytest.approx(sums.mean()), "a": pytest.approx(1 - sums.mean())}
    with pytest.raises(ArtefactError, match="--strong and --weak"):
        threshold_for(rehearsal, 0.3)


def test_a_router_worse_than_the_best_model_is_never_proven() -> None:
    outcomes = table(MANY, [[0.0, 1.0, 0.0]] * 2000, [0.01, 0.05, 0.02])
    wrong = Constant(np.array([1.0, 0.0, 0.0]), expects=True)
    rehearsal = rehearse(outcomes, cross_validated(outcomes, 4, 1), lambda _: wrong, None, silent)
    with pytest.raises(ThinData, match=r"whose loss is 1\.0; more of them would not help") as refused:
        cheapest_within(rehearsal, 0.02, 0.95, 1, silent)
    assert refused.value.missing is None


def test_the_dial_needs_costs_and_expected_scores() -> None:
    outcomes = table(asked(30), [[0.0, 1.0, 0.5]] * 30)
    with pytest.raises(ArtefactError, match="the cost of every answer"):
        rehearse(outcomes, cross_validated(outcomes, 3, 1), lambda _: Constant(np.zeros(3), expects=True), None, silent)


def test_what_the_best_model_did_not_answer_tells_nothing() -> None:
    outcomes = table(asked(40), [[1.0, math.nan if n % 2 else 1.0] for n in range(40)])
    division = cross_validated(outcomes, 2, 1)
    assert len(rehearse(outcomes, division, lambda _: StrongOrWeak(ByLength(), 1), "b", silent).outcomes.prompts) == 20
    nobody = table(asked(40), [[1.0, math.nan] if n % 2 else [math.nan, 1.0] for n in range(40)])
    with pytest.raises(ArtefactError, match="all answered"):
        rehearse(nobody, cross_validated(nobody, 2, 1), lambda _: StrongOrWeak(ByLength(), 1), "b", silent)


def test_what_was_learned_from_is_not_what_proves() -> None:
    outcomes = table(asked(20), [[1.0, 0.0]] * 20)
    seen: list[set[str]] = []

    def maker(train: Outcomes) -> StrongOrWeak:
        seen.append({prompt.id for prompt in train.prompts})
        return StrongOrWeak(ByLength(), 1)

    division = cross_validated(outcomes, 4, 1)
    rehearse(outcomes, division, maker, "b", silent)
    for part, known in zip(division.parts, seen, strict=True):
        assert known.isdisjoint(outcomes.prompts[row].id for row in part.judged.tolist())
