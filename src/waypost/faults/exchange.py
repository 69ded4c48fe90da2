"""One request to faultd and the means to answer it, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from waypost.faults.wire import PLAIN, Framing, Wire

WORDS = ("Hello", " from", " faultd:", " é€😀", " 你好", ".")
TEXT = "".join(WORDS)
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 6,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}


@dataclass
class Hit:
    """One request as it arrived. ``left`` is set when the client closed the connection before the answer was complete.

    ``at_s`` and ``left_at_s`` are seconds of the clock that never goes back; ``sent`` is how many bytes of the answer the
    client, or a buffer on the way to it, took.
    """

    model: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    dialect: str = "openai"
    at_s: float = field(default_factory=time.monotonic)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    left_at_s: float | None = None
    sent: int = 0

    def leave(self) -> None:
        """The client is gone."""
        if not self.left.is_set():
            self.left_at_s = time.monotonic()
            self.left.set()


class Exchange:
    """One request and the means to answer it, byte by byte. What is said in OpenAI's words goes out in its dialect."""

    def __init__(self, hit: Hit, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hit = hit
        self.wire = wire
        self.stream = wire.streams(hit.body)
        self.keep_alive = True
        self.base = {"id": "chatcmpl-faultd", "created": 1_700_000_000, "model": hit.model}
        self._writer = writer
        self._gone = asyncio.ensure_future(reader.read(1))
        self._gone.add_done_callback(self._saw)

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
            self.hit.sent += len(data)

    async def json(self, status: int, body: Any, **headers: str) -> None:
        await self.whole(status, json.dumps(self.wire.whole(status, body)).encode(), "application/json", **headers)

    async def whole(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"content-type: {content_type}"]
        lines += [f"content-length: {len(body)}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def begin(self, content_type: str | None = None) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-type: {content_type or self.wire.content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await self.raw(head.encode())

    async def piece(self, data: bytes) -> None:
        if data:
            await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, chunk: dict[str, Any], framing: Framing = PLAIN) -> None:
        await self.piece(self.wire.event(chunk, framing))

    async def done(self) -> None:
        """The end mark of a stream."""
        await self.piece(self.wire.done())

    async def finish(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def gone(self, timeout_s: float | None = None) -> bool:
        """Waits until the client leaves; false when it has not within ``timeout_s``."""
        await asyncio.wait((self._gone,), timeout=timeout_s)
        if self._gone.done():
            self.hit.leave()
        return self._gone.done()

    def drop(self) -> None:
        self.keep_alive = False
        self._gone.cancel()
        self._writer.close()

    async def stop_watching(self) -> None:
        self._gone.cancel()
        await asyncio.wait((self._gone,))

    def _saw(self, gone: asyncio.Future[bytes]) -> None:
        if not gone.cancelled():
            gone.exception()  # a reset is a way to leave; asked for, it is not logged as forgotten
            self.hit.leave()

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**self.base, "object": "chat.completion.chunk", "choices": [choice], **more}

    def answer(self, *, usage: Any = USAGE) -> list[dict[str, Any]]:
        chunks = [self.chunk({"role": "assistant", "content": ""})]
        chunks += [self.chunk({"content": word}) for word in WORDS]
        chunks.append(self.chunk({}, "stop"))
        if usage is not None:
            chunks.append({**self.base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        return chunks

    def completion(self, *, usage: Any = USAGE) -> dict[str, Any]:
        message = {"role": "assistant", "content": TEXT, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        more = {} if usage is None else {"usage": usage}
        return {**self.base, "object": "chat.completion", "choices": [choice], **more}
