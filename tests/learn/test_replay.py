"""Deciding again on what a ledger kept: the same rules give the same choice, whatever the request needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from learn.replayed import asked, config, model, rules_of
from waypost.decide.quality import QualityEstimate
from waypost.learn.replay import TOO_OLD, VECTORS, Rules, candidates_of, replay, why_not

EYES = model("eyes", supports_vision=True, supports_function_calling=False, max_input_tokens=8192)
HANDS = model("hands", supports_vision=False, supports_function_calling=True, max_input_tokens=8192)
PLAIN = model("plain", supports_vision=False, supports_function_calling=False)
FLEET = config(
    EYES,
    HANDS,
    PLAIN,
    routes={"chat": {"candidates": ["plain", "hands", "eyes"]}, "tool_calling": {"candidates": ["hands", "plain"]}},
    aliases={"house": "tool_calling"},
)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "light", "arguments": "{}"}}
TURNED = [
    {"role": "user", "content": "turn on the light"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "on"},
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}

REQUESTS: list[dict[str, Any]] = [
    {"messages": "hello there"},
    {"messages": "Turn on the kitchen light"},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, PICTURE]}]},
    {"messages": [{"role": "user", "content": [PICTURE]}, {"role": "user", "content": "and now a joke"}]},
    {"messages": "turn on the light", "tools": [TOOL]},
    {"messages": TURNED, "tools": [TOOL]},
    {"messages": "hello there", "response_format": SCHEMA, "stream": False, "max_tokens": 7},
    {"messages": "hello " * 9000},
    {"messages": "hello there", "model": "house"},
    {"messages": "hello there", "model": "eyes"},
    {"messages": "hello there", "model": "auto-best"},
    {"messages": "hello there", "model": "no-such-model"},
    {"messages": "hello there", "headers": {"x-waypost-private": "true"}},
    {"messages": "### Task: a title", "headers": {"x-openwebui-task": "title_generation"}},
    {"messages": "hello there", "headers": {"x-waypost-cost-quality": "0.3"}},
]


@pytest.mark.parametrize("request_", REQUESTS)
async def test_the_same_rules_decide_the_same_again_without_the_text(request_: dict[str, Any]) -> None:
    (entry,) = await asked(FLEET, request_)
    assert entry["prompt"]["text"] is None
    again = replay(entry, rules_of(FLEET))
    assert why_not(entry) is None
    assert again is not None
    card, now = entry["card"], again.to_dict()
    for key in (
        "id",
        "requested",
        "route",
        "deployment",
        "prompt_tokens",
        "answer_tokens",
        "policy_version",
        "cost_quality",
        "refusal",
    ):
        assert now[key] == card[key], key
    assert [one["deployment"] for one in now["candidates"]] == [one["deployment"] for one in card["candidates"]]
    assert [(one["deployment"], one["guard"]) for one in now["removed"]] == [
        (one["deployment"], one["guard"]) for one in card["removed"]
    ]


async def test_other_rules_decide_otherwise() -> None:
    (entry,) = await asked(FLEET, {})
    swapped = {**FLEET, "routes": {"chat": {"candidates": ["hands", "plain"]}}}
    again = replay(entry, rules_of(swapped))
    assert again is not None
    assert [one.deployment for one in again.candidates][:2] == ["hands", "plain"]


async def test_who_was_down_then_is_down_again() -> None:
    (entry,) = await asked(FLEET, {})
    gone = [{"deployment": "plain", "guard": "health", "reason": "is down"}]
    card = {**entry["card"], "removed": gone, "candidates": entry["card"]["candidates"][1:]}
    again = replay({**entry, "card": card}, rules_of(FLEET))
    assert again is not None
    assert again.candidates[0].deployment == "hands"
    assert [removal.guard for removal in again.removed] == ["health"]


async def test_what_the_rules_draw_by_chance_is_left_out() -> None:
    given = {**FLEET, "routes": {"chat": {"candidates": ["plain", "hands"], "explore": 0.2}}}
    entries = await asked(given, *[{"model": "chat"}] * 200)
    assert {entry["card"]["explored"] for entry in entries} == {True, False}
    rules = rules_of(given)
    again = [replay(entry, rules) for entry in entries]
    assert {one.candidates[0].deployment for one in again if one is not None} == {"plain"}
    assert {(one.propensity, one.explored) for one in again if one is not None} == {(1.0, False)}


async def test_vectors_and_old_entries_are_not_decided_again() -> None:
    (entry,) = await asked(FLEET, {})
    assert why_not({**entry, "prompt": {**entry["prompt"], "needs": None}}) == TOO_OLD
    assert why_not({**entry, "prompt": {**entry["prompt"], "needs": ["vectors"]}}) == VECTORS


class Fixed:
    """An estimator that knows each model by its name, counts what it is asked, and is read when it is first asked."""

    def __init__(self, **means: float) -> None:
        self._means = means
        self.asked: list[str] = []

    @property
    def version(self) -> str:
        return "fixed" if self.asked else ""

    def estimate(self, turn: Any, deployments: Any, task: Any) -> list[QualityEstimate | None]:
        del turn, task
        self.asked += [one.id for one in deployments]
        means = [self._means.get(one.id) for one in deployments]
        return [None if mean is None else QualityEstimate(mean, mean - 0.1, mean + 0.1, 9) for mean in means]


DIAL = {**FLEET, "routes": {"chat": {"candidates": ["plain", "hands"], "cost_quality": 1.0}}}


def rules_with(estimator: Fixed | None, given: dict[str, Any] = DIAL) -> Rules:
    rules = rules_of(given)
    return replace(rules, artefacts=replace(rules.artefacts, quality=estimator))


def judged(entry: dict[str, Any], **means: float | None) -> dict[str, Any]:
    """The entry, as if these had been expected then."""
    told = [
        {
            **one,
            "expected_quality": None
            if means.get(one["deployment"]) is None
            else {"mean": means[one["deployment"]], "lower": 0.0, "upper": 1.0, "n": 5},
        }
        for one in entry["card"]["candidates"]
    ]
    return {**entry, "card": {**entry["card"], "candidates": told, "quality_version": "then"}}


async def test_a_dial_weighs_what_was_expected_then_and_asks_nobody() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    entry = judged(entry, plain=0.6, hands=0.9, eyes=0.5)
    estimator = Fixed(plain=0.9, hands=0.1)
    again = replay(entry, rules_with(estimator))
    assert again is not None
    assert [(one.deployment, one.expected_quality) for one in again.candidates][:1] == [
        ("hands", QualityEstimate(0.9, 0.0, 1.0, 5))
    ]
    assert estimator.asked == []


async def test_who_was_unknown_then_stays_unknown() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    entry = judged(entry, plain=0.6, hands=None, eyes=0.5)
    again = replay(entry, rules_with(Fixed(hands=0.9)))
    assert again is not None
    assert [one.deployment for one in again.candidates][:2] == ["plain", "hands"]


async def test_without_an_estimate_of_then_or_a_text_there_is_no_decision() -> None:
    weighed, named = await asked(FLEET, {"model": "chat"}, {"model": "eyes"})
    assert replay(weighed, rules_with(Fixed(plain=0.1, hands=0.9))) is None
    assert replay(named, rules_with(Fixed(plain=0.1, hands=0.9))) is not None


async def test_a_stored_text_is_estimated_now() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    estimator = Fixed(plain=0.1, hands=0.9)
    again = replay({**entry, "prompt": {**entry["prompt"], "text": "hello there"}}, rules_with(estimator))
    assert again is not None
    assert (again.candidates[0].deployment, again.quality_version) == ("hands", "fixed")
    assert sorted(estimator.asked) == ["hands", "plain"]
    assert again.task == replace(again.task, task=entry["card"]["task"]["task"])


async def test_rules_that_have_no_estimator_order_as_they_would() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    again = replay(entry, rules_with(None))
    assert again is not None
    assert (again.candidates[0].deployment, again.cost_quality) == ("plain", None)


async def test_the_candidates_of_a_card_come_back() -> None:
    (entry,) = await asked(FLEET, {})
    entry = judged(entry, plain=0.6)
    found = candidates_of(entry["card"])
    assert [(one.deployment, one.group, one.fallback) for one in found] == [
        (one["deployment"], one["group"], one["fallback"]) for one in entry["card"]["candidates"]
    ]
    assert [one.expected_quality for one in found] == [QualityEstimate(0.6, 0.0, 1.0, 5), *[None] * (len(found) - 1)]


class Rate:
    """A router of RouteLLM that wants the strong model for long prompts."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        return min(1.0, len(prompt) / 100)


