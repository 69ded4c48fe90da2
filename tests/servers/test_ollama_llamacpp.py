"""Ollama's names and options in front of a real llama.cpp: its own client gets the engine's tokens, calls and counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from ollama import AsyncClient

from engines.llamacpp import LlamaCpp
from servers.clocks import ScaledClock
from servers.ollama_server import OllamaModel, serve

WEATHER = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@pytest.fixture
async def client(llamacpp: LlamaCpp) -> AsyncIterator[AsyncClient]:
    model = OllamaModel("alpha", capabilities=("completion", "tools", "thinking"), runner=llamacpp.base_url, load_s=0.05)
    async with serve(model, clock=ScaledClock()) as ollama:
        opened = AsyncClient(ollama.url)
        yield opened
        await opened._client.aclose()


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def test_a_whole_answer_and_a_stream_are_llamacpps(client: AsyncClient, llamacpp: LlamaCpp) -> None:
    whole = await client.chat("alpha", user("hi"))
    assert (whole.message.content or "").strip() == llamacpp.hello
    assert whole.load_duration is not None
    assert whole.load_duration >= 50_000_000
    lines = [line async for line in await client.chat("alpha", user("count"), stream=True)]
    assert "".join(line.message.content or "" for line in lines).split() == [f"c{number:03d}" for number in range(1, 201)]
    assert lines[-1].eval_count is not None
    assert lines[-1].eval_count >= 200


async def test_tools_are_called_and_their_results_read(client: AsyncClient) -> None:
    first = await client.chat("alpha", user("weather"), tools=WEATHER)
    (call,) = first.message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Paris"})
    told: list[Any] = [*user("weather"), first.message, {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    assert "sunny" in ((await client.chat("alpha", told, tools=WEATHER)).message.content or "")


async def test_a_limit_ends_an_endless_answer(client: AsyncClient) -> None:
    answer = await client.chat("alpha", user("loop"), options={"num_predict": 7})
    assert (answer.done_reason, answer.eval_count) == ("length", 7)
