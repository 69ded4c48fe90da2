"""The faults of an engine in Ollama's dialect, through the lane that speaks it: sections A to C of the fault matrix."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from contextlib import aclosing
from typing import Any

import pytest
from desk import KEY, Desk

from waypost import errors
from waypost.dispatch.lanes.ollama import OllamaLane
from waypost.faults.faultd import TEXT, Faultd
from waypost.faults.tool_faults import TOOLS
from waypost.fleet.deployment import Deployment, Timeouts
from waypost.secret import Secret

MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def of(desk: Desk, fault: str, **changes: Any) -> Deployment:
    return desk.deployment(fault, lane="ollama", **changes)


@MODES
async def test_it_gives_what_the_openai_lane_gives_for_the_same_answer(desk: Desk, stream: bool) -> None:
    direct = await desk.ask(desk.deployment("ok"), stream=stream)
    expected = desk.attempts[0]
    seen = await desk.ask(of(desk, "ok"), stream=stream)
    got = desk.attempts[0]
    assert (seen.text, seen.finish_reason, seen.error) == (direct.text, direct.finish_reason, None)
    assert [(event.output, event.finish_reason, event.usage_only, event.text) for event in seen.events] == [
        (event.output, event.finish_reason, event.usage_only, event.text)
        for event in direct.events
        if event.output or event.finish_reason or event.usage_only  # Ollama has no line that says only who speaks
    ]
    assert seen.chunks[-1]["usage"] == {"prompt_tokens": 11, "completion_tokens": 6, "total_tokens": 17}
    for field in ("object", "model"):
        assert {chunk[field] for chunk in seen.chunks} == {chunk[field] for chunk in direct.chunks}
    assert (got.committed, got.error, got.verdict) == (expected.committed, expected.error, expected.verdict)
    assert [hit.dialect for hit in desk.faultd.hits] == ["openai", "ollama"]


@MODES
async def test_calls_come_out_as_they_do_of_the_openai_lane(desk: Desk, stream: bool) -> None:
    fault = "two-calls" if stream else "ok"
    direct = await desk.ask(desk.deployment(fault), stream=stream, tools=TOOLS)
    seen = await desk.ask(of(desk, fault), stream=stream, tools=TOOLS)
    assert [(index, name, json.loads(text or "{}")) for index, _, name, text in seen.calls] == [
        (index, name, json.loads(text or "{}")) for index, _, name, text in direct.calls
    ]
    assert len({call_id for _, call_id, *_ in seen.calls}) == len(seen.calls)
    assert seen.finish_reason == direct.finish_reason


@MODES
async def test_row_01_a_refused_connection_fails_over_at_once_and_alone_names_no_address(
    desk: Desk, refused_url: str, stream: bool
) -> None:
    seen = await desk.ask(of(desk, "down", api_base=refused_url), of(desk, "ok"), stream=stream)
    assert (seen.text, desk.outcomes) == (TEXT, [("down", "provider_unreachable"), ("ok", None)])
    assert (desk.faultd.count("ok"), desk.pauses) == (1, [])
    seen = await desk.ask(of(desk, "down", api_base=refused_url), stream=stream)
    assert isinstance(seen.error, errors.ConnectFailed)
    assert "127.0.0.1" not in seen.error.message


async def test_row_02_an_unknown_host_and_a_deaf_one_fail_over(desk: Desk, deaf_url: str) -> None:
    lost = of(desk, "lost", api_base="http://nobody.invalid")
    deaf = of(desk, "deaf", api_base=deaf_url, timeouts=Timeouts(connect_s=0.2))
    assert (await desk.ask(lost, deaf, of(desk, "ok"))).deployment == "ok"
    assert desk.outcomes == [("lost", "provider_unreachable"), ("deaf", "provider_timeout"), ("ok", None)]


@pytest.mark.parametrize("fault", ["never-headers", "slow-headers"])
async def test_rows_03_and_04_the_first_byte_deadline_is_absolute_and_frees_the_engine(desk: Desk, fault: str) -> None:
    seen = await desk.ask(of(desk, fault), of(desk, "ok"))
    assert (seen.text, desk.outcomes) == (TEXT, [(fault, "provider_timeout"), ("ok", None)])
    assert "first byte timeout" in (desk.attempts[0].message or "")
    await asyncio.wait_for((await desk.faultd.hit(fault)).left.wait(), 1)
    assert desk.faultd.count(fault) == 1


@MODES
async def test_row_06_a_rate_limit_keeps_its_pause(desk: Desk, stream: bool) -> None:
    seen = await desk.ask(of(desk, "429-ra3600"), stream=stream)
    assert isinstance(seen.error, errors.ProviderRateLimited)
    assert (seen.error.retry_after_s, desk.faultd.count("429-ra3600")) == (3600, 1)


@MODES
async def test_row_07_the_keys_of_a_deployment_are_tried(desk: Desk, stream: bool) -> None:
    keys = (Secret("sk-bad-11111111"), Secret("sk-good-2222222"))
    seen = await desk.ask(of(desk, "bad-keys-401", api_key=keys[0], api_keys=keys), stream=stream)
    assert (seen.text, desk.outcomes) == (TEXT, [("bad-keys-401", "provider_auth_failed"), ("bad-keys-401", None)])
    assert [hit.headers["authorization"] for hit in desk.faultd.hits] == [f"Bearer {key.reveal()}" for key in keys]


@MODES
async def test_row_08_an_overflow_goes_to_a_larger_window_only(desk: Desk, stream: bool) -> None:
    small = of(desk, "context-too-long", window_tokens=8)
    same, large = of(desk, "ok", id="same", window_tokens=8), of(desk, "ok", id="large", window_tokens=4096)
    seen = await desk.ask(small, same, large, stream=stream)
    assert (seen.text, desk.outcomes) == (TEXT, [("context-too-long", "context_length_exceeded"), ("large", None)])


@MODES
@pytest.mark.parametrize("status", ["500", "502", "503", "529"])
async def test_row_09_a_failing_engine_is_left_and_alone_is_asked_twice_more(desk: Desk, status: str, stream: bool) -> None:
    assert (await desk.ask(of(desk, status), of(desk, "ok"), stream=stream)).deployment == "ok"
    seen = await desk.ask(of(desk, status), stream=stream)
    assert isinstance(seen.error, errors.ProviderUnavailable)
    assert (desk.faultd.count(status), len(desk.pauses)) == (4, 2)
    for hidden in ("10.0.0.7", "sk-upstream", "/srv", KEY):
        assert hidden not in seen.error.message


@MODES
async def test_row_10_a_redirect_is_never_followed_and_no_credentials_go_there(desk: Desk, stream: bool) -> None:
    elsewhere = Faultd()
    await elsewhere.start()
    desk.faultd.redirect_to = elsewhere.root_url + "/api/chat"
    seen = await desk.ask(of(desk, "redirect"), stream=stream)
    await elsewhere.stop()
    assert isinstance(seen.error, errors.ProviderProtocolError)
    assert (elsewhere.connections, desk.faultd.count("redirect")) == (0, 1)


@MODES
@pytest.mark.parametrize("fault", ["html-200", "empty-200", "gzip-200"])
async def test_row_11_a_200_that_is_no_answer_fails_over_and_alone_is_a_502(desk: Desk, fault: str, stream: bool) -> None:
    assert (await desk.ask(of(desk, fault), of(desk, "ok"), stream=stream)).text == TEXT
    assert desk.outcomes == [(fault, "provider_protocol_error"), ("ok", None)]
    seen = await desk.ask(of(desk, fault), stream=stream)
    assert isinstance(seen.error, errors.ProviderProtocolError)
    assert (seen.error.status, seen.events) == (502, [])


@pytest.mark.parametrize("fault", ["first-event-error", "role-then-error", "cut-0", "end-0", "stall-0", "tool-cut", "tool-end"])
async def test_rows_12_13_and_22_what_fails_before_the_first_output_is_invisible(desk: Desk, fault: str) -> None:
    """Half a call is none here: Ollama sends calls whole."""
    seen = await desk.ask(of(desk, fault), of(desk, "ok"))
    assert (seen.text, seen.deployment, seen.error, seen.calls) == (TEXT, "ok", None, [])
    assert [attempt.committed for attempt in desk.attempts] == [False, True]
    assert desk.faultd.count(fault) == 1


@pytest.mark.parametrize("fault", ["cut-2", "end-2", "error-after-2", "stall-2"])
async def test_rows_14_15_21_and_23_what_breaks_after_output_is_an_error_and_nobody_else_is_asked(
    desk: Desk, fault: str
) -> None:
    seen = await desk.ask(of(desk, fault), of(desk, "ok"))
    assert isinstance(seen.error, errors.StreamBroken)
    assert (seen.text, seen.finish_reason, desk.faultd.count("ok")) == ("Hello from", None, 0)
    [attempt] = desk.attempts
    assert (attempt.error, attempt.committed, attempt.finish_reason) == ("stream_broken", True, None)
    assert attempt.usage is not None
    assert (attempt.usage.estimated, attempt.usage.prompt_tokens) == (True, 7)
    assert len(desk.watch.failures) == 1


async def test_row_14_a_cut_of_an_answer_that_is_not_streamed_fails_over(desk: Desk) -> None:
    seen = await desk.ask(of(desk, "cut-2"), of(desk, "ok"), stream=False)
    assert (seen.text, desk.outcomes) == (TEXT, [("cut-2", "provider_protocol_error"), ("ok", None)])


async def test_row_16_an_unreadable_line_is_left_out_and_counted(desk: Desk) -> None:
    seen = await desk.ask(of(desk, "malformed-event"), of(desk, "ok"))
    assert (seen.text, seen.error, desk.faultd.count("ok")) == (TEXT, None, 0)
    [attempt] = desk.attempts
    assert (attempt.skipped_events, attempt.error, attempt.finish_reason) == (1, None, "stop")


async def test_rows_17_and_18_an_answer_that_comes_byte_by_byte_is_the_same(desk: Desk) -> None:
    reference = await desk.ask(of(desk, "ok"))
    seen = await desk.ask(of(desk, "bytes"))
    same = {"id": "", "created": 0, "model": "ok"}
    assert [{**chunk, **same} for chunk in seen.chunks] == [{**chunk, **same} for chunk in reference.chunks]


@MODES
async def test_row_30_missing_counts_are_estimated_and_a_zero_stays_a_zero(desk: Desk, stream: bool) -> None:
    seen = await desk.ask(of(desk, "usage-missing"), stream=stream)
    usage = desk.attempts[0].usage
    assert not any("usage" in chunk for chunk in seen.chunks)
    assert usage is not None
    assert (usage.estimated, usage.prompt_tokens) == (True, 7)
    await desk.ask(of(desk, "usage-zero"), stream=stream)
    usage = desk.attempts[0].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (0, 0, False)


async def test_row_31_a_line_over_the_limit_ends_the_stream_the_engine_is_cut_off_and_memory_stays_flat(desk: Desk) -> None:
    await desk.lanes["ollama"].close()
    desk.lanes["ollama"] = OllamaLane(max_event_bytes=1 << 20)
    tracemalloc.start()
    try:
        seen = await desk.ask(of(desk, "big-event"), of(desk, "ok"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(seen.error, errors.StreamBroken)
    assert "larger than Waypost accepts" in seen.error.message
    assert (seen.text, peak < 8 << 20, desk.faultd.count("ok")) == ("Hello", True, 0)
    await (await desk.faultd.hit("big-event")).left.wait()


async def test_a_whole_answer_over_the_limit_is_an_error(desk: Desk) -> None:
    await desk.lanes["ollama"].close()
    desk.lanes["ollama"] = OllamaLane(max_body_bytes=100)
    seen = await desk.ask(of(desk, "ok"), stream=False)
    assert isinstance(seen.error, errors.ProviderProtocolError)


async def test_row_32_engines_see_as_many_requests_as_there_are_attempts(desk: Desk) -> None:
    for fault in ("500", "429-ra3600", "400", "never-headers"):
        await desk.ask(of(desk, fault))
        assert desk.faultd.count(fault) == len(desk.attempts)


@pytest.mark.parametrize("fault", ["never-headers", "endless", "stall-2"])
@MODES
async def test_rows_26_to_28_a_caller_who_leaves_takes_the_call_along(desk: Desk, fault: str, stream: bool) -> None:
    work = asyncio.create_task(desk.ask(of(desk, fault, timeouts=Timeouts()), of(desk, "ok"), stream=stream))
    hit = await desk.faultd.hit(fault)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.wait_for(hit.left.wait(), 1)
    [attempt] = desk.attempts
    assert (attempt.error, desk.watch.failures, desk.faultd.count("ok")) == ("cancelled", [], 0)


async def test_row_27_an_answer_that_is_closed_in_the_middle_closes_the_connection(desk: Desk) -> None:
    answer = await desk.open(of(desk, "endless", timeouts=Timeouts()))
    async with aclosing(answer.events()) as events:
        assert len([await anext(events) for _ in range(5)]) == 5
    await asyncio.wait_for((await desk.faultd.hit("endless")).left.wait(), 1)


@MODES
async def test_a_connection_serves_again_after_a_complete_answer(desk: Desk, stream: bool) -> None:
    for _ in range(3):
        await desk.ask(of(desk, "ok"), stream=stream)
    assert desk.faultd.connections == 1


async def test_it_sends_the_key_and_the_configured_headers_to_the_native_interface(desk: Desk) -> None:
    await desk.ask(of(desk, "local/a", model="ok", headers={"x-tenant": "blue"}, api_base=desk.faultd.root_url + "/?k=1"))
    [hit] = desk.faultd.hits
    assert (hit.path, hit.headers["authorization"], hit.headers["x-tenant"]) == ("/api/chat?k=1", f"Bearer {KEY}", "blue")
    assert hit.body == {"model": "ok", "messages": [{"role": "user", "content": "hi"}], "stream": True, "truncate": False}
