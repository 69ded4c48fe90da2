"""What a request asks of its answer, in front of engines that ignore it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from desk import Desk, Seen, turn

from waypost.dispatch.demands import Demands
from waypost.errors import ProviderIgnoredRequest, StreamBroken
from waypost.faults.exchange import USAGE, Exchange
from waypost.faults.faultd import Faultd
from waypost.faults.faults import Fault, send

NAMED = {"type": "function", "function": {"name": "get_time"}}


def call(name: str, index: int = 0) -> dict[str, Any]:
    return {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": "{}"}}


def says(*deltas: dict[str, Any], reason: str = "stop", **more: Any) -> Fault:
    """An engine that gives these deltas, as a stream or as one message."""

    async def answer(exchange: Exchange) -> None:
        chunks = [exchange.chunk({"role": "assistant", "content": ""})]
        for delta in deltas:
            chunks.append(exchange.chunk(delta))
            chunks[-1]["choices"][0].update(more)
        chunks.append(exchange.chunk({}, reason))
        text = "".join(delta.get("content") or "" for delta in deltas)
        calls = [piece for delta in deltas for piece in delta.get("tool_calls", ())]
        message = {"role": "assistant", "content": text, "refusal": None, **({"tool_calls": calls} if calls else {})}
        whole = {**exchange.completion(), "usage": USAGE}
        whole["choices"] = [{"index": 0, "message": message, "finish_reason": reason, **more}]
        await send(exchange, chunks, whole)

    return answer


async def forgets_the_finish_reason(exchange: Exchange) -> None:
    await send(exchange, [exchange.chunk({"content": "one ST"}), exchange.chunk({"content": "O"})], exchange.completion())


async def two_choices(exchange: Exchange) -> None:
    chunks = [exchange.chunk({"content": "a"}, "stop"), exchange.chunk({"content": "b"}, "stop")]
    chunks[1]["choices"][0]["index"] = 1
    whole = exchange.completion()
    whole["choices"] = [{**whole["choices"][0], "index": index} for index in (0, 1)]
    await send(exchange, chunks, whole)


LOGPROBS = {"logprobs": {"content": [{"token": "hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}}
ENGINES = {
    "text": says({"content": "Hello"}, {"content": " there"}),
    "time": says({"content": "Let me see."}, {"tool_calls": [call("get_time")]}, reason="tool_calls"),
    "weather": says({"content": "Let me see."}, {"tool_calls": [call("get_weather")]}, reason="tool_calls"),
    "weather-at-once": says({"tool_calls": [call("get_weather")]}, reason="tool_calls"),
    "time-and-weather": says({"tool_calls": [call("get_time")]}, {"tool_calls": [call("get_weather", 1)]}, reason="tool_calls"),
    "time-twice": says({"tool_calls": [call("get_time"), call("get_time", 1)]}, reason="tool_calls"),
    "cut": says({"content": "I was going to"}, reason="length"),
    "object": says({"reasoning_content": "hm"}, {"content": "\n "}, {"content": '{"a"'}, {"content": ": 1}"}),
    "talks-after-object": says({"content": '{"a": 1}'}, {"content": " I hope this helps!"}),
    "cut-object": says({"content": '{"a"'}, reason="length"),
    "two": two_choices,
    "no-finish-reason": forgets_the_finish_reason,
    "logprobs": says({"content": "hi"}, **LOGPROBS),
    "stops": says({"content": "one ST"}, {"content": "O"}, {"content": "P two"}, {"content": " three"}, reason="length"),
    "almost-stops": says({"content": "one ST"}, {"content": "OR"}, {"content": "E S"}),
}


class SloppyEngine(Faultd):
    """Answers as its model name says, whatever it was asked for."""

    def _fault(self, model: str) -> Fault:
        return ENGINES.get(model) or super()._fault(model)


@pytest.fixture
async def faultd() -> AsyncIterator[Faultd]:
    server = SloppyEngine()
    await server.start()
    yield server
    await server.stop()


TOOLS: Any = [{"type": "function", "function": {"name": name}} for name in ("get_time", "get_weather")]
OBJECT = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}}}
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def calls_of(seen: Seen) -> list[str]:
    said = [choice.get("delta") or choice.get("message") or {} for chunk in seen.chunks for choice in chunk["choices"]]
    return [piece["function"]["name"] for part in said for piece in part.get("tool_calls") or ()]


def finish_of(seen: Seen) -> str | None:
    return next(event.finish_reason for event in reversed(seen.events) if event.finish_reason)


IGNORED: list[tuple[str, str, dict[str, Any]]] = [
    ("weather", "tool_choice", {"tools": TOOLS, "tool_choice": NAMED}),
    ("text", "tool_choice", {"tools": TOOLS, "tool_choice": NAMED}),
    ("text", "tool_choice", {"tools": TOOLS, "tool_choice": "required"}),
    ("weather-at-once", "tool_choice", {"tools": TOOLS, "tool_choice": "none"}),
    ("text", "response_format", {"response_format": OBJECT}),
    ("text", "response_format", {"response_format": SCHEMA}),
    ("text", "logprobs", {"logprobs": True}),
]
RIGHT = {"tool_choice": "time", "response_format": "object", "logprobs": "logprobs"}


@both_ways
@pytest.mark.parametrize(("engine", "parameter", "body"), IGNORED)
async def test_an_answer_that_ignores_the_request_is_never_shown_and_the_next_candidate_is_asked(
    desk: Desk, engine: str, parameter: str, body: dict[str, Any], stream: bool
) -> None:
    right = "text" if body.get("tool_choice") == "none" else RIGHT[parameter]
    seen = await desk.ask(engine, right, stream=stream, **body)
    assert (seen.error, seen.deployment) == (None, right)
    assert {chunk["model"] for chunk in seen.chunks} == {right}
    assert desk.outcomes == [(engine, "provider_ignored_request"), (right, None)]
    assert not desk.attempts[0].committed
    assert [desk.faultd.count(name) for name in (engine, right)] == [1, 1]


@both_ways
@pytest.mark.parametrize(("engine", "parameter", "body"), IGNORED)
async def test_with_nobody_else_to_ask_the_error_names_the_parameter(
    desk: Desk, engine: str, parameter: str, body: dict[str, Any], stream: bool
) -> None:
    seen = await desk.ask(engine, stream=stream, **body)
    assert isinstance(seen.error, ProviderIgnoredRequest)
    assert f"{engine} ignored {parameter}" in seen.error.message
    assert seen.events == []
    assert desk.faultd.count(engine) == 1


@both_ways
@pytest.mark.parametrize("choice", ["required", NAMED])
async def test_text_before_a_demanded_call_stays_a_part_of_the_answer(desk: Desk, choice: Any, stream: bool) -> None:
    seen = await desk.ask("time", stream=stream, tools=TOOLS, tool_choice=choice)
    assert (seen.error, seen.text, calls_of(seen)) == (None, "Let me see.", ["get_time"])


@both_ways
@pytest.mark.parametrize("body", [{"tools": TOOLS, "tool_choice": NAMED}, {"response_format": OBJECT}])
async def test_an_answer_that_was_cut_owes_nothing(desk: Desk, body: dict[str, Any], stream: bool) -> None:
    engine = "cut" if "tools" in body else "cut-object"
    seen = await desk.ask(engine, stream=stream, **body)
    assert (seen.error, finish_of(seen)) == (None, "length")


@both_ways
async def test_of_parallel_calls_that_were_not_wanted_the_first_stays(desk: Desk, stream: bool) -> None:
    body: dict[str, Any] = {"tools": TOOLS, "parallel_tool_calls": False}
    seen = await desk.ask("time-and-weather", stream=stream, **body)
    assert (seen.error, calls_of(seen), finish_of(seen)) == (None, ["get_time"], "tool_calls")
    assert calls_of(await desk.ask("time-twice", stream=stream, **body)) == ["get_time"]
    assert calls_of(await desk.ask("time-and-weather", stream=stream, tools=TOOLS)) == ["get_time", "get_weather"]
    assert desk.faultd.count("time-and-weather") == 2


@both_ways
async def test_of_other_calls_beside_the_named_one_none_stays(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("time-and-weather", stream=stream, tools=TOOLS, tool_choice=NAMED)
    assert calls_of(seen) == ["get_time"]
    assert calls_of(await desk.ask("time-twice", stream=stream, tools=TOOLS, tool_choice=NAMED)) == ["get_time"] * 2


@both_ways
async def test_an_object_may_come_after_reasoning_and_blanks(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("object", stream=stream, response_format=SCHEMA)
    assert (seen.error, json.loads(seen.text)) == (None, {"a": 1})


async def test_a_schema_whose_root_is_no_object_is_not_judged(desk: Desk) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "array"}}}
    assert (await desk.ask("text", response_format=wanted)).error is None


async def test_an_object_that_is_followed_by_words_is_an_error_at_its_end(desk: Desk) -> None:
    streamed = await desk.ask("talks-after-object", "object", response_format=OBJECT)
    assert isinstance(streamed.error, StreamBroken)
    assert desk.outcomes == [("talks-after-object", "stream_broken")]
    whole = await desk.ask("talks-after-object", "object", stream=False, response_format=OBJECT)
    assert (whole.error, whole.deployment) == (None, "object")


async def test_a_call_that_was_forbidden_is_an_error_also_behind_text(desk: Desk) -> None:
    seen = await desk.ask("weather", "text", tools=TOOLS, tool_choice="none")
    assert (seen.text, calls_of(seen)) == ("Let me see.", [])
    assert isinstance(seen.error, StreamBroken)
    assert desk.outcomes == [("weather", "stream_broken")]


async def test_a_missing_choice_is_a_failure(desk: Desk) -> None:
    assert (await desk.ask("two", n=2)).error is None
    whole = await desk.ask("text", "two", stream=False, n=2)
    assert (whole.error, whole.deployment) == (None, "two")
    streamed = await desk.ask("text", n=2)
    assert isinstance(streamed.error, StreamBroken)
    assert "1 of 2 choices" in streamed.error.message


@both_ways
async def test_a_stop_sequence_is_left_out_with_what_follows_also_when_it_comes_in_pieces(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("stops", stream=stream, stop=["never", "STOP"])
    assert (seen.error, seen.text, finish_of(seen)) == (None, "one ", "stop")
    if stream:
        assert desk.attempts[0].usage is not None


@both_ways
async def test_what_only_begins_like_a_stop_sequence_stays(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("almost-stops", stream=stream, stop="STOP")
    assert (seen.text, finish_of(seen)) == ("one STORE S", "stop")


async def test_nothing_is_lost_and_nothing_is_overlooked_where_an_engine_gives_no_finish_reason(desk: Desk) -> None:
    seen = await desk.ask("no-finish-reason", stop="STOP")
    assert (seen.error, seen.text) == (None, "one STO")
    seen = await desk.ask("no-finish-reason", "time", tools=TOOLS, tool_choice="required")
    assert (seen.error, seen.deployment) == (None, "time")


async def test_an_engine_that_keeps_the_stop_sequence_on_demand_is_left_alone(desk: Desk) -> None:
    seen = await desk.ask("stops", stop="STOP", include_stop_str_in_output=True)
    assert seen.text == "one STOP two three"


async def test_a_request_without_demands_costs_nothing() -> None:
    assert Demands.of(turn(temperature=0.5, tools=TOOLS, tool_choice="auto"), {"n": 1, "parallel_tool_calls": True}) is None


async def test_leaving_during_a_held_answer_frees_the_engine(desk: Desk) -> None:
    answer = await desk.open("stall-2", stop="never")
    async with aclosing(answer.events()) as events:
        await anext(events)
    await (await desk.faultd.hit("stall-2")).left.wait()
    assert desk.outcomes == [("stall-2", "cancelled")]
