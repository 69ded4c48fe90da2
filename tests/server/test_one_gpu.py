"""One GPU behind the whole server: models that do not fit together are loaded for as few times as the requests allow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from front import Front, Said, Serve, chat, closed, request, until

from servers.clocks import HandClock
from servers.ollama_models import GIB
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve

# LiteLLM uses what pydantic deprecates, in every call.
pytestmark = pytest.mark.filterwarnings("ignore")

SAYS = Answer("one two three four five six seven eight")
TALKER = OllamaModel("talker", SAYS, load_s=40, file_bytes=4 * GIB)
SEER = OllamaModel("seer", SAYS, load_s=20, file_bytes=3 * GIB, capabilities=("completion", "vision"))
GIANT = OllamaModel("giant", SAYS, file_bytes=3 * GIB, weights_bytes=90 * GIB)
TIGHT = OllamaSettings(gpu_bytes=6 * GIB, ram_bytes=16 * GIB)

Start = Callable[..., Awaitable[Front]]


@pytest.fixture
async def ollama() -> AsyncIterator[Ollama]:
    async with serve(TALKER, SEER, GIANT, settings=TIGHT, clock=HandClock()) as running:
        yield running


@pytest.fixture
def start(serve: Serve, ollama: Ollama) -> Start:
    """A server in front of this Ollama, which it has looked at."""

    async def started(**config: Any) -> Front:
        listed = [
            {
                "model_name": name,
                "litellm_params": {"model": f"ollama_chat/{name}", "api_base": ollama.url, "num_ctx": 4096},
            }
            for name in ("talker", "seer", "giant")
        ]
        engines = [{"url": ollama.url, "memory_gib": 6}]
        front = await serve(*listed, discovery={"enabled": False, "engines": engines}, **config)
        await front.router.look()
        return front

    return started


def loads(ollama: Ollama) -> list[str]:
    return [load.model.removesuffix(":latest") for load in ollama.loads]


async def asked(front: Front, ollama: Ollama, *models: str) -> list[Said]:
    """The answers to requests that come at once, in this order."""
    asking = (front.ask(chat(model), "x-waypost-card: true") for model in models)
    return await ollama.clock.run(asyncio.gather(*asking))


async def test_requests_that_want_two_models_by_turns_cost_one_swap(start: Start, ollama: Ollama) -> None:
    front = await start()
    said = await asked(front, ollama, *["talker", "seer"] * 3)
    assert [one.status for one in said] == [200] * 6
    assert (loads(ollama), len(ollama.evictions), ollama.reloads) == (["talker", "seer"], 1, [])
    assert len(ollama.runs) == 6


async def test_row_26_a_client_who_leaves_while_it_waits_for_a_load_frees_its_place(start: Start, ollama: Ollama) -> None:
    front = await start()
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


async def test_row_74_a_load_of_a_minute_is_no_failure(start: Start, ollama: Ollama) -> None:
    front = await start(policy={"slot_wait_s": 0.05})
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


async def test_a_model_that_does_not_fit_is_not_tried_again_until_something_left(start: Start, ollama: Ollama) -> None:
    front = await start(routes={"chat": {"candidates": ["giant", "talker"]}})
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
    await ollama.clock.run(front_unloads(front, ollama, "talker"))
    await front.router.look()
    assert not front.router.view().status("giant").residency.misfit  # type: ignore[union-attr]


async def front_unloads(front: Front, ollama: Ollama, model: str) -> None:
    """Somebody else has a model unloaded."""
    from aiohttp import ClientSession

    async with (
        ClientSession() as session,
        session.post(f"{ollama.url}/api/chat", json={"model": model, "messages": [], "keep_alive": 0}) as answer,
    ):
        await answer.read()
