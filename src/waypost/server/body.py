"""Reading a request's body, with a limit on size and on time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import Receive, Scope

from waypost.errors import InvalidRequest, PayloadTooLarge, ReceiveTimeout


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a body may cost: ``server.max_body_bytes`` and ``server.receive_timeout_s``."""

    max_bytes: int
    timeout_s: float


class ClientLeft(Exception):
    """The client went away before its request was complete."""


async def read_body(scope: Scope, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole body.

    Raises `PayloadTooLarge` at the limit while reading, `ReceiveTimeout` when the whole does not arrive in time,
    `InvalidRequest` for a compressed body (a small one may unpack to anything), and `ClientLeft`.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise InvalidRequest("compressed request bodies are not accepted: send it without content-encoding")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > limits.max_bytes:
        raise PayloadTooLarge(f"the body is larger than {limits.max_bytes} bytes (server.max_body_bytes)")
    try:
        return await asyncio.wait_for(_read(receive, limits.max_bytes), limits.timeout_s)
    except asyncio.TimeoutError:
        raise ReceiveTimeout(f"the body did not arrive within {limits.timeout_s:g} s (server.receive_timeout_s)") from None


async def _read(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise PayloadTooLarge(f"the body is larger than {max_bytes} bytes (server.max_body_bytes)")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
