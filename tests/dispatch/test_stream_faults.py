"""Faults of an answer under way: section B of the fault matrix."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from contextlib import aclosing
from typing import Any

import pytest
from desk import Desk

from waypost.dispatch.commit import CommitBounds
from waypost.dispatch.lanes.openai import OpenAiLane
from waypost.errors import ProviderProtocolError, StreamBroken
from waypost.faults.faultd import TEXT, USAGE
from waypost.faults.tool_faults import TOOLS
from waypost.fleet.deployment import Timeouts
from waypost.tokens import estimate


@pytest.mark.parametrize("fault", ["first-event-error", "role-then-error", "cut-0", "end-0", "stall-0"])
async def test_rows_12_and_13_what_fails_before_the_first_output_is_invisible(desk: Desk, fault: str) -> None:
    seen = await desk.ask(fault, "ok")
    assert (seen.text, seen.deployment, seen.error) == (TEXT, "ok", None)
    assert {chunk["model"] for chunk in seen.chunks} == {"ok"}
    assert [outcome[0] for outcome in desk.outcomes] == [fault, "ok"]
    assert not desk.attempts[0].committed
    assert desk.attempts[1].committed
    assert desk.faultd.count(fault) == 1


@pytest.mark.parametrize("fault", ["cut-2", "end-2", "error-after-2"])
async def test_rows_14_21_and_23_a_cut_after_output_is_an_error_and_nobody_else_is_asked(desk: Desk, fault: str) -> None:
    seen = await desk.ask(fault, "ok")
    assert isinstance(seen.error, StreamBroken)
    assert seen.text == "Hello from"
    assert not any(event.finish_reason for event in seen.events)
    assert desk.faultd.count("ok") == 0
    [attempt] = desk.attempts
    assert (attempt.error, attempt.committed, attempt.finish_reason) == ("stream_broken", True, None)
    assert attempt.usage is not None
    assert (attempt.usage.estimated, attempt.usage.prompt_tokens) == (True, 7)
    assert len(desk.watch.failures) == 1


async def test_row_14_a_cut_of_an_answer_that_is_not_streamed_fails_over(desk: Desk) -> None:
    seen = await desk.ask("cut-2", "ok", stream=False)
    assert seen.text == TEXT
    assert desk.outcomes == [("cut-2", "provider_protocol_error"), ("ok", None)]


async def test_row_15_silence_in_the_middle_ends_with_the_idle_timeout_and_frees_the_engine(desk: Desk) -> None:
    seen = await desk.ask("stall-2", "ok")
    assert isinstance(seen.error, StreamBroken)
    assert "idle timeout" in seen.error.message
    assert seen.text == "Hello from"
    await (await desk.faultd.hit("stall-2")).left.wait()
    assert desk.faultd.count("ok") == 0
    [attempt] = desk.attempts
    assert (attempt.error, attempt.committed, attempt.finish_reason) == ("stream_broken", True, None)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_row_15_silence_is_noticed_long_before_an_answer_had_to_begin(desk: Desk, stream: bool) -> None:
    patient = Timeouts(connect_s=1, first_byte_s=5, idle_s=0.3, total_s=5)
    seen = await desk.ask(desk.deployment("stall-2", timeouts=patient), stream=stream)
    assert seen.error is not None
    assert "idle timeout" in seen.error.message
    await asyncio.wait_for((await desk.faultd.hit("stall-2")).left.wait(), 1)
    [attempt] = desk.attempts
    assert 0.25 < attempt.ended_s - attempt.started_s < 2


async def test_row_16_an_unreadable_event_is_left_out_and_counted(desk: Desk) -> None:
    seen = await desk.ask("malformed-event", "ok")
    assert (seen.text, seen.error) == (TEXT, None)
    assert (desk.faultd.count("malformed-event"), desk.faultd.count("ok")) == (1, 0)
    [attempt] = desk.attempts
    assert (attempt.skipped_events, attempt.error, attempt.finish_reason) == (2, None, "stop")
    assert desk.watch.successes["malformed-event"] == 1


@pytest.mark.parametrize(
    "fault",
    ["bytes", "crlf", "cr", "no-space", "comments", "multi-line", "bom", "no-blank-line", "ndjson", "ndjson-crlf"],
    ids=lambda fault: fault,
)
async def test_rows_17_to_19_every_legal_framing_gives_the_same_answer(desk: Desk, fault: str) -> None:
    reference = await desk.ask(desk.deployment("ok"))
    seen = await desk.ask(desk.deployment(fault))
    assert [{**chunk, "model": "ok"} for chunk in seen.chunks] == reference.chunks
    assert not any(b"\n" in event.payload for event in seen.events)
    assert desk.faultd.count(fault) == 1
    [attempt] = desk.attempts
    assert (attempt.error, attempt.finish_reason, attempt.skipped_events) == (None, "stop", 0)
    assert attempt.usage is not None
    assert (attempt.usage.prompt_tokens, attempt.usage.estimated) == (11, False)


async def test_row_20_a_finish_reason_without_done_is_a_success(desk: Desk) -> None:
    seen = await desk.ask("no-done", "ok")
    assert (seen.text, seen.error) == (TEXT, None)
    assert (desk.faultd.count("no-done"), desk.faultd.count("ok")) == (1, 0)
    [attempt] = desk.attempts
    assert (attempt.error, attempt.finish_reason) == (None, "stop")
    assert desk.watch.successes["no-done"] == 1


async def test_row_21_an_end_without_done_and_finish_reason_is_incomplete_and_counts_against_the_engine(desk: Desk) -> None:
    seen = await desk.ask("end-3", "ok")
    assert isinstance(seen.error, StreamBroken)
    assert "ended the stream before its end" in seen.error.message
    assert (seen.text, seen.finish_reason) == ("Hello from faultd:", None)
    assert desk.outcomes == [("end-3", "stream_broken")]
    assert desk.watch.failures == [("end-3", "provider_protocol_error")]
    assert desk.faultd.count("ok") == 0


@pytest.mark.parametrize("fault", ["tool-cut", "tool-end"])
async def test_row_22_half_a_tool_call_is_never_a_complete_answer(desk: Desk, fault: str) -> None:
    seen = await desk.ask(fault, "ok", tools=TOOLS)
    assert isinstance(seen.error, StreamBroken)
    assert seen.finish_reason is None
    assert (desk.faultd.count(fault), desk.faultd.count("ok")) == (1, 0)
    [attempt] = desk.attempts
    assert (attempt.error, attempt.committed, attempt.finish_reason, attempt.verdict) == ("stream_broken", True, None, None)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_row_30_missing_usage_is_estimated_and_a_zero_stays_a_zero(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("usage-missing", stream=stream)
    assert not any("usage" in chunk for chunk in seen.chunks)
    usage = desk.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.prompt_tokens == 7
    assert usage.completion_tokens
    seen = await desk.ask("usage-zero", stream=stream)
    assert seen.chunks[-1]["usage"]["prompt_tokens"] == 0
    assert [desk.faultd.count(fault) for fault in ("usage-missing", "usage-zero")] == [1, 1]
    usage = desk.attempts[0].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.estimated) == (0, 0, 0, False)
    assert usage.reasoning_tokens is None
    assert desk.attempts[0].cost_usd == 0


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_row_30_the_engines_count_gives_the_cost(desk: Desk, stream: bool) -> None:
    await desk.ask("ok", stream=stream)
    usage = desk.attempts[0].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens) == (11, 6, 4, 0)
    assert desk.attempts[0].cost_usd == pytest.approx(11e-6 + 6e-5)
    await desk.ask(desk.deployment("ok", price=None), stream=stream)
    assert desk.attempts[0].cost_usd is None


@pytest.mark.parametrize("fault", ["big-event", "big-line"])
async def test_row_31_an_event_over_the_limit_ends_the_stream_the_engine_is_cut_off_and_memory_stays_flat(
    desk: Desk, fault: str
) -> None:
    await desk.lanes["openai"].close()
    desk.lanes["openai"] = OpenAiLane(max_event_bytes=1 << 20)
    tracemalloc.start()
    try:
        seen = await desk.ask(fault, "ok")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(seen.error, StreamBroken)
    assert "larger than Waypost accepts" in seen.error.message
    assert seen.text == "Hello"
    assert peak < 8 << 20  # of the 20 MB that were to come; both ends of the connection are in this process
    await (await desk.faultd.hit(fault)).left.wait()
    assert desk.faultd.count("ok") == 0
    assert desk.outcomes == [(fault, "stream_broken")]


async def test_a_whole_body_over_the_limit_is_an_error(desk: Desk) -> None:
    await desk.lanes["openai"].close()
    desk.lanes["openai"] = OpenAiLane(max_body_bytes=100)
    seen = await desk.ask("ok", stream=False)
    assert isinstance(seen.error, ProviderProtocolError)
    assert "more than 100 bytes" in seen.error.message


async def test_an_engine_that_ignores_stream_is_turned_into_chunks(desk: Desk) -> None:
    seen = await desk.ask("json-to-stream")
    assert (seen.text, seen.error) == (TEXT, None)
    assert seen.chunks[0]["object"] == "chat.completion.chunk"
    assert seen.chunks[0]["choices"][0]["finish_reason"] == "stop"
    assert seen.events[1].usage_only
    assert desk.attempts[0].usage is not None


async def test_chunks_go_on_as_the_bytes_that_came(desk: Desk) -> None:
    seen = await desk.ask("ok")
    assert seen.events[1].payload == json.dumps(seen.chunks[1], ensure_ascii=False).encode()
    assert seen.events[-1].usage_only
    assert seen.chunks[-1]["usage"] == USAGE


@pytest.mark.parametrize("takes", [True, False])
async def test_text_that_is_taken_is_not_yielded_and_counted_all_the_same(desk: Desk, takes: bool) -> None:
    taken: list[bytes] = []

    def take(payload: bytes) -> bool:
        if takes:
            taken.append(payload)
        return takes

    answer = await desk.open("endless")
    async with aclosing(answer.events(take)) as events:
        read = [(await anext(events)).payload for _ in range(2 if takes else 12)]  # what was held back goes its way
        if takes:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(events), 0.2)
    assert (len(taken) > 3) is takes
    assert {json.loads(payload)["choices"][0]["delta"]["content"] for payload in (*read[2:], *taken)} == {" word"}
    [attempt] = desk.attempts
    assert attempt.usage is not None
    assert attempt.usage.completion_tokens == estimate(" word" * (len(read) - 1 + len(taken)))
    desk.assert_idle()


@pytest.mark.parametrize(
    "asked", [{"stop": ["never"]}, {"timeouts": Timeouts(min_tokens_per_s=1)}], ids=["demands", "a floor under its pace"]
)
async def test_nothing_passes_by_who_has_to_see_all_of_an_answer(desk: Desk, asked: dict[str, Any]) -> None:
    timeouts = asked.pop("timeouts", Timeouts())
    answer = await desk.open(desk.deployment("endless", timeouts=timeouts), **asked)
    async with aclosing(answer.events(lambda _: pytest.fail("somebody has to see it"))) as events:
        for _ in range(12):
            await anext(events)


@pytest.mark.parametrize("bound", [{"max_events": 1}, {"max_bytes": 100}])
async def test_what_is_held_back_is_bounded_by_events_and_bytes(desk: Desk, bound: dict[str, int]) -> None:
    desk.dispatcher._bounds = CommitBounds(**bound)
    seen = await desk.ask("role-then-error", "ok")
    assert isinstance(seen.error, StreamBroken)
    assert desk.faultd.count("ok") == 0
    desk.dispatcher._bounds = CommitBounds()
    assert (await desk.ask("role-then-error", "ok")).text == TEXT
