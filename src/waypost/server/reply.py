"""Sending an answer: as a response, or in raw ASGI messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Send

from waypost.server.protocol import answer_at_once
from waypost.turn import EMPTY


class Json(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of ``content``."""
        return orjson.dumps(content)


def header_list(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def send_json(send: Send, status: int, body: bytes, headers: Mapping[str, str] = EMPTY) -> None:
    """One JSON answer, complete."""
    head = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    if not answer_at_once(send, status, head, body):
        await send({"type": "http.response.start", "status": status, "headers": header_list(head)})
        await send({"type": "http.response.body", "body": body})