async def test_a_router_that_reads_the_text_needs_the_text() -> None:
    given = {**FLEET, "router_pairs": {"own": {"strong": "hands", "weak": "plain"}}}
    (entry,) = await asked(given, {"model": "router-own-0.5"})
    rules = rules_of(given)
    pair = replace(rules.policy.pairs["own"], router="routellm")
    rules = replace(
        rules,
        policy=replace(rules.policy, pairs={"own": pair}),
        artefacts=replace(rules.artefacts, win_rates={"own": Rate()}),
    )
    assert replay(entry, rules) is None
    for text, first in (("hello there", "plain"), ("hello " * 20, "hands")):
        again = replay({**entry, "prompt": {**entry["prompt"], "text": text}}, rules)
        assert again is not None
        assert again.candidates[0].deployment == first


async def test_what_was_estimated_then_and_what_is_now_are_never_mixed() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    entry = judged(entry, plain=0.99)
    entry["prompt"]["text"] = "hello there"
    late = config(PLAIN, model("late"), routes={"chat": {"candidates": ["plain", "late"], "cost_quality": 1.0}})
    again = replay(entry, rules_with(Fixed(plain=0.2, late=0.3), late))
    assert again is not None
    means = [one.expected_quality and one.expected_quality.mean for one in again.candidates]
    assert (again.candidates[0].deployment, means) == ("late", [0.3, 0.2])


class Lengths:
    """Forecasts 50 tokens of everybody."""

    def tokens(self, task: Any, deployments: Any, caps: Any) -> list[int]:
        del task, caps
        return [50 for _ in deployments]


async def test_lengths_are_those_that_were_forecast_then_or_with_the_text_those_of_now() -> None:
    (entry,) = await asked(FLEET, {"model": "chat"})
    rules = rules_with(Fixed(plain=0.1, hands=0.9))
    rules = replace(rules, artefacts=replace(rules.artefacts, lengths=Lengths()))
    entry = {**entry, "prompt": {**entry["prompt"], "text": "hello there"}}
    again = replay(entry, rules)
    assert again is not None
    assert {one.expected_answer_tokens for one in again.candidates} == {50}
    forecast = [{**one, "expected_answer_tokens": 7} for one in entry["card"]["candidates"]]
    again = replay({**entry, "card": {**entry["card"], "candidates": forecast}}, rules)
    assert again is not None
    assert {one.expected_answer_tokens for one in again.candidates} == {7}
