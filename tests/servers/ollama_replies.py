"""One request to an Ollama for tests, and the answer to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web


@dataclass
class Request:
    """One request as it came, and what became of it. ``status`` 499 and ``aborted``: the client left."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at_s: float
    status: int = 0
    aborted: bool = False
    over: bool = False


class Reply:
    """The one answer to a request: whole, or a line at a time."""

    def __init__(self, request: web.Request, note: Request) -> None:
        self.note = note
        self.response: web.StreamResponse | None = None
        self._request = request

    def whole(self, status: int, body: Any) -> None:
        """Answers with JSON."""
        self.note.status = status
        self.response = web.json_response(body, status=status)

    def text(self, status: int, body: str) -> None:
        """Answers with a sentence."""
        self.note.status = status
        self.response = web.Response(text=body, status=status)

    async def line(self, data: Any, *, sse: bool = False) -> None:
        """Sends one line of a stream; the first one sends the head."""
        if self.response is None:
            self.note.status = 200
            kind = "text/event-stream" if sse else "application/x-ndjson"
            self.response = web.StreamResponse(headers={"Content-Type": kind})
            await self.response.prepare(self._request)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        await self.response.write((f"data: {text}\n\n" if sse else f"{text}\n").encode())


def rfc3339(moment: datetime) -> str:
    """A date as Go writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
