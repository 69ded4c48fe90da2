"""An Ollama for tests: a real HTTP server on loopback that does what Ollama's documentation and sources say, on a given clock.

Loads take their seconds, options reload, memory ends, prompts are cut in silence, and everything is counted. In the loop of a
test::

    async with serve(OllamaModel("qwen3:8b"), OllamaModel("llava:7b", load_s=40), clock=HandClock()) as ollama:
        answer = await ollama.clock.run(client_of(ollama.url).chat("qwen3:8b", …))
        assert [load.model for load in ollama.loads] == ["qwen3:8b"]

For clients that block, and for Waypost in a process of its own, `in_thread` does the same in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from servers.clocks import Clock, JumpingClock
from servers.ollama_models import Answer, OllamaModel, OllamaSettings, full
from servers.ollama_replies import Request
from servers.ollama_routes import Routes
from servers.ollama_runs import Run
from servers.ollama_scheduler import Eviction, Instance, Load, Scheduler

__all__ = ["Answer", "Ollama", "OllamaModel", "OllamaSettings", "in_thread", "serve"]


@dataclass(eq=False)
class Ollama:
    """The server and everything it counted."""

    library: dict[str, OllamaModel]
    settings: OllamaSettings
    clock: Any
    requests: list[Request] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    unknown_options: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.library, self.settings, self.clock)
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The root, without a slash at its end: what Ollama's clients take as ``host``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's clients take."""
        return f"{self.url}/v1"

    @property
    def loads(self) -> list[Load]:
        """Every load, failed ones and reloads included."""
        return self.scheduler.loads

    @property
    def reloads(self) -> list[Load]:
        """The loads that other options forced on a model that was in memory."""
        return [load for load in self.loads if load.changed]

    @property
    def evictions(self) -> list[Eviction]:
        """What left the memory, and why."""
        return self.scheduler.evictions

    @property
    def resident(self) -> list[str]:
        """The names of the models in memory, in the order of their loads."""
        return [instance.model.full_name for instance in self.scheduler.instances()]

    @property
    def generations(self) -> list[Run]:
        """Every answer that was begun, embeddings excluded."""
        return self.runs

    def instance(self, name: str) -> Instance | None:
        """How a model stands in memory; ``None``: it does not."""
        return next((one for one in self.scheduler.instances() if one.model.full_name == full(name)), None)

    def asked(self, path: str) -> list[Request]:
        """The requests of one path."""
        return [request for request in self.requests if request.path == path]

    async def seen(self, path: str, count: int = 1) -> Request:
        """Waits until ``count`` requests of a path have arrived, and gives the last of them. In the loop of the server only."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.asked(path)) >= count)
        return self.asked(path)[count - 1]

    async def all_over(self) -> None:
        """Waits until every request is answered or given up. In the loop of the server only."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: all(request.over for request in self.requests))

    @asynccontextmanager
    async def noted(self, request: Request) -> AsyncIterator[None]:
        """Counts a request, and says when it is over."""
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        try:
            yield
        finally:
            request.over = True
            async with self._arrived:
                self._arrived.notify_all()

    async def start(self, port: int = 0) -> None:
        """Listens on loopback, on any free port unless told."""
        self.scheduler.start()
        # A client that leaves cancels its handler, as Go cancels the context of a request.
        self._runner = web.AppRunner(Routes(self).app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes everything, and cuts off what is still being answered."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self.scheduler.stop()


def _made(models: tuple[OllamaModel, ...], settings: OllamaSettings | None, clock: Clock | None) -> Ollama:
    return Ollama({model.full_name: model for model in models}, settings or OllamaSettings(), clock or JumpingClock())


@asynccontextmanager
async def serve(
    *models: OllamaModel, settings: OllamaSettings | None = None, clock: Clock | None = None, port: int = 0
) -> AsyncIterator[Ollama]:
    """A server in the loop that runs. No sleep takes time unless ``clock`` says so."""
    ollama = _made(models, settings, clock)
    await ollama.start(port)
    try:
        yield ollama
    finally:
        await ollama.stop()


@contextmanager
def in_thread(
    *models: OllamaModel, settings: OllamaSettings | None = None, clock: Clock | None = None, port: int = 0
) -> Iterator[Ollama]:
    """A server in a loop and a thread of its own. What it counted may be read at any time; a `HandClock` has no place here."""
    ready, made = threading.Event(), list[Ollama]()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def live() -> None:
        async with serve(*models, settings=settings, clock=clock, port=port) as ollama:
            made.append(ollama)
            ready.set()
            await over.wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(live())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="ollama")
    thread.start()
    ready.wait()
    try:
        yield made[0]
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)
        thread.join()
