"""A model server that costs nothing: it streams chunks at a pace that the benchmark sets, and knows no model.

    python benchmarks/gateway/engine.py PORT

The first chunk with text leaves as soon as the request has arrived, so a client's time to it is what lies between them. With a
pace of 0 every chunk is a write of its own, in turns with all other streams. `POST /pace/7.5` sets the milliseconds between two
chunks, `POST /pace/0/50` also the number of chunks.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any, cast

import httptools
import uvloop

MODELS = 10
WORD = " word"  # every chunk has it once, and nothing else does
USAGE = {"prompt_tokens": 100, "completion_tokens": 200, "total_tokens": 300}
_BASE = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": "bench"}
# About half a kilobyte: a short answer.
TEXT = "The lamp was lit at dusk and put out at dawn, and somebody had to be awake all night. " * 3
ANSWER = json.dumps(
    {
        **_BASE,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)
LIST = json.dumps(
    {
        "object": "list",
        "data": [{"id": f"bench-{n}", "object": "model", "created": 1, "owned_by": "bench"} for n in range(MODELS)],
    }
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(data: str) -> bytes:
    text = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event(json.dumps({**_BASE, "object": "chat.completion.chunk", "choices": [choice]}))


def _pieces(chunks: int) -> list[bytes]:
    """What a stream writes, one piece at each beat."""
    pieces = [_chunk({"content": f"{WORD}{n:03d}"}) for n in range(chunks)]
    pieces[0] = _HEAD + _chunk({"role": "assistant", "content": ""}) + pieces[0]
    usage = json.dumps({**_BASE, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    pieces[-1] += _chunk({}, "stop") + _event(usage) + _event("[DONE]") + b"0\r\n\r\n"
    return pieces


def _whole(status: str, text: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()


class Pace:
    """How every stream that starts now goes."""

    def __init__(self) -> None:
        self.gap_s = 0.0
        self.pieces = _pieces(200)

    def set(self, gap_ms: float, chunks: int = 200) -> None:
        """Takes a new pace."""
        self.gap_s = gap_ms / 1000
        self.pieces = _pieces(chunks)


class Connection(asyncio.Protocol):
    """One client: a request, its answer, the next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends a stream that nobody reads."""
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Reads on; the parser calls the ``on_`` methods."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """The start of a request."""
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answers."""
        if self._url.startswith(b"/pace/"):
            gap_ms, *chunks = self._url.decode().split("/")[2:]
            self._pace.set(float(gap_ms), *map(int, chunks))
            self._write(_whole("200 OK", "{}"))
        elif self._url.endswith(b"/models"):
            self._write(_whole("200 OK", LIST))
        elif not self._url.endswith(b"/chat/completions"):
            self._write(_whole("404 Not Found", "{}"))
        elif json.loads(self._body).get("stream"):
            self._beat(iter(self._pace.pieces), self._pace.gap_s, self._loop.time())
        else:
            self._write(_whole("200 OK", ANSWER))

    def _beat(self, pieces: Iterator[bytes], gap_s: float, at: float) -> None:
        piece = next(pieces, None)
        if piece is None or self._transport is None:
            return
        self._write(piece)
        if gap_s:
            self._loop.call_at(at + gap_s, self._beat, pieces, gap_s, at + gap_s)
        else:
            self._loop.call_soon(self._beat, pieces, gap_s, at)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def _serve(port: int) -> None:
    pace = Pace()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pace), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
