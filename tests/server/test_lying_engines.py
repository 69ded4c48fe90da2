"""Engines that lie, vanish or are silent: the fleet stays usable, and nothing that is asked of the server waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from front import Front, Said, Serve, chat

from servers.clocks import HandClock
from servers.ollama_server import OllamaModel
from servers.ollama_server import serve as serve_ollama
from waypost.faults.faultd import TEXT

HTML = b"<!doctype html><title>Welcome</title>"
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "liar",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "truly"}, "finish_reason": "stop"}],
}
TOO_LONG = {"error": {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}}
ServeLiar = Callable[..., Awaitable[str]]


@pytest.fixture
async def liar() -> AsyncIterator[ServeLiar]:
    """Serves one answer to every GET, and another, with its status, to every chat; gives the address."""
    async with AsyncExitStack() as stack:

        async def begin(said: bytes, answer: Any = ANSWER, status: int = 200) -> str:
            app = web.Application()

            async def look(request: web.Request) -> web.Response:
                return web.Response(body=said, content_type="application/json")

            async def answered(request: web.Request) -> web.Response:
                return web.json_response(answer, status=status)

            app.router.add_get("/{path:.*}", look)
            app.router.add_post("/v1/chat/completions", answered)
            runner = web.AppRunner(app)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

        yield begin


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """An engine that takes connections and would answer after minutes."""
    tasks: set[asyncio.Task[None]] = set()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    server.close()


def entry(name: str, api_base: str, provider: str = "hosted_vllm") -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": f"{provider}/{name}", "api_base": api_base}}


def listing(count: int, **facts: Any) -> bytes:
    """A list of models that claims to be vLLM's."""
    rows = [{"id": f"model-{number}", "object": "model", "owned_by": "vllm", **facts} for number in range(count)]
    return json.dumps({"object": "list", "data": rows}).encode()


async def models(front: Front) -> list[str]:
    """The names that the server lists."""
    said = await front.exchange(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    return [row["id"] for row in json.loads(said.body)["data"]]


def text_of(said: Said) -> str:
    assert said.status == 200, said.raw
    return str(json.loads(said.body)["choices"][0]["message"]["content"])


@pytest.mark.parametrize("which", ["silent", "deaf", "refused"])
async def test_row_75_the_models_are_listed_at_once_while_an_engine_is_looked_at_that_is_dead(
    serve: Serve, silent: str, deaf_url: str, which: str
) -> None:
    at = {"silent": silent, "deaf": deaf_url, "refused": "http://127.0.0.1:9/v1"}[which]
    front = await serve(entry("dead", at), "ok", litellm_settings={"fallbacks": [{"dead": ["ok"]}]})
    looking = asyncio.create_task(front.router.look())
    assert {"dead", "ok", "auto"} <= set(await models(front))
    assert text_of(await front.ask(chat("ok"))) == TEXT
    assert which == "refused" or not looking.done()
    await looking
    status = front.router.view().status("dead")
    assert (status.up, status.reason) == (False, "no engine answers; start it, or correct its api_base")
    assert "dead" in await models(front)
    assert text_of(await front.ask(chat("dead"))) == TEXT, "its fallback answers, and it is not waited for"
    assert [attempt["deployment"] for attempt in (await front.row())["attempts"]] == ["ok"]


@pytest.mark.parametrize("said", [HTML, b"", b"{" * 9000, b'{"data": [{"id": 7}, null]}', b"\x00\xff", b"null"])
async def test_an_engine_that_says_nothing_of_use_spoils_nothing(serve: Serve, liar: ServeLiar, said: bytes) -> None:
    front = await serve(entry("liar", await liar(said, said.decode("latin-1"))), "ok", routes={"chat": ["liar", "ok"]})
    await front.router.look()
    assert {"liar", "ok"} <= set(await models(front))
    assert text_of(await front.ask(chat("chat"))) == TEXT


@pytest.mark.parametrize(("said", "reason"), [(100_000, "its list of models is too long to be read"), (5_000, "")])
async def test_an_engine_with_a_hundred_thousand_models_serves_the_one_that_the_config_names(
    serve: Serve, liar: ServeLiar, said: int, reason: str
) -> None:
    front = await serve(entry("model-4999", await liar(listing(said))), "ok")
    await front.router.look()
    status = front.router.view().status("model-4999")
    assert status.up
    assert (status.reason or "").startswith(reason)
    assert "model-4999" in await models(front)
    assert text_of(await front.ask(chat("model-4999"))) == "truly"


async def test_a_list_that_is_found_is_cut_and_shown(serve: Serve, liar: ServeLiar) -> None:
    url = await liar(listing(5_000))
    front = await serve("ok", discovery={"enabled": True, "targets": [{"url": url}]})
    await front.router.look()
    assert len(await models(front)) > 1000
    assert text_of(await front.ask(chat("model-0"))) == "truly"


async def test_a_window_that_is_a_lie_costs_one_refusal(serve: Serve, liar: ServeLiar) -> None:
    url = await liar(listing(1, max_model_len=1_000_000), TOO_LONG, 400)
    front = await serve(entry("model-0", url), "ok", litellm_settings={"fallbacks": [{"model-0": ["ok"]}]})
    await front.router.look()
    assert front.router.view().deployments[0].window_tokens == 1_000_000
    assert text_of(await front.ask(chat("model-0", "word " * 500))) == TEXT
    attempts = [(attempt["deployment"], attempt["error"]) for attempt in (await front.row())["attempts"]]
    assert attempts == [("model-0", "context_length_exceeded"), ("ok", None)]


async def test_an_engine_that_disappears_during_a_load_is_left_for_the_fallback_and_used_again_when_it_is_back(
    serve: Serve,
) -> None:
    clock, big = HandClock(), OllamaModel("big", load_s=40)
    async with serve_ollama(big, clock=clock) as ollama:
        model = {"model_name": "big", "litellm_params": {"model": "custom_openai/big", "api_base": ollama.base_url}}
        front = await serve(model, "ok", litellm_settings={"fallbacks": [{"big": ["ok"]}]})
        await front.router.look()
        asking = asyncio.create_task(front.ask(chat("big")))
        await clock.sleeping()
        assert front.router.view().status("big").up
        await ollama.stop()
        assert text_of(await asking) == TEXT
        assert [attempt["deployment"] for attempt in (await front.row())["attempts"]] == ["big", "ok"]
        assert [load.failed is not None for load in ollama.loads] == [True]
    for _ in range(2):
        await front.router.look()
    assert front.router.view().status("big").up is False
    assert {"big", "ok"} <= set(await models(front))
    async with serve_ollama(big, port=ollama.port):
        await front.router.look()
        assert text_of(await front.ask(chat("big"))) == "Hello from big."
