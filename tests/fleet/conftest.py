"""Small real servers that speak as engines do, and as liars do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from engine_metadata import Routes
from engine_server import GENERATIONS, Engine, Handler, ServeEngine, ServeRaw

from waypost.http.session import HttpSession


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with HttpSession() as opened:
        yield opened


@pytest.fixture
async def serve_engine() -> AsyncIterator[ServeEngine]:
    """Serves fixed answers on a free port. At the end it is checked that no engine was asked to generate."""
    engines: list[Engine] = []

    async def serve(answers: Routes, **status: Any) -> Engine:
        engine = Engine(0, dict(answers), **status)
        engine.server = await asyncio.start_server(engine.handle, "127.0.0.1", 0)
        engine.port = engine.server.sockets[0].getsockname()[1]
        engines.append(engine)
        return engine

    yield serve
    for engine in engines:
        await engine.stop()
        assert not [path for path in engine.paths if path.endswith(GENERATIONS)], "a look must not generate"
        assert {asked for asked in engine.asked if asked[0] != "GET"} <= {("POST", "/api/show")}


@pytest.fixture
async def serve_raw() -> AsyncIterator[ServeRaw]:
    """Serves whatever a handler writes, and gives the address."""
    servers: list[asyncio.Server] = []
    handlers: set[asyncio.Task[None]] = set()

    async def serve(handler: Handler) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handlers.add(task)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield serve
    for task in handlers:
        task.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
    for server in servers:
        server.close()


@pytest.fixture
def unused_port() -> int:
    """A port of the loopback interface that refuses connections."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
