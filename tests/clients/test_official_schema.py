"""Every kind of answer follows OpenAI's published schema."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from clients.conftest import Front
from clients.conversation import CLOCK, WEATHER, user
from engines.process import ServerProcess
from official_schema import CHUNK, COMPLETION, ERROR, MODEL, MODELS, violations

ASKED: dict[str, dict[str, Any]] = {
    "text": {"messages": user("hi")},
    "text cut short": {"messages": user("loop"), "max_tokens": 4},
    "characters in pieces": {"messages": user("utf")},
    "reasoning": {"messages": user("think")},
    "a tool call": {"messages": user("weather?"), "tools": [WEATHER]},
    "two tool calls": {"messages": user("both"), "tools": [WEATHER, CLOCK]},
    "one of two tool calls": {"messages": user("both"), "tools": [WEATHER, CLOCK], "parallel_tool_calls": False},
    "up to a stop sequence": {"messages": user("count"), "stop": ["c004"]},
}
WITH_LLAMACPP: dict[str, dict[str, Any]] = {
    "log probabilities": {"messages": user("dice"), "logprobs": True, "top_logprobs": 2},
    "three choices": {"messages": user("dice"), "n": 3},
    "an object": {"messages": user("hi"), "response_format": {"type": "json_object"}, "max_tokens": 60},
}
WRONG: dict[str, dict[str, Any]] = {
    "no messages": {},
    "a wrong type": {"messages": user(5)},
    "an unknown model": {"messages": user("hi"), "model": "alpah"},
    "too long": {"messages": user("zq " * 4000)},
    "a field that is not allowed": {"messages": user("hi"), "api_base": "http://127.0.0.1:9"},
    "a call that the engine does not make": {
        "messages": user("weather?"),
        "tools": [WEATHER, CLOCK],
        "tool_choice": {"type": "function", "function": {"name": "get_time"}},
    },
}


def post(base_url: str, body: dict[str, Any]) -> tuple[int, str]:
    host, _, path = base_url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request("POST", f"/{path}/chat/completions", json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def stream(front: Front, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of an answer, which ends as it must."""
    asked = {"model": front.model, **body, "stream": True, "stream_options": {"include_usage": True}}
    status, text = post(front.base_url, asked)
    assert status == 200, text
    *events, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def whole(front: Front, body: dict[str, Any]) -> dict[str, Any]:
    status, text = post(front.base_url, {"model": front.model, **body})
    assert status == 200, text
    answer: dict[str, Any] = json.loads(text)
    return answer


@pytest.mark.parametrize("body", ASKED.values(), ids=ASKED.keys())
def test_an_answer_follows_the_schema(front: Front, body: dict[str, Any]) -> None:
    assert violations(whole(front, body), COMPLETION) == []


@pytest.mark.parametrize("body", ASKED.values(), ids=ASKED.keys())
def test_every_chunk_of_a_stream_follows_the_schema_and_usage_comes_last(front: Front, body: dict[str, Any]) -> None:
    chunks = stream(front, body)
    assert [found for chunk in chunks for found in violations(chunk, CHUNK)] == []
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["choices"] == []
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize("body", WITH_LLAMACPP.values(), ids=WITH_LLAMACPP.keys())
def test_what_only_some_engines_can_do_follows_the_schema_too(gateway: ServerProcess, body: dict[str, Any]) -> None:
    front = Front(gateway.base_url, "alpha")
    assert violations(whole(front, body), COMPLETION) == []
    assert [found for chunk in stream(front, body) for found in violations(chunk, CHUNK)] == []


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_every_error_has_the_one_shape(front: Front, body: dict[str, Any], streamed: bool) -> None:
    status, text = post(front.base_url, {"model": front.model, **body, "stream": streamed})
    assert status >= 400
    assert violations(json.loads(text), ERROR) == []


def test_the_list_of_models_follows_the_schema(gateway: ServerProcess) -> None:
    _, models = gateway.get("/v1/models")
    assert violations(models, MODELS) == []
    _, model = gateway.get("/v1/models/alpha")
    assert violations(model, MODEL) == []


def test_a_demand_that_the_engine_ignores_is_met_or_refused(front: Front) -> None:
    twice = {"messages": user("both"), "tools": [WEATHER, CLOCK], "parallel_tool_calls": False}
    [choice] = whole(front, twice)["choices"]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["get_weather"]
    named = {"model": front.model, "tool_choice": {"type": "function", "function": {"name": "get_time"}}}
    status, text = post(front.base_url, {**named, "messages": user("weather?"), "tools": [WEATHER, CLOCK]})
    assert (status, json.loads(text)["error"]["code"]) == (502, "provider_ignored_request")
    counted = whole(front, {"messages": user("count"), "stop": ["c004"]})
    assert counted["choices"][0]["message"]["content"].strip() == "c001 c002 c003"
