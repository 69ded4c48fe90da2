"""One GPU behind the whole server: models that do not fit together are loaded for as few times as the requests allow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from front import Front, Said, Serve, chat, closed, request, until

from servers.clocks import HandClock
from servers.ollama_models import GIB
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings
from servers.ollama_server import serve as serve_ollama

# LiteLLM uses what pydantic deprecates, in every call.
pytestmark = pytest.mark.filterwarnings("ignore")

SAYS = Answer("one two three four five six seven eight")
TALKER = OllamaModel("talker", SAYS, load_s=40, file_bytes=4 * GIB)
SEER = OllamaModel("seer", SAYS, load_s=20, file_bytes=3 * GIB, capabilities=("completion", "vision"))
THIRD = OllamaModel("third", SAYS, load_s=10, file_bytes=4 * GIB)
GIANT = OllamaModel("giant", SAYS, file_bytes=3 * GIB, weights_bytes=90 * GIB)
TIGHT = OllamaSettings(gpu_bytes=6 * GIB, ram_bytes=16 * GIB)


@pytest.fixture
async def ollama() -> AsyncIterator[Ollama]:
    async with serve_ollama(TALKER, SEER, GIANT, settings=TIGHT, clock=HandClock()) as running:
        yield running


async def start(serve: Serve, ollama: Ollama, *, memory_gib: int = 6, **config: Any) -> Front:
    """A server in front of this Ollama, which it has looked at."""
    listed = [
        {
            "model_name": name,
            "litellm_params": {"model": f"ollama_chat/{name}", "api_base": ollama.url, "num_ctx": 4096},
        }
        for name in (model.removesuffix(":latest") for model in ollama.library)
    ]
    engines = [{"url": ollama.url, "memory_gib": memory_gib}]
    front = await serve(*listed, discovery={"enabled": False, "engines": engines}, **config)
    await front.router.look()
    return front


async def unloaded_by_somebody(ollama: Ollama, model: str) -> None:
    body = {"model": model, "messages": [], "keep_alive": 0}
    async with ClientSession() as session, session.post(f"{ollama.url}/api/chat", json=body) as answer:
        await answer.read()


def loads(ollama: Ollama) -> list[str]:
    return [load.model.removesuffix(":latest") for load in ollama.loads]


async def asked(front: Front, ollama: Ollama, *models: str) -> list[Said]:
    """The answers to requests that come at once, in this order."""
    asking = (front.ask(chat(model), "x-waypost-card: true") for model in models)
    return await ollama.clock.run(asyncio.gather(*asking))


async def test_requests_that_want_two_models_by_turns_cost_one_swap(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama)
    said = await asked(front, ollama, *["talker", "seer"] * 3)
    assert [one.status for one in said] == [200] * 6
    assert (loads(ollama), len(ollama.evictions), ollama.reloads) == (["talker", "seer"], 1, [])
    assert len(ollama.runs) == 6


async def test_row_26_a_client_who_leaves_while_it_waits_for_a_load_frees_its_place(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama)
    first = asyncio.create_task(front.ask(chat("talker")))
    await ollama.clock.sleeping()
    _, leaver = await front.open()
    leaver.write(request(chat("seer")))
    await until(lambda: front.router.fleet.waiting == 1)
    await closed(leaver)
    await until(lambda: front.router.fleet.waiting == 0)
    assert (await ollama.clock.run(first)).status == 200
    row = await front.row()
    assert loads(ollama) == ["talker"]
    assert sorted(row["status"] for row in front.ledger.tail(2)) == ["cancelled", "ok"], row
    assert front.in_flight() == 0


async def test_row_74_a_load_of_a_minute_is_no_failure(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama, policy={"slot_wait_s": 0.05})
    talker = asyncio.create_task(front.ask(chat("talker")))
    await ollama.clock.sleeping()
    seer = asyncio.create_task(front.ask(chat("seer")))
    await until(lambda: front.router.fleet.waiting == 1)
    await asyncio.sleep(0.2)  # several times as long as it may wait for a slot
    assert not seer.done()
    said = await ollama.clock.run(asyncio.gather(talker, seer))
    assert [one.status for one in said] == [200, 200]
    assert loads(ollama) == ["talker", "seer"]
    rows = front.ledger.tail(2)
    assert [row["status"] for row in rows] == ["ok", "ok"]


async def test_a_model_that_does_not_fit_is_not_tried_again_until_something_left(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama, routes={"chat": {"candidates": ["giant", "talker"]}})
    (first,) = await asked(front, ollama, "chat")
    assert first.headers["x-waypost-deployment"] == "talker"
    row = await front.row()
    assert [(one["deployment"], one["error"]) for one in row["attempts"]] == [("giant", "model_load_failed"), ("talker", None)]
    assert loads(ollama) == ["giant", "talker"]
    (second,) = await asked(front, ollama, "chat")
    card = json.loads(second.body)["waypost"]
    assert [one["deployment"] for one in card["candidates"]] == ["talker", "giant"]
    assert "asked last, as it did not fit" in card["candidates"][1]["reason"]
    assert loads(ollama) == ["giant", "talker"]
    await front.router.look()
    await ollama.clock.run(unloaded_by_somebody(ollama, "talker"))
    await front.router.look()
    assert not front.router.view().status("giant").residency.misfit  # type: ignore[union-attr]


@pytest.mark.parametrize(("liked", "other"), [("seer", "talker"), ("talker", "seer")])
async def test_ollama_throws_out_what_is_worth_least_whatever_it_is_called(serve: Serve, liked: str, other: str) -> None:
    settings = OllamaSettings(gpu_bytes=9 * GIB)
    async with serve_ollama(TALKER, SEER, THIRD, settings=settings, clock=HandClock()) as ollama:
        front = await start(serve, ollama, memory_gib=9)
        for name in (other, *[liked] * 6):
            await asked(front, ollama, name)
        before = {name: instance.keep_alive_s for name in (liked, other) if (instance := ollama.instance(name))}
        await front.router.look()
        memory = front.router.view().memories["ollama"]
        assert before[liked] > before[other] == 1800
        assert memory.resident == (other, liked)
        await asked(front, ollama, "third")
        assert [gone.model for gone in ollama.evictions] == [f"{other}:latest"]
        assert (len(ollama.loads), ollama.reloads) == (3, [])
        assert len({request.body["keep_alive"] for request in ollama.asked("/api/chat")}) < len(ollama.runs)


async def test_two_clients_with_windows_of_their_own_load_once_through_either_dialect(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama)
    for num_ctx in (8192, 2048, 16384):
        native = {**chat("talker"), "stream": False, "options": {"num_ctx": num_ctx}, "keep_alive": -1}
        said = await ollama.clock.run(front.ask(native, path="/api/chat"))
        assert said.status == 200
        await asked(front, ollama, "talker")
    assert (loads(ollama), ollama.reloads) == (["talker"], [])
    assert {run.options["num_ctx"] for run in ollama.runs} == {4096}
    assert -1 not in {request.body["keep_alive"] for request in ollama.asked("/api/chat")}


async def test_a_conversation_stays_and_comes_back_after_an_image(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama, routes={"chat": {"candidates": ["talker", "seer"]}})
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

    async def say(content: Any) -> str:
        body = {"model": "chat", "messages": [{"role": "user", "content": content}]}
        said = await ollama.clock.run(front.ask(body, "x-waypost-session: one"))
        assert said.status == 200, said.body
        return said.headers["x-waypost-deployment"]

    assert [await say("hi"), await say("and?")] == ["talker", "talker"]
    assert await say([{"type": "text", "text": "what is it?"}, image]) == "seer"
    assert [await say("thanks"), await say("bye")] == ["talker", "talker"]
    assert loads(ollama) == ["talker", "seer", "talker"]


async def test_who_waits_for_a_load_is_told_so_and_the_ledger_says_how_long_it_took(serve: Serve, ollama: Ollama) -> None:
    front = await start(serve, ollama, server={"ping_s": 0.02})
    first = asyncio.create_task(front.ask(chat("talker", stream=True), "x-waypost-card: true"))
    await ollama.clock.sleeping()
    second = asyncio.create_task(front.ask(chat("talker", stream=True)))
    await asyncio.sleep(0.1)  # some pings
    for said in await ollama.clock.run(asyncio.gather(first, second)):
        assert b": loading talker, about 10 s\n\n" in said.body
        assert b": ping" not in said.body
    (warm,) = [await ollama.clock.run(front.ask(chat("talker", stream=True)))]
    assert b": loading" not in warm.body
    took = [row["load_s"] for one in front.ledger.tail(3) for row in front.ledger.get(one["id"])["attempts"]]  # type: ignore[index]
    assert [round(load_s) for load_s in took] == [0, 40, 40]
