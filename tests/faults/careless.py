"""A gateway that does everything wrong that the bench can see, and what a plain proxy does right by doing nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp


class CarelessGateway:
    """Sends a request to the one upstream of its model, hands on whatever comes, and ends every stream as if it were whole."""

    def __init__(self, models: dict[str, tuple[str, str]]) -> None:
        self._models = models
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        base, body["model"] = self._models[body["model"]]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await self._forward(base, body, writer)
        writer.write(b"data: [DONE]\n\n")
        writer.close()

    async def _forward(self, base: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        try:
            timeout = aiohttp.ClientTimeout(sock_read=3)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"{base}/chat/completions", json=body) as answer,
            ):
                async for piece in answer.content.iter_any():
                    writer.write(piece)
        except (aiohttp.ClientError, asyncio.TimeoutError, asyncio.CancelledError):
            pass
