"""The quality that serving expects of whatever deployments there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from decide.known_abilities import SIZE, abilities
from samples import deployment, turn
from waypost.decide.abilities import Standing
from waypost.decide.live_quality import LiveQuality
from waypost.decide.quality import QualityEstimate
from waypost.decide.task import TaskScores
from waypost.decide.task_model import load_task_model
from waypost.fleet.view import Deployment
from waypost.turn import Turn

MINI = deployment("mini", provider="openai", model="gpt-4o-mini")
LLAMA = deployment("llama", provider="hosted_vllm", model="meta-llama/Llama-3.1-8B-Instruct")
SMALL = deployment("small", provider="ollama", model="qwen3:1.7b")
LARGE = deployment("large", provider="ollama", model="qwen3:32b")
STRANGE = deployment("strange", provider="openai", model="default")
MODEL = load_task_model()


def estimates(quality: LiveQuality, *deployments: Deployment, text: str = "What is 3 + 4?") -> list[QualityEstimate | None]:
    asked = turn(text)
    return list(quality.estimate(asked, deployments, MODEL.predict(asked)))


def known(found: list[QualityEstimate | None]) -> list[QualityEstimate]:
    assert all(one is not None for one in found)
    return [one for one in found if one is not None]


def test_a_known_model_is_told_by_its_outcomes_and_another_by_its_size() -> None:
    mini, llama, small, large = known(estimates(LiveQuality(abilities()), MINI, LLAMA, SMALL, LARGE))
    assert mini.mean > llama.mean
    assert large.mean > small.mean
    assert (mini.n, llama.n, small.n, large.n) == (2000, 3000, 0, 0)


def test_a_guess_is_less_sure_than_outcomes() -> None:
    llama, guessed = known(estimates(LiveQuality(abilities()), LLAMA, deployment("d", model="unheard-of-8b")))
    assert guessed.upper - guessed.lower > 1.2 * (llama.upper - llama.lower)


def test_of_a_model_that_nobody_knows_nothing_is_told() -> None:
    mini, strange = estimates(LiveQuality(abilities()), MINI, STRANGE)
    assert mini is not None
    assert strange is None
    assert estimates(LiveQuality(None), MINI) == [None]


def test_the_engine_may_tell_a_size_that_the_name_does_not() -> None:
    quality = LiveQuality(abilities())
    assert estimates(quality, STRANGE) == [None]
    assert known(estimates(quality, replace(STRANGE, parameters_b=13.0)))


def test_a_hard_prompt_lowers_everybody_and_keeps_the_order() -> None:
    quality = LiveQuality(abilities())
    easy = known(estimates(quality, MINI, LLAMA, text="Say hello"))
    hard = known(estimates(quality, MINI, LLAMA, text="Prove in all detail " + "and with great care " * 100))
    assert all(before.mean > after.mean for before, after in zip(easy, hard, strict=True))
    assert hard[0].mean > hard[1].mean


def test_the_mean_lies_between_its_bounds_and_all_are_shares() -> None:
    for one in known(estimates(LiveQuality(abilities()), MINI, LLAMA, SMALL, LARGE)):
        assert 0 <= one.lower <= one.mean <= one.upper <= 1


def test_compressed_weights_are_less_sure() -> None:
    plain, packed = known(
        estimates(LiveQuality(abilities()), LLAMA, replace(LLAMA, id="q", model="Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"))
    )
    assert packed.n == plain.n
    assert packed.upper - packed.lower > plain.upper - plain.lower


def test_a_turn_whose_text_was_not_read_counts_as_the_average_prompt() -> None:
    quality = LiveQuality(abilities())
    found = quality.estimate(turn("?"), [MINI], TaskScores({}, None))[0]
    assert found is not None
    assert found.mean == pytest.approx(1 / (1 + np.exp(-1)), abs=0.02)


class KnowsSome:
    """A pool that knows deployments by id."""

    version = "pool-1"

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        del turn, task
        return [QualityEstimate(0.9, 0.8, 1.0, 77) if one.id in self.ids else None for one in deployments]


def test_a_pool_that_knows_everybody_speaks() -> None:
    found = known(estimates(LiveQuality(abilities(), KnowsSome("mini", "llama")), MINI, LLAMA))
    assert [one.n for one in found] == [77, 77]


def test_two_scales_are_never_mixed_in_one_decision() -> None:
    quality = LiveQuality(abilities(), KnowsSome("mini", "llama"))
    found = known(estimates(quality, MINI, LLAMA, SMALL))
    assert [one.n for one in found] == [2000, 3000, 0], "the pool does not know all, and abilities do"


def test_a_pool_speaks_where_abilities_know_no_more_of_the_deployments() -> None:
    pool = LiveQuality(abilities(), KnowsSome("mini", "strange"))
    mini, strange, other = estimates(pool, MINI, STRANGE, replace(STRANGE, id="other"))
    assert mini is not None
    assert strange is not None
    assert mini.n == strange.n == 77
    assert other is None


def test_a_probe_goes_before_the_name() -> None:
    probed = Standing(np.array([3.0] + [0.0] * (SIZE - 1)), np.eye(SIZE) * 0.01, 60)
    mini, llama = known(estimates(LiveQuality(abilities(), probed={("llama", None): probed}), MINI, LLAMA))
    assert llama.mean > mini.mean
    assert llama.n == 60


def test_a_probe_tells_nothing_of_the_same_deployment_with_thinking() -> None:
    probed = Standing(np.array([3.0] + [0.0] * (SIZE - 1)), np.eye(SIZE) * 0.01, 60)
    quality = LiveQuality(abilities(), probed={(SMALL.id, False): probed})
    assert quality.standing(replace(SMALL, settings={"think": False})) is probed
    assert quality.standing(replace(SMALL, settings={"think": True})) is not probed


def test_outcomes_of_ones_own_move_abilities_by_id_group_or_model() -> None:
    own = Standing(np.array([3.0] + [0.0] * (SIZE - 1)), np.eye(SIZE) * 0.01, 60)
    for name in (LLAMA.id, LLAMA.group, LLAMA.model):
        mini, llama = known(estimates(LiveQuality(abilities(), models={name: own}), MINI, LLAMA))
        assert llama.mean > mini.mean


def test_the_same_model_with_thinking_is_asked_for_anew() -> None:
    quality = LiveQuality(abilities())
    plain = deployment("d", provider="ollama", model="qwen3:8b")
    first = quality.standing(plain)
    second = quality.standing(replace(plain, settings={"think": True}))
    assert first is not None
    assert second is not None
    assert first is quality.standing(plain), "remembered"
    assert first is not second


def test_the_version_is_that_of_the_artefact() -> None:
    assert LiveQuality(abilities(), version="quality-1-abc").version == "quality-1-abc"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (replace(STRANGE, transport={"base_model": "gpt-4o-mini"}), replace(STRANGE, transport={"base_model": "qwen3:32b"})),
        (deployment("d", provider="vllm", model="llama-3.1-8b"), deployment("d", provider="groq", model="llama-3.1-8b")),
        (
            deployment("d", group="gpt-4o-mini", provider="azure", model="ours"),
            deployment("d", group="qwen3:32b", provider="azure", model="ours"),
        ),
    ],
    ids=["base model", "provider", "group on Azure"],
)
def test_a_deployment_that_became_another_model_is_looked_up_anew(before: Deployment, after: Deployment) -> None:
    quality = LiveQuality(abilities())
    quality.standing(before)
    found, fresh = quality.standing(after), LiveQuality(abilities()).standing(after)
    assert fresh is not None
    assert found is not None
    assert (found.model, found.mean.tolist()) == (fresh.model, fresh.mean.tolist())
