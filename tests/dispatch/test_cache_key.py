"""Two requests are the same if the engine and the client are; and what has no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from desk import decision
from hypothesis import given
from hypothesis import strategies as st

from samples import deployment, fleet
from waypost.decide.card import Decision
from waypost.decide.task import Known, TaskScores
from waypost.dialects.openai import parse_body
from waypost.dispatch.cache_key import cache_key
from waypost.dispatch.request import build
from waypost.fleet.deployment import Deployment

SCORES = st.floats(-2, 2, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
# Never one of those that say where a request goes: Hypothesis finds them in the code.
NAMES = TEXTS.map("name {}".format)
# Fields that reach an engine, each with values that the dialect accepts.
FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 4096),
    "stop": st.lists(TEXTS, max_size=4),
    "seed": st.integers(0, 2**31),
    "frequency_penalty": SCORES,
    "presence_penalty": SCORES,
    "logit_bias": st.dictionaries(st.integers(0, 99).map(str), st.integers(-100, 100), max_size=3),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
    "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
    "user": TEXTS,
    "safety_identifier": TEXTS,
    "metadata": st.dictionaries(NAMES, TEXTS, max_size=3),
    "stream": st.booleans(),
    "chat_template_kwargs": st.dictionaries(NAMES, st.booleans() | TEXTS, max_size=3),
    "an_engines_own": TEXTS | st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2),
}
BODIES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["auto", "chat"]),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS}),
            min_size=1,
            max_size=4,
        ),
    },
    optional=FIELDS,
)
ENGINE = deployment("engine", settings={"top_k": 40})


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **fields}


def key(
    given_body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    by: Deployment = ENGINE,
    decided: Decision | None = None,
) -> bytes | None:
    view = fleet(by)
    return cache_key(parse_body(given_body, turn_id="t", headers=headers or {}), decided or decision(view), view)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reversed_keys(value[name]) for name in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(BODIES)
def test_the_order_of_fields_does_not_count(asked: dict[str, Any]) -> None:
    found = key(asked)
    assert found is not None
    assert found == key(reversed_keys(asked))


def sorted_deep(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: sorted_deep(value[name]) for name in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


@given(BODIES, st.data())
def test_the_key_changes_with_every_field_that_reaches_the_engine(asked: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FIELDS)))
    other = {**asked, name: data.draw(FIELDS[name])}
    sent = [build(parse_body(one, turn_id="t"), ENGINE, decision(fleet(ENGINE)).candidates[0]) for one in (asked, other)]
    assert (key(asked) == key(other)) == (repr(sorted_deep(sent[0])) == repr(sorted_deep(sent[1])))


def test_messages_and_their_order_count() -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert len({key(body(messages=messages)) for messages in (said, said[::-1], said[1:], said[2:])}) == 4


@pytest.mark.parametrize(
    "by",
    [
        deployment("engine", settings={"top_k": 41}),
        deployment("engine", settings={"top_k": 40}, group="other"),
        deployment("engine", settings={"top_k": 40}, provider="hosted_vllm"),
        deployment("engine", settings={"top_k": 40}, model="other"),
        deployment("engine", settings={"top_k": 40, "max_tokens": 5}),
    ],
)
def test_who_answers_and_its_settings_count(by: Deployment) -> None:
    assert key(body(), by=by) != key(body())


def test_replicas_of_a_group_are_one() -> None:
    replicas = [deployment(name, group="g", model="m") for name in ("g#1", "g#2")]
    assert key(body(), by=replicas[0]) == key(body(), by=replicas[1])


def test_the_settings_of_the_route_and_the_versions_count() -> None:
    plain = decision(fleet(ENGINE))
    others = [
        replace(plain, candidates=(replace(plain.candidates[0], settings={"temperature": 0.1}),)),
        replace(plain, policy_version="p2"),
        replace(plain, artefact_version="a2"),
    ]
    assert len({key(body(), decided=made) for made in (plain, *others)}) == 4
    assert key(body(), decided=replace(plain, id="another", reason="another", prompt_tokens=99)) == key(body(), decided=plain)


def test_row_67_every_way_to_say_who_asks_counts() -> None:
    asked = [
        key(body()),
        key(body(), {"authorization": "Bearer a"}),
        key(body(), {"authorization": "Bearer b"}),
        key(body(), {"x-api-key": "Bearer a"}),
        key(body(), {"x-openwebui-user-id": "Bearer a"}),
        key(body(user="a")),
        key(body(user="b")),
        key(body(safety_identifier="a")),
    ]
    assert len(set(asked)) == len(asked)
    assert key(body(), {"x-waypost-session": "s", "x-waypost-channel": "voice", "user-agent": "x"}) == key(body())


WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [WEATHER]},
        {"tools": [WEATHER], "tool_choice": "none"},
        {
            "messages": [
                {"role": "user", "content": "weather?"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c", "content": "sunny"},
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
                },
                {"role": "user", "content": "and its colour?"},
            ]
        },
        {"web_search_options": {}},
        {"web_search_options": {"search_context_size": "low"}},
        {"n": 2},
        {"store": True},
    ],
)
def test_what_is_more_than_text_that_depends_on_the_request_has_no_key(fields: dict[str, Any]) -> None:
    assert key(body()) is not None
    assert key(body(**fields)) is None


def test_a_turn_about_the_users_own_memory_has_no_key() -> None:
    assert key(body(), {"x-waypost-known-to-memory": "true"}) is None


@pytest.mark.parametrize(
    "scores",
    [
        TaskScores({}, "memory"),
        TaskScores({}, "tool_calling"),
        TaskScores({}, "chat", Known(tasks=("chat", "tool_calling"))),
        TaskScores({}, "chat", needs=("fresh_information",)),
        TaskScores({}, "chat", needs=("own_past",)),
    ],
)
def test_what_is_done_or_changes_or_is_ones_own_has_no_key(scores: TaskScores) -> None:
    assert key(body(), decided=replace(decision(fleet(ENGINE)), task=scores)) is None


def test_settings_with_tools_a_simulated_engine_and_a_fleet_without_the_candidate_have_no_key() -> None:
    assert key(body(), by=deployment("engine", settings={"tools": [WEATHER]})) is None
    assert key(body(), by=deployment("engine", provider="simulated", lane="simulated")) is None
    assert key(body(), by=deployment("gone"), decided=decision(fleet(ENGINE))) is None
