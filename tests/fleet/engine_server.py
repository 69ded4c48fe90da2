"""A small real server that speaks as an engine does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engine_metadata import Routes

GENERATIONS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/api/chat",
    "/api/generate",
    "/infer",
)


_MISSING = object()


@dataclass
class Engine:
    """An engine made of fixed answers; it remembers everything it was asked. Answers may be changed while it runs."""

    port: int
    answers: Routes
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> set[str]:
        return {path for _, path in self.asked}

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append((method, path))
        self.headers.append(headers)
        answer = self.answers.get(path, _MISSING)
        if callable(answer):
            answer = answer(json.loads(body or b"null"))
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is _MISSING or answer is None:
            status, payload = 404, b'{"error": "not found"}'
        else:
            status = self.status.get(path, 200)
            payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/json"
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\n" % (status, kind.encode()))
        writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(payload) + payload)
        await writer.drain()


ServeEngine = Callable[..., Awaitable[Engine]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ServeRaw = Callable[[Handler], Awaitable[str]]
