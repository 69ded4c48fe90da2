"""Dispatch against a real llama.cpp server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from desk import LITELLM_WARNS, Desk

from waypost.errors import ProviderContextTooLong
from waypost.fleet.deployment import Deployment, LaneName
from waypost.http.session import HttpSession

LANES = pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])


def real(llamacpp: Any, lane: LaneName) -> Deployment:
    return Deployment("local/alpha", "alpha", "hosted_vllm", llamacpp.model, lane, local=True, api_base=llamacpp.base_url)


async def busy_slots(llamacpp: Any) -> int:
    async with aiohttp.ClientSession() as session, session.get(llamacpp.base_url.removesuffix("/v1") + "/slots") as response:
        return sum(slot["is_processing"] for slot in await response.json())


async def all_slots_free(llamacpp: Any) -> None:
    while await busy_slots(llamacpp):  # noqa: ASYNC110 -- the engine sends no event, it can only be asked
        await asyncio.sleep(0.02)


@LANES
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_it_answers_and_counts(desk: Desk, llamacpp: Any, lane: LaneName, stream: bool) -> None:
    seen = await desk.ask(real(llamacpp, lane), stream=stream)
    assert seen.text == "Hello from alpha, a tiny local model."
    [attempt] = desk.attempts
    assert (attempt.error, attempt.finish_reason, attempt.cost_usd) == (None, "stop", None)
    assert attempt.usage is not None
    assert attempt.usage.prompt_tokens
    assert not attempt.usage.estimated


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_it_says_how_fast_it_worked_once_for_each_answer(desk: Desk, llamacpp: Any, stream: bool) -> None:
    await desk.ask(real(llamacpp, "openai"), stream=stream, messages=[{"role": "user", "content": "count"}])
    [(deployment, timings)] = desk.watch.timings
    assert (deployment, timings.load_s, timings.answer_tokens) == ("local/alpha", None, 201)
    assert timings.prompt_tokens is not None
    assert timings.prompt_s
    assert timings.answer_s


async def test_one_that_sleeps_is_not_loaded_until_it_answers(desk: Desk, start_llamacpp: Any) -> None:
    engine = start_llamacpp("alpha", sleep_idle_s=1)
    fleet = desk.live(real(engine, "openai"))
    async with HttpSession() as session:
        await desk.ask_live(fleet)
        assert fleet.view().status("local/alpha").loaded is None  # nobody has looked
        while fleet.view().status("local/alpha").loaded is not False:
            await fleet.refresh(session)
            await asyncio.sleep(0.05)
        assert fleet.view().memories["llamacpp"].resident == ()
        await desk.ask_live(fleet, messages=[{"role": "user", "content": "count"}])
        status = fleet.view().status("local/alpha")
        assert status.loaded is True
        assert status.residency is not None
        assert status.residency.answer_tokens_per_s is not None
        await fleet.watch(session)
        known = fleet.view().status("local/alpha").residency
        assert known is not None
        assert known.window_tokens == 2048


@LANES
async def test_row_27_leaving_mid_stream_frees_the_slot(desk: Desk, llamacpp: Any, lane: LaneName) -> None:
    answer = await desk.open(real(llamacpp, lane), messages=[{"role": "user", "content": "loop"}], max_tokens=1900)
    async with aclosing(answer.events()) as events:
        async for event in events:
            if event.output:
                break
    await asyncio.wait_for(all_slots_free(llamacpp), 2)
    assert desk.attempts[0].error == "cancelled"


@LANES
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_row_08_an_overflow_is_recognised(desk: Desk, llamacpp: Any, lane: LaneName, stream: bool) -> None:
    messages = [{"role": "user", "content": "word " * 12_000}]
    seen = await desk.ask(real(llamacpp, lane), stream=stream, messages=messages)
    assert isinstance(seen.error, ProviderContextTooLong)
    assert desk.outcomes == [("local/alpha", "context_length_exceeded")]
