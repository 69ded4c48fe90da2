"""Reading a request's body, with a limit on its size. Its time is the protocol's to limit, as it is that of the headers."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope

from waypost.errors import PayloadTooLarge
from waypost.server.encoding import Unpacker, unpacker


class ClientLeft(Exception):
    """The client went away before its request was complete, or was sent away because it took too long."""


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The whole body, unpacked if it came compressed.

    Raises `PayloadTooLarge` at ``max_bytes`` (``server.max_body_bytes``) while reading, of what came and of what it unpacks to;
    `UnsupportedEncoding` and `InvalidRequest` for a compressed body that cannot be unpacked; and `ClientLeft`.
    """
    packed = unpacker(scope["headers"])
    length = dict(scope["headers"]).get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)
    pieces: list[bytes] = []
    came = kept = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        data: bytes = message.get("body", b"")
        came += len(data)
        if came > max_bytes:
            raise _too_large(max_bytes)
        if packed is None:
            pieces.append(data)
        else:
            kept = await _unpack(packed, data, pieces, kept, max_bytes)
        if not message.get("more_body", False):
            if packed is not None:
                packed.end()
            return b"".join(pieces)


async def _unpack(packed: Unpacker, data: bytes, pieces: list[bytes], kept: int, max_bytes: int) -> int:
    """Adds what ``data`` unpacks to; how many bytes are kept then."""
    for piece in packed.feed(data):
        kept += len(piece)
        if kept > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
        await asyncio.sleep(0)  # everybody else's requests go on meanwhile
    return kept


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {max_bytes} bytes (server.max_body_bytes)")
