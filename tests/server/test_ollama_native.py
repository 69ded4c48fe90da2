"""Clients of Ollama, through Waypost, to an Ollama: nothing is lost on the way, and nothing is loaded twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ollama
import pytest
from front import Front, Serve

from servers.ollama_server import Answer, Ollama, OllamaModel
from servers.ollama_server import serve as serve_ollama

CALLS = [("get_weather", {"city": "Paris"})]
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def says(body: Any) -> Answer:
    """Calls a tool if one is offered, until there is a result."""
    answered = any(message["role"] == "tool" for message in body.get("messages", ()))
    return Answer("It is sunny.", thinking="Hm") if answered or not body.get("tools") else Answer("", tool_calls=CALLS)


@pytest.fixture
async def engine() -> AsyncIterator[Ollama]:
    able = ("completion", "tools", "thinking")
    models = (OllamaModel("qwen3:8b", says, capabilities=able, load_s=8), OllamaModel("embedder", capabilities=("embedding",)))
    async with serve_ollama(*models) as server:
        yield server


@pytest.fixture
async def front(serve: Serve, engine: Ollama) -> Front:
    home = {"model_name": "home", "litellm_params": {"model": "ollama_chat/qwen3:8b", "api_base": engine.url, "num_ctx": 4096}}
    vectors = {"model_name": "vectors", "litellm_params": {"model": "ollama/embedder", "api_base": engine.url}}
    info = {"model_info": {"supports_function_calling": True, "supports_reasoning": True}}
    return await serve({**home, **info}, {**vectors, "model_info": {"mode": "embedding"}})


@pytest.fixture
async def client(front: Front) -> AsyncIterator[ollama.AsyncClient]:
    opened = ollama.AsyncClient(f"http://127.0.0.1:{front.port}", trust_env=False)
    yield opened
    await opened.close()


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def test_what_the_engine_measured_reaches_the_client(client: ollama.AsyncClient) -> None:
    said = await client.chat("home", user("hi"), think=True)
    assert (said.message.content, said.message.thinking, said.done_reason) == ("It is sunny.", "Hm", "stop")
    assert said.load_duration == pytest.approx(8e9, rel=0.01)
    assert said.prompt_eval_count
    assert said.prompt_eval_duration
    assert said.eval_count
    assert said.eval_duration
    pieces = [piece async for piece in await client.chat("home", user("hi"), stream=True)]
    assert pieces[-1].eval_duration


async def test_clients_that_want_other_windows_cause_no_reload(client: ollama.AsyncClient, engine: Ollama) -> None:
    for number, window in enumerate((8192, 2048, 32_768)):
        await client.chat("home", user(f"hi {number}"), options={"num_ctx": window, "num_gpu": number}, keep_alive=number)
    assert (len(engine.loads), engine.reloads) == (1, [])
    assert {run.options["num_ctx"] for run in engine.runs} == {4096}


async def test_a_tool_loop_comes_to_its_end(client: ollama.AsyncClient, engine: Ollama) -> None:
    messages: list[Any] = user("weather?")
    asked = await client.chat("home", messages, tools=[TOOL], think=False)
    assert asked.message.tool_calls
    [call] = asked.message.tool_calls
    assert (call.function.name, call.function.arguments) == CALLS[0]
    messages += [asked.message, {"role": "tool", "content": "sunny", "tool_name": "get_weather"}]
    told = await client.chat("home", messages, tools=[TOOL], think=False)
    assert told.message.content == "It is sunny."
    last = engine.asked("/api/chat")[-1].body["messages"][-1]
    assert (last["tool_name"], last["content"]) == ("get_weather", "sunny")


async def test_vectors_come_from_ollamas_own_path(client: ollama.AsyncClient, engine: Ollama) -> None:
    made = await client.embed("vectors", ["a", "b"])
    assert len(made.embeddings) == 2
    assert made.load_duration
    assert made.prompt_eval_count
    [request] = engine.asked("/api/embed")
    assert request.body["truncate"] is False


async def test_a_wish_to_unload_unloads_nothing(client: ollama.AsyncClient, engine: Ollama) -> None:
    await client.chat("home", user("hi"))
    assert (await client.chat("home", [], keep_alive=0)).done_reason == "unload"
    assert (await client.generate("home", "hi", keep_alive=0)).done_reason == "stop"
    assert list(engine.resident) == ["qwen3:8b"]
