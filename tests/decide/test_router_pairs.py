"""Model names of RouteLLM's form: its own rule, with guards before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import FixedQuality, artefacts, deployment, fleet, image_turn, policy, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import RouterPair
from waypost.decide.quality import QualityEstimate, win_rate
from waypost.errors import ArtefactError, InvalidRequest, MissingCapability, UnknownModel
from waypost.fleet.deployment import Capabilities
from waypost.turn import Turn

RULES = policy(
    pairs={
        "mf": RouterPair("strong", "weak", "routellm"),
        "own": RouterPair("strong", "weak"),
        "own-two": RouterPair("strong", "weak"),
    },
    aliases={"gpt-4": "router-mf-0.3"},
)
PAIR = fleet(deployment("weak"), deployment("other"), deployment("strong"))


class WinRate:
    """A router of RouteLLM that always says the same, and remembers what it was asked."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.asked: list[str] = []

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """The rate."""
        self.asked.append(prompt)
        return self._rate


def made(name: str, asked: Turn | None = None, view: Any = PAIR, **learned: Any) -> Decision:
    return decide(replace(asked or turn(), model=name), view, RULES, artefacts("chat", **learned))


def ids(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_rule_is_routellms_strong_where_its_win_rate_is_at_least_the_threshold(rate: float, threshold: float) -> None:
    decision = made(f"router-mf-{threshold!r}", win_rates={"mf": WinRate(rate)})
    assert ids(decision) == (["strong", "weak"] if rate >= threshold else ["weak", "strong"])
    assert (decision.route, decision.refusal) == ("router-mf", None)


def test_the_router_reads_what_was_asked_last_and_the_card_says_its_win_rate() -> None:
    router = WinRate(0.2)
    decision = made("router-mf-0.11593", turn("why?"), win_rates={"mf": router})
    assert router.asked == ["why?"]
    assert decision.reason == (
        "the caller named these two models and a threshold; "
        "the strong model wins with a probability of 0.2000, and 0.11593 is enough"
    )


def test_the_win_rate_of_two_estimates_is_half_of_one_and_half_of_the_lead() -> None:
    assert win_rate(QualityEstimate(0.9, 0.8, 1, 5), QualityEstimate(0.5, 0.4, 0.6, 5)) == pytest.approx(0.7)
    quality = FixedQuality(strong=0.9, weak=0.5)
    assert ids(made("router-own-0.69", quality=quality)) == ["strong", "weak"]
    decision = made("router-own-0.71", quality=quality)
    assert ids(decision) == ["weak", "strong"]
    assert decision.quality_version == "q1"
    assert decision.candidates[0].expected_quality is not None


def test_what_the_config_states_for_the_route_that_auto_means_is_the_quality_of_the_two() -> None:
    good, bad = {"quality": {"memory": 0.9, "*": 0.5}}, {"quality": {"memory": 0.3, "*": 0.5}}
    view = fleet(deployment("weak", **bad), deployment("strong", **good))
    rules = replace(RULES, channel_routes={"voice": "memory"})
    for asked, first in ((turn(model="router-own-0.7"), "weak"), (turn(model="router-own-0.7", channel="voice"), "strong")):
        assert ids(decide(asked, view, rules, artefacts(None)))[0] == first


def test_an_alias_may_stand_for_a_pair_and_its_threshold() -> None:
    decision = made("gpt-4", win_rates={"mf": WinRate(0.2)})
    assert ids(decision) == ["weak", "strong"]
    assert decision.reason.startswith("gpt-4 is an alias of router-mf-0.3; ")


def test_the_longest_name_of_a_pair_is_the_one_that_is_meant() -> None:
    assert made("router-own-two-0.5", quality=FixedQuality(strong=0.9, weak=0.5)).route == "router-own-two"


def test_where_only_one_of_the_two_can_answer_it_does_whatever_the_threshold() -> None:
    blind = Capabilities(vision=False)
    view = fleet(deployment("weak"), replace(deployment("strong"), capabilities=blind))
    decision = made("router-mf-0", image_turn(), view, win_rates={"mf": WinRate(1.0)})
    assert ids(decision) == ["weak"]
    nobody = made("router-mf-0", image_turn(), fleet(*[replace(one, capabilities=blind) for one in view]))
    assert nobody.refusal is not None
    assert nobody.refusal.error is MissingCapability


class Broken:
    """A router that cannot tell."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """Never."""
        raise ArtefactError(f"no vector for {len(prompt)} characters")


@pytest.mark.parametrize(
    ("name", "learned", "why"),
    [
        ("router-mf-0.5", {}, "RouteLLM's router is not loaded"),
        ("router-mf-0.5", {"win_rates": {"mf": Broken()}}, "no vector for 5 characters"),
        ("router-own-0.5", {}, "nothing is known of how well strong and weak would answer"),
        ("router-own-0.5", {"quality": FixedQuality(strong=0.9)}, "nothing is known of how well weak would answer"),
    ],
)
def test_without_a_win_rate_the_strong_model_answers(name: str, learned: dict[str, Any], why: str) -> None:
    decision = made(name, **learned)
    assert ids(decision) == ["strong", "weak"]
    assert decision.reason.endswith(f"; {why}, so the strong model answers")


@pytest.mark.parametrize("name", ["router-mf-1.5", "router-mf-", "router-mf-x", "router-mf--0.1"])
def test_a_threshold_that_is_none_is_the_callers_mistake(name: str) -> None:
    refusal = made(name).refusal
    assert refusal is not None
    assert refusal.error is InvalidRequest
    assert "the threshold must be a number from 0 to 1, as in router-mf-0.11593" in refusal.message


def test_a_pair_that_nobody_configured_is_an_unknown_model() -> None:
    refusal = made("router-bert-0.5").refusal
    assert refusal is not None
    assert refusal.error is UnknownModel


def test_a_pair_makes_no_embeddings() -> None:
    refusal = made("router-mf-0.5", turn(mode="embedding")).refusal
    assert refusal is not None
    assert refusal.error is MissingCapability


@pytest.mark.parametrize(
    ("name", "pairs", "said"),
    [
        ("router-bert-0.5", RULES.pairs, "needs a pair NAME under router_pairs, and there are mf, own, own-two"),
        ("router--0.5", {"mf": RouterPair("strong", "weak")}, "and there is mf"),
        ("router-mf-0.11593", {}, "and there are none"),
        ("smart", {}, "and there are none"),
    ],
)
def test_a_name_whose_pair_is_not_in_the_config_is_an_error_that_says_what_is(
    name: str, pairs: dict[str, RouterPair], said: str
) -> None:
    rules = policy(pairs=pairs, aliases={"smart": "router-mf-0.3"})
    refusal = decide(replace(turn(), model=name), PAIR, rules, artefacts("chat")).refusal
    assert refusal is not None
    assert refusal.error is UnknownModel
    assert said in refusal.message
