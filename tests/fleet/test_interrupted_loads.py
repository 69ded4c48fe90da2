"""Loads that are looked at while they go on, that fail, or that nobody waits for any more: what counts as loaded then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession

from servers.clocks import HandClock
from servers.ollama_models import GIB
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve
from waypost.config import loads
from waypost.errors import ModelLoadFailed
from waypost.fleet.residency import Residency
from waypost.ledger import MemoryLedger
from waypost.router import Router

HELLO = [{"role": "user", "content": "hello"}]
TALKER = OllamaModel("talker", Answer("one two three"), load_s=40, file_bytes=4 * GIB)
GIANT = OllamaModel("giant", load_s=9, load_error="model requires more system memory (50.0 GiB) than is available (20.0 GiB)")
TIGHT = OllamaSettings(gpu_bytes=6 * GIB)


@dataclass
class Desk:
    """A router in front of an Ollama whose time the test moves on."""

    router: Router
    ollama: Ollama
    session: ClientSession

    def loaded(self, name: str) -> bool | None:
        return self.router.view().status(f"{name}:latest").loaded

    def residency(self, name: str) -> Residency:
        found = self.router.view().status(f"{name}:latest").residency
        assert found is not None
        return found

    @property
    def resident(self) -> tuple[str, ...]:
        return self.router.view().memories["ollama"].resident

    async def look(self) -> None:
        await self.router.fleet.watch(self.session)

    async def ask(self, name: str) -> asyncio.Task[Any]:
        """A request whose load has begun, and has been seen by a look."""
        call = asyncio.create_task(self.router.acompletion(f"{name}:latest", HELLO))
        await self.ollama.clock.sleeping()
        await self.look()
        return call


@asynccontextmanager
async def desk(session: ClientSession) -> AsyncIterator[Desk]:
    async with serve(TALKER, GIANT, settings=TIGHT, clock=HandClock()) as ollama:
        config = loads(json.dumps({"discovery": {"targets": [{"url": ollama.url}]}}))
        async with Router(config, ledger=MemoryLedger(capacity=9), clock=ollama.clock.now_s) as router:
            await router.look()
            yield Desk(router, ollama, session)


async def test_a_model_that_was_seen_while_it_was_loaded_is_loaded_when_it_has_answered(session: ClientSession) -> None:
    async with desk(session) as made:
        call = await made.ask("talker")
        assert made.loaded("talker") is False
        await made.ollama.clock.run(call)
        assert made.loaded("talker") is True
        assert made.resident == ("talker",)
        assert made.residency("talker").window_tokens == 4096


async def test_a_model_whose_load_was_seen_and_failed_is_not_loaded_and_does_not_fit(session: ClientSession) -> None:
    async with desk(session) as made:
        call = await made.ask("giant")
        with pytest.raises(ModelLoadFailed):
            await made.ollama.clock.run(call)
        assert (made.loaded("giant"), made.residency("giant").misfit) == (False, True)
        await made.look()
        assert (made.loaded("giant"), made.residency("giant").misfit) == (False, True)


async def test_what_left_for_a_load_that_failed_makes_no_room_for_it(session: ClientSession) -> None:
    async with desk(session) as made:
        await made.ollama.clock.run(made.router.acompletion("talker:latest", HELLO))
        await made.look()
        with pytest.raises(ModelLoadFailed):
            await made.ollama.clock.run(made.router.acompletion("giant:latest", HELLO))
        await made.look()
        assert made.ollama.resident == []
        assert (made.loaded("talker"), made.residency("giant").misfit) == (False, True)


async def test_a_load_that_its_caller_gave_up_leaves_nothing_loaded(session: ClientSession) -> None:
    async with desk(session) as made:
        call = await made.ask("talker")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert made.loaded("talker") is False
        assert made.resident == ()
