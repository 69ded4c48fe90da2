"""faultd: an engine that fails on purpose.

A raw asyncio server (bytes, half-closed connections and resets are ours) that speaks OpenAI's chat completions, Anthropic's
messages and Ollama's chat. The model name of a request selects how it goes wrong; a ledger keeps every hit with its headers,
its body, and whether and when the client left. Another process reads it at ``GET /_faultd/hits``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from waypost.faults.exchange import TEXT, USAGE, Exchange, Hit
from waypost.faults.faults import Fault, fault_named
from waypost.faults.lookups import looked_up, written
from waypost.faults.wire import wire_for

__all__ = ["TEXT", "USAGE", "Faultd"]


class Faultd:
    """The server and its ledger. It listens on loopback only."""

    def __init__(self, redirect_to: str = "http://127.0.0.1:9/", models: Sequence[str] = ()) -> None:
        self.hits: list[Hit] = []
        self.redirect_to = redirect_to
        self.script: dict[str, list[str]] = {}
        """What a model does for its next requests, one after the other; then it answers."""
        self.retry_after = "1"
        """What the fault ``429-said`` sends as ``Retry-After``."""
        self.gate = asyncio.Event()
        """Lets the answers of the fault ``held`` go."""
        self.models = models
        self.connections = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def root_url(self) -> str:
        """The address for Anthropic's and Ollama's clients."""
        if self._server is None:
            raise RuntimeError("start() comes first")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """The address for OpenAI's clients."""
        return f"{self.root_url}/v1"

    def of(self, model: str) -> list[Hit]:
        """The requests for ``model``, in the order in which they came."""
        return [hit for hit in self.hits if hit.model == model]

    def count(self, model: str) -> int:
        """How many requests there were for ``model``."""
        return len(self.of(model))

    async def hit(self, model: str) -> Hit:
        """The first request for ``model``, as soon as there is one."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.count(model) > 0)
        return self.of(model)[0]

    async def all_left(self) -> None:
        """Waits until no connection is open."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def start(self, port: int = 0) -> None:
        """Listens, on any free port unless told. Raises ``OSError`` when the port is in use."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)

    async def stop(self) -> None:
        """Closes every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        number = self.connections
        try:
            while await self._serve(reader, writer, number):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        method, path = head[0].split(" ")[:2]
        if (found := looked_up(method, path, self.hits, self.models)) is not None:
            writer.write(written(*found))
            await writer.drain()
            return True
        wire = wire_for(path)
        hit = Hit(str(body.get("model")), path, headers, body, number, wire.dialect)
        exchange = Exchange(hit, wire, reader, writer)
        async with self._arrived:
            self.hits.append(hit)
            self._arrived.notify_all()
        try:
            await self._fault(hit.model)(exchange)
        finally:
            await exchange.stop_watching()
        return exchange.keep_alive and not hit.left.is_set()

    def _fault(self, model: str) -> Fault:
        name = model.partition("@")[0]
        if name == "redirect":
            return self._redirect
        if name == "503-once" and self.count(model) > 1:
            return fault_named("ok")
        if model in self.script:
            return self._fault(self.script[model].pop(0) if self.script[model] else "ok")
        if model == "tool-flaky":  # every other call is wrong
            return fault_named("tool-arguments" if self.count(model) % 2 else "tool-ok")
        return {"held": self._held, "429-said": self._rate_limited}.get(model) or fault_named(model)

    async def _rate_limited(self, exchange: Exchange) -> None:
        await exchange.json(429, {"error": {"message": "slow down"}}, retry_after=self.retry_after)

    async def _held(self, exchange: Exchange) -> None:
        await self.gate.wait()
        await fault_named("ok")(exchange)

    async def _redirect(self, exchange: Exchange) -> None:
        await exchange.json(307, {}, location=self.redirect_to)
