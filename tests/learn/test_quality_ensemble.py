"""What is learned of models from their outcomes, and what is made of it for one prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.outcome_tables import table
from waypost.decide.quality_experts import EXPERTS, Experts, Landmarks, Rows, Topics
from waypost.decide.quality_pool import Pool
from waypost.decide.quality_pools import PoolQuality
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.outcome_splits import cross_validated
from waypost.learn.outcomes import Outcomes, Prompt
from waypost.learn.quality_ensemble import LEAST_PROMPTS, learn_pool
from waypost.learn.quality_evaluation import QualityEvaluation
from waypost.learn.quality_learned import Learned, learned_policies
from waypost.learn.quality_policies import Estimated, baselines, deployment_of
from waypost.learn.quality_rows import PromptReader

pytest.importorskip("scipy")
MODEL = load_task_model()
READER = PromptReader(MODEL)
SUMS, POEMS = "What is {} plus {} times 7?", "Write a poem about river {} and the wind over hill {}"


def asked(n: int) -> list[Prompt]:
    """Sums and poems in turn, each a question of its own."""
    texts = [(SUMS, POEMS)[number % 2].format(number, number * 3) for number in range(n)]
    return [Prompt(f"p{i:04}", f"g{i:04}", text, category=("sums", "poems")[i % 2]) for i, text in enumerate(texts)]


def one_for_each(n: int, seed: int = 0) -> Outcomes:
    """Model a is good at sums, b at poems; c is middling at both."""
    rng = np.random.default_rng(seed)
    share = np.array([(0.9, 0.3, 0.6), (0.3, 0.9, 0.6)] * (n // 2))
    return table(asked(n), (rng.random(share.shape) < share).astype(float).tolist())


def noise(n: int, models: int = 3) -> Outcomes:
    """Nobody is better at anything."""
    return table(asked(n), (np.random.default_rng(3).random((n, models)) < 0.5).astype(float).tolist())


def expected(pool: Pool, prompts: Sequence[Prompt]) -> np.ndarray:
    return np.array(pool.expected(READER.read(prompts).seen_by(pool.experts.topics))[0])


def test_a_pool_finds_out_who_is_good_at_what() -> None:
    pool = learn_pool(one_for_each(400), READER, 1)
    found = expected(pool, [Prompt("", "", SUMS.format(901, 5)), Prompt("", "", POEMS.format(902, 6))])
    assert found.argmax(axis=1).tolist() == [0, 1]
    assert found[0].tolist() == pytest.approx([0.9, 0.3, 0.6], abs=0.12)
    assert pool.lead < 0.3


def test_the_best_single_model_is_kept_where_nothing_is_sure() -> None:
    outcomes = noise(400)
    pool = learn_pool(outcomes, READER, 1)
    assert pool.lead == math.inf
    assert set(expected(pool, asked(50)).argmax(axis=1).tolist()) == {int(outcomes.mean_scores.argmax())}


def test_it_is_kept_with_few_outcomes_too() -> None:
    assert learn_pool(one_for_each(120), READER, 1).lead == math.inf
    few = learn_pool(one_for_each(LEAST_PROMPTS - 2), READER, 1)
    assert (few.lead, few.weights) == (math.inf, (1.0, 0.0, 0.0, 0.0, 0.0))


def test_two_trainings_are_the_same() -> None:
    one, two = (learn_pool(one_for_each(100), PromptReader(MODEL), 5).to_arrays() for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert one.keys() == two.keys()


def test_missing_scores_stay_missing() -> None:
    outcomes = one_for_each(200)
    scores = outcomes.scores.copy()
    scores[::2, 1] = math.nan
    pool = learn_pool(replace(outcomes, scores=scores), READER, 1)
    found = expected(pool, asked(20))
    assert np.isfinite(found).all()
    # Of sums nothing is known of b but what it does elsewhere, and no other model's score stands for it.
    assert pool.experts.counts[:, 1].min() == 0
    assert found[1::2, 1].mean() > 0.75


def test_a_model_without_any_outcome_is_as_good_as_the_others() -> None:
    outcomes = one_for_each(60)
    scores = outcomes.scores.copy()
    scores[:, 2] = math.nan
    found = expected(learn_pool(replace(outcomes, scores=scores), READER, 1), asked(4))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("n", [1, 2, 5, 41])
def test_a_handful_of_prompts_is_enough_to_say_something(n: int) -> None:
    outcomes = table(asked(n), [[1, 0]] * n)
    assert np.isfinite(expected(learn_pool(outcomes, READER, 1), asked(3))).all()


def test_intervals_hold_what_is_expected_of_prompts_of_a_kind() -> None:
    train = one_for_each(400)
    quality = PoolQuality.of("x", [learn_pool(train, READER, 1)])
    deployments = [deployment_of(model) for model in train.models]
    held, truth = [], {0: (0.9, 0.3, 0.6), 1: (0.3, 0.9, 0.6)}
    for number, prompt in enumerate(asked(440)[400:]):
        for one, real in zip(
            quality.estimate(prompt.turn, deployments, MODEL.predict(prompt.turn)), truth[number % 2], strict=True
        ):
            assert one is not None
            assert 0 <= one.lower <= one.mean <= one.upper <= 1
            assert one.n > 100
            held.append(one.lower <= real <= one.upper)
    assert np.mean(held) >= 0.8


def test_what_reads_like_nothing_before_has_wider_intervals() -> None:
    train = one_for_each(200)
    quality, deployments = PoolQuality.of("x", [learn_pool(train, READER, 1)]), [deployment_of("a")]
    widths = []
    for text in (SUMS.format(3, 4), "def f(x):\n    return {k: v for k, v in x.items()}", "今日の天気はどうですか"):
        turn = Prompt("", "", text).turn
        found = quality.estimate(turn, deployments, MODEL.predict(turn))[0]
        assert found is not None
        widths.append(found.upper - found.lower)
    assert widths[0] < min(widths[1:])


def test_a_deployment_is_known_by_its_model_its_group_or_its_id() -> None:
    quality = PoolQuality.of("x", [learn_pool(one_for_each(100), READER, 1)])
    turn = asked(1)[0].turn
    stranger, known = deployment_of("z"), deployment_of("a")
    named = [replace(stranger, model="a"), replace(stranger, group="a"), replace(stranger, id="a"), stranger, known]
    found = quality.estimate(turn, named, MODEL.predict(turn))
    assert found[3] is None
    assert found[0] == found[1] == found[2] == found[4]
    assert quality.estimate(turn, [stranger], MODEL.predict(turn)) == [None]


def test_the_pool_that_knows_most_of_the_deployments_speaks() -> None:
    one = learn_pool(one_for_each(60), READER, 1)
    other = learn_pool(replace(one_for_each(60), models=("a", "y", "z")), READER, 1)
    turn = asked(1)[0].turn
    found = PoolQuality.of("x", [one, other]).estimate(
        turn, [deployment_of(m) for m in ("a", "b", "y", "z")], MODEL.predict(turn)
    )
    assert [estimate is None for estimate in found] == [False, True, False, False]


def test_a_pool_is_the_same_after_it_was_packed() -> None:
    quality = PoolQuality.of("x", [learn_pool(one_for_each(60), READER, 1), learn_pool(noise(30, 2), READER, 1)])
    again = PoolQuality.of_arrays("x", quality.to_arrays())
    turn = asked(1)[0].turn
    deployments = [deployment_of(model) for model in "abc"]
    assert again.estimate(turn, deployments, MODEL.predict(turn)) == quality.estimate(turn, deployments, MODEL.predict(turn))


def test_it_is_judged_without_having_seen_what_is_judged() -> None:
    outcomes = noise(200)
    makers = learned_policies(MODEL, 1, None) | baselines(MODEL)
    makers.pop("untrained")
    evaluation = QualityEvaluation(resampled=20, perturbed=0)
    report = evaluation.evaluate(outcomes, cross_validated(outcomes, 4, 1), makers, "waypost", lambda *_: None)
    # Who knew the outcomes by heart would be far better than the best single model.
    assert abs(report["over_best_single"]["value"]) < 0.05
    assert report["ece"]["value"] < 0.1


def test_one_prompt_is_rated_as_among_many() -> None:
    outcomes = one_for_each(60)
    policy = Learned(learn_pool(outcomes, READER, 1), READER)
    assert policy.rate(outcomes.prompts[:1])[0].tolist() == pytest.approx(policy.rate(outcomes.prompts)[0].tolist(), abs=1e-5)
    assert policy.rate([]).shape == (0, 3)


def test_its_bounds_are_those_of_its_estimates() -> None:
    outcomes = one_for_each(60)
    pool = learn_pool(outcomes, READER, 1)
    served = Estimated(PoolQuality.of("mine", [pool]), outcomes.models, MODEL)
    for own, same in zip(Learned(pool, READER).bounds(outcomes.prompts), served.bounds(outcomes.prompts), strict=True):
        assert own == pytest.approx(same, abs=1e-5)


def test_the_untrained_router_sends_long_and_hard_prompts_to_the_strong_one_of_two() -> None:
    maker = learned_policies(MODEL, 1, "a")["untrained"]
    prompts = [Prompt("", "", text) for text in ("Prove that 17 is prime, step by step.", "Hello there!")]
    found = maker(table(asked(3), [[1, 0]] * 3)).rate(prompts)
    assert found[0, 0] > found[1, 0]
    assert found.sum(axis=1).tolist() == pytest.approx([1, 1])
    with pytest.raises(ArtefactError, match="rates two models"):
        maker(noise(4))


def fixed(calibration: list[list[float]], lead: float, scores: Sequence[float]) -> Pool:
    """A pool whose one kind of prompt has these scores."""
    models = len(scores)
    none = np.empty((0, 0), np.float32)
    wide = 32
    tables = np.tile(np.array(scores, np.float32), (2, wide, 1))
    counts, near = np.full((wide, models), 8.0), Landmarks(none, none)
    experts = Experts(none, none, None, none, tables, counts, near, none, none, none, np.array(scores), none)
    names = tuple("abcdefgh"[:models])
    return Pool(names, _Plain(experts), (1.0, *[0.0] * (len(EXPERTS) - 1)), np.array(calibration), lead, 50.0)  # type: ignore[arg-type]


class _Plain:
    """Experts that read nothing."""

    def __init__(self, experts: Experts) -> None:
        self.overall, self._experts = experts.overall, experts

    def rate(self, told: Rows, asked: Sequence[int]) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        del asked
        return [told.labels @ self._experts.tables[0]], told.labels @ self._experts.counts, np.ones(1), np.ones(1)


LABELS = np.full((1, 32), 1 / 32, np.float32)
ANY = Rows(np.empty((1, 0)), LABELS, np.empty((1, 0)))


# In hundredths: scores that are apart here must be so in the tables, which hold 32 bits.
@given(
    st.lists(st.integers(1, 99).map(lambda hundredths: hundredths / 100), min_size=2, max_size=6, unique=True),
    st.sampled_from([0.0, 0.1, math.inf]),
)
def test_nobody_leads_the_best_single_model_by_less_than_the_lead(scores: list[float], lead: float) -> None:
    pool = fixed([[0, 1], [0, 1]], lead, scores)
    # Whoever is best overall is not who is rated best.
    pool = replace(pool, experts=_renamed(pool, int(np.argmin(scores))))
    found, best = np.array(pool.expected(ANY)[0][0]), int(np.argmin(scores))
    ahead = found - found[best]
    assert all(one <= 0 or one > lead for number, one in enumerate(ahead.tolist()) if number != best)
    others = [number for number in np.argsort(scores).tolist() if number != best]
    assert all(found[low] <= found[high] + 1e-9 for low, high in pairwise(others))


def _renamed(pool: Pool, best: int) -> Experts:
    experts = pool.experts
    experts.overall = np.eye(len(pool.models))[best]  # type: ignore[misc]
    return experts


def test_of_equally_good_models_none_is_better_where_the_best_single_one_is_kept() -> None:
    pool = fixed([[0, 1], [0, 1]], math.inf, (0.7, 0.6, 0.8))
    experts = pool.experts
    experts.overall = np.array([0.5, 0.5, 0.4])  # type: ignore[misc]
    first, second, third = replace(pool, experts=experts).expected(ANY)[0][0]
    assert first == second == pytest.approx(0.7)
    assert third < first


def test_topics_point_where_the_words_do() -> None:
    topics = Topics(np.array([[2, 0], [0, 2], [1, 1]], np.int8), np.array([0.5, 1.0], np.float32))
    assert topics.of(np.array([0])).tolist() == [[1.0, 0.0]]
    assert topics.of(np.array([0, 1]))[0].tolist() == pytest.approx([1 / math.sqrt(5), 2 / math.sqrt(5)])
    assert topics.of(np.empty(0, np.int64)).tolist() == [[0.0, 0.0]]


def test_a_landmark_is_like_itself_and_less_like_what_is_far() -> None:
    measured = np.zeros((3, 87), np.float32)
    measured[1, 0], measured[2, 86] = 1.0, 1.0
    by_form, both = Landmarks.of(measured).similar(measured)
    assert by_form[0].tolist() == pytest.approx([1, math.exp(-1), 1])
    assert both[0].tolist() == pytest.approx([1, math.exp(-1), math.exp(-1)])
    assert np.diag(both).tolist() == pytest.approx([1, 1, 1])
