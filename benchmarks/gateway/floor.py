"""The least that a Python gateway can do on Waypost's server: read the JSON, put in a model, hand on the answer.

    python benchmarks/gateway/floor.py PORT ENGINE_PORT [aiohttp|httptools]

No decision, no ledger, no failover, no limits. What Waypost takes beyond this is what it does for its users. The second word
chooses the client: aiohttp, or the benchmark's own on httptools.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvicorn
import uvloop

from client import Pool

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Forward = Callable[[bytes, Send], Awaitable[None]]


async def begin(send: Send, status: int, content_type: str) -> None:
    """The head of the answer."""
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def whole_body(receive: Receive) -> bytes:
    """The request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


@asynccontextmanager
async def by_aiohttp(port: int) -> AsyncIterator[Forward]:
    """Hands on with aiohttp."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        url, headers = f"http://127.0.0.1:{port}/v1/chat/completions", {"content-type": "application/json"}

        async def forward(body: bytes, send: Send) -> None:
            async with session.post(url, data=body, headers=headers) as answer:
                await begin(send, answer.status, answer.content_type)
                async for piece in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

        yield forward


@asynccontextmanager
async def by_httptools(port: int) -> AsyncIterator[Forward]:
    """Hands on with the client of the benchmark."""
    pool = Pool(port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: "

    async def forward(body: bytes, send: Send) -> None:
        pieces: asyncio.Queue[bytes] = asyncio.Queue()
        asking = asyncio.ensure_future(pool.ask(f"{head}{len(body)}\r\n\r\n".encode() + body, pieces.put_nowait))
        asking.add_done_callback(lambda _: pieces.put_nowait(b""))
        piece = await pieces.get()
        await begin(send, 200, "text/event-stream" if piece.startswith(b"data:") else "application/json")
        while piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await pieces.get()
        await asking
        await send({"type": "http.response.body"})

    yield forward
    pool.close()


async def serve(port: int, engine_port: int, client: str) -> None:
    """Serves until it is told to stop."""
    async with {"aiohttp": by_aiohttp, "httptools": by_httptools}[client](engine_port) as forward:

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            if scope["method"] == "GET":
                await begin(send, 200, "application/json")
                await send({"type": "http.response.body", "body": b"{}"})
                return
            asked = orjson.loads(await whole_body(receive))
            asked["model"] = "bench-0"
            await forward(orjson.dumps(asked), send)

        settings = uvicorn.Config(
            app, port=port, http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning"
        )
        await uvicorn.Server(settings).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "aiohttp"))
