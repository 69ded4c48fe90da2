"""Tool calls through dispatch: mended where that is safe, judged when the answer is out, asked for once more where it is on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from desk import LITELLM_WARNS, Desk

from waypost.dispatch.commit import CommitBounds
from waypost.errors import ProviderUnavailable, StreamBroken
from waypost.faults.faultd import TEXT
from waypost.faults.tool_faults import TOOLS
from waypost.fleet.deployment import Deployment, Timeouts

MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
LANES = pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])
LIST = {"type": "json_schema", "json_schema": {"name": "list", "schema": {"type": "array"}}}
PARIS = ("get_weather", '{"city": "Paris", "days": 2}')


def of(desk: Desk, fault: str, lane: str) -> Deployment:
    """LiteLLM's own work takes longer than faultd's."""
    return desk.deployment(fault, lane=lane, timeouts=Timeouts(first_byte_s=5, idle_s=0.5))


@MODES
@LANES
async def test_calls_as_ollama_gives_them_come_out_in_openais_form(desk: Desk, lane: str, stream: bool) -> None:
    seen = await desk.ask(of(desk, "tool-ollama", lane), stream=stream, tools=TOOLS)
    (first, one, *weather), (second, two, *clock) = seen.calls
    assert (first, second) == (0, 1)
    assert one == "call_1"
    assert two not in (None, "", one)
    assert (weather[0], json.loads(weather[1])) == ("get_weather", {"city": "Paris"})
    assert (clock[0], json.loads(clock[1] or "{}")) == ("get_time", {})
    assert seen.finish_reason == "tool_calls"
    [attempt] = desk.attempts
    assert (attempt.finish_reason, attempt.verdict) == ("tool_calls", "ok")


@MODES
@LANES
@pytest.mark.parametrize("fault", ["tool-same-id", "tool-stop"])
async def test_ids_are_told_apart_and_an_answer_that_calls_tools_ends_for_that_reason(
    desk: Desk, fault: str, lane: str, stream: bool
) -> None:
    seen = await desk.ask(of(desk, fault, lane), stream=stream, tools=TOOLS)
    assert len({call_id for _, call_id, *_ in seen.calls}) == len(seen.calls)
    assert seen.finish_reason == "tool_calls"


@MODES
async def test_calls_that_need_nothing_go_on_as_the_bytes_that_came(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("tool-ok", stream=stream, tools=TOOLS)
    assert all(event.payload == json.dumps(chunk).encode() for event, chunk in zip(seen.events, seen.chunks, strict=True))
    assert seen.calls == [(0, "call_1", *PARIS)]


@MODES
@LANES
@pytest.mark.parametrize(
    ("fault", "verdict", "body"),
    [
        ("tool-ok", "ok", {}),
        ("tool-unknown", "unknown_tool", {}),
        ("tool-json", "invalid_json", {}),
        ("tool-arguments", "invalid_arguments", {}),
        ("ok", None, {}),
        ("tool-many", "ok", {"parallel_tool_calls": False}),
    ],
)
async def test_the_verdict_on_an_answer_is_in_the_log_and_the_answer_goes_out_as_it_is(
    desk: Desk, fault: str, verdict: str | None, body: dict[str, Any], lane: str, stream: bool
) -> None:
    seen = await desk.ask(of(desk, fault, lane), of(desk, "tool-stop", lane), stream=stream, tools=TOOLS, **body)
    assert seen.error is None
    [attempt] = desk.attempts
    assert (attempt.verdict, attempt.error, attempt.committed) == (verdict, None, True)
    assert desk.faultd.count("tool-stop") == 0
    assert desk.watch.failures == []


async def test_the_answer_is_out_before_it_is_judged(desk: Desk) -> None:
    answer = await desk.open("tool-json", tools=TOOLS)
    async for _ in answer.events():
        pass
    assert desk.attempts[0].verdict is None
    desk.log.judge()
    assert desk.attempts[0].verdict == "invalid_json"


@MODES
async def test_the_form_of_a_text_is_judged_too(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("ok", stream=stream, response_format=LIST)
    assert seen.text == TEXT
    assert desk.attempts[0].verdict == "invalid_text"


@MODES
@LANES
@pytest.mark.parametrize("fault", ["tool-unknown", "tool-json", "tool-arguments"])
async def test_a_call_that_fails_is_asked_for_on_the_next_candidate_and_nothing_of_the_first_is_seen(
    desk: Desk, fault: str, lane: str, stream: bool
) -> None:
    desk.verify = "tools"
    seen = await desk.ask(of(desk, fault, lane), of(desk, "tool-ok", lane), stream=stream, tools=TOOLS)
    assert (seen.deployment, seen.error) == ("tool-ok", None)
    assert seen.calls == [(0, "call_1", *PARIS)]
    assert {chunk["model"].split("/")[-1] for chunk in seen.chunks} == {"tool-ok"}
    first, second = desk.attempts
    assert (first.error, first.committed, first.deployment) == ("tool_call_invalid", False, fault)
    assert first.verdict in (first.message or "")
    assert (second.error, second.committed, second.verdict) == (None, True, "ok")
    assert first.usage is not None
    assert first.cost_usd == second.cost_usd == pytest.approx(11e-6 + 6e-5)
    assert desk.watch.failures == []
    assert [desk.faultd.count(name) for name in (fault, "tool-ok")] == [1, 1]


@MODES
async def test_with_nobody_else_the_same_deployment_is_asked_once_more_at_once(desk: Desk, stream: bool) -> None:
    desk.verify = "tools"
    seen = await desk.ask("tool-flaky", stream=stream, tools=TOOLS)
    assert seen.calls == [(0, "call_1", *PARIS)]
    assert desk.outcomes == [("tool-flaky", "tool_call_invalid"), ("tool-flaky", None)]
    assert desk.pauses == []
    assert desk.faultd.count("tool-flaky") == 2


@MODES
@pytest.mark.parametrize(
    ("order", "goes_out"),
    [
        (("tool-unknown", "tool-arguments", "tool-ok"), "tool-arguments"),
        (("tool-arguments", "tool-unknown", "tool-ok"), "tool-arguments"),
        (("tool-json",), "tool-json"),
    ],
)
async def test_of_two_that_fail_the_nearer_one_goes_out_and_nobody_else_is_asked(
    desk: Desk, order: tuple[str, ...], goes_out: str, stream: bool
) -> None:
    desk.verify = "tools"
    seen = await desk.ask(*order, stream=stream, tools=TOOLS)
    assert (seen.deployment, seen.error) == (goes_out, None)
    assert len(desk.attempts) == 2
    assert [attempt.error for attempt in desk.attempts if attempt.committed] == [None]
    assert [attempt.error for attempt in desk.attempts if not attempt.committed] == ["tool_call_invalid"]
    assert desk.faultd.count("tool-ok") == 0
    if len(order) == 1:
        assert desk.attempts[0].committed  # of two alike the first


@MODES
async def test_a_second_try_that_breaks_does_not_cost_the_first_answer(desk: Desk, stream: bool) -> None:
    desk.verify = "tools"
    seen = await desk.ask("tool-arguments", "500", stream=stream, tools=TOOLS)
    assert (seen.deployment, seen.error) == ("tool-arguments", None)
    assert [call[2:] for call in seen.calls] == [("get_weather", '{"city": "Paris", "days": 0}')]
    assert ("500", ProviderUnavailable.code) in desk.outcomes
    assert [attempt.verdict for attempt in desk.attempts if attempt.committed] == ["invalid_arguments"]


async def test_a_stream_that_is_held_back_fails_over_also_after_its_first_output(desk: Desk) -> None:
    desk.verify = "tools"
    seen = await desk.ask("tool-cut", "tool-ok", tools=TOOLS)
    assert (seen.deployment, seen.error) == ("tool-ok", None)
    assert [event.payload for event in seen.events][-1].startswith(b'{"id"')
    assert desk.outcomes == [("tool-cut", "provider_protocol_error"), ("tool-ok", None)]


async def test_an_answer_over_the_byte_bound_goes_out_unchecked_and_is_judged_afterwards(desk: Desk) -> None:
    desk.verify = "tools"
    desk.dispatcher._bounds = CommitBounds(max_bytes=200, max_events=1)
    seen = await desk.ask("tool-json", "tool-ok", tools=TOOLS)
    assert (seen.deployment, seen.finish_reason) == ("tool-json", "tool_calls")
    [attempt] = desk.attempts
    assert (attempt.verdict, attempt.error, attempt.committed) == ("invalid_json", None, True)
    assert isinstance((await desk.ask("tool-cut", "tool-ok", tools=TOOLS)).error, StreamBroken)


async def test_without_a_call_there_is_nothing_to_ask_for_again(desk: Desk) -> None:
    desk.verify = "tools"
    seen = await desk.ask("ok", "tool-ok", tools=TOOLS)
    assert seen.text == TEXT
    assert desk.outcomes == [("ok", None)]
    seen = await desk.ask("ok", "tool-ok", tools=TOOLS, response_format=LIST)
    assert (seen.text, desk.attempts[0].verdict) == (TEXT, "invalid_text")


@MODES
async def test_of_two_that_are_asked_beside_each_other_the_one_whose_call_is_right_answers(desk: Desk, stream: bool) -> None:
    desk.verify, desk.hedge = "tools", 0.0
    seen = await desk.ask("tool-arguments", "tool-stop", stream=stream, tools=TOOLS)
    assert seen.deployment == "tool-stop"
    assert seen.calls == [(0, "call_1", *PARIS)]
    assert [attempt.committed for attempt in desk.attempts if attempt.deployment == "tool-arguments"] == [False]
    assert desk.watch.failures == []
    seen = await desk.ask("tool-unknown", "tool-json", stream=stream, tools=TOOLS)
    assert seen.deployment == "tool-json"
    assert len(desk.attempts) == 2
