"""A caller who leaves takes the call to the engine with them, in every window: rows 26 to 28."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from desk import LITELLM_WARNS, Desk

from waypost.fleet.deployment import LaneName, Timeouts

PATIENT = Timeouts()
LANES = pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])


async def leave(desk: Desk, fault: str, lane: LaneName, *, stream: bool) -> None:
    """Cancels a request once the engine has it, and waits until the engine has seen it go."""
    work = asyncio.create_task(desk.ask(desk.deployment(fault, timeouts=PATIENT, lane=lane), "ok", stream=stream))
    hit = await desk.faultd.hit(fault)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.wait_for(hit.left.wait(), 1)


def assert_cancelled(desk: Desk, *, committed: bool) -> None:
    [attempt] = desk.attempts
    assert (attempt.error, attempt.committed) == ("cancelled", committed)
    assert desk.watch.failures == []
    assert not desk.watch.successes
    assert desk.faultd.count("ok") == 0
    desk.assert_idle()


@LANES
async def test_row_26_leaving_before_the_first_token_aborts_the_engine(desk: Desk, lane: LaneName) -> None:
    await leave(desk, "never-headers", lane, stream=True)
    assert_cancelled(desk, committed=False)


@LANES
async def test_row_26_leaving_while_events_are_held_back_aborts_the_engine(desk: Desk, lane: LaneName) -> None:
    await leave(desk, "stall-0", lane, stream=True)
    assert_cancelled(desk, committed=False)


@LANES
async def test_row_27_closing_the_events_mid_stream_aborts_the_engine_and_keeps_partial_usage(
    desk: Desk, lane: LaneName
) -> None:
    answer = await desk.open(desk.deployment("endless", timeouts=PATIENT, lane=lane), "ok")
    async with aclosing(answer.events()) as events:
        async for event in events:
            if event.output:
                break
    await asyncio.wait_for((await desk.faultd.hit("endless")).left.wait(), 1)
    assert_cancelled(desk, committed=True)
    usage = desk.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.completion_tokens
    assert desk.attempts[0].cost_usd is not None


@LANES
async def test_row_27_cancelling_the_reader_mid_stream_aborts_the_engine(desk: Desk, lane: LaneName) -> None:
    answer = await desk.open(desk.deployment("stall-2", timeouts=PATIENT, lane=lane), "ok")
    reading = asyncio.Event()

    async def read() -> None:
        async with aclosing(answer.events()) as events:
            async for _ in events:
                reading.set()

    work = asyncio.create_task(read())
    await reading.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.wait_for((await desk.faultd.hit("stall-2")).left.wait(), 1)
    assert_cancelled(desk, committed=True)


@LANES
async def test_row_28_leaving_an_answer_that_is_not_streamed_aborts_the_engine(desk: Desk, lane: LaneName) -> None:
    await leave(desk, "never-headers", lane, stream=False)
    assert_cancelled(desk, committed=False)


async def test_an_answer_that_is_never_read_can_be_given_up(desk: Desk) -> None:
    answer = await desk.open(desk.deployment("endless", timeouts=PATIENT))
    await answer.aclose()
    await answer.aclose()
    await asyncio.wait_for((await desk.faultd.hit("endless")).left.wait(), 1)
    assert_cancelled(desk, committed=True)


async def test_leaving_during_the_pause_before_a_retry_asks_nobody_again(desk: Desk) -> None:
    pausing = asyncio.Event()

    async def pause(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    desk.dispatcher._sleep = pause
    work = asyncio.create_task(desk.ask("500"))
    await pausing.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert desk.outcomes == [("500", "provider_unavailable")]
    assert desk.faultd.count("500") == 1
