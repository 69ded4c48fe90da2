"""A client of a gateway that keeps what it saw, however the answer went."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from waypost.http.connection import HttpConnection
from waypost.http.session import FAILURES, HttpSession, read_up_to

_COMPLETE = ("stop", "tool_calls", "length")
MOST_BYTES = 64 << 20


@dataclass(slots=True)
class Seen:
    """What a client saw of one request. Times are seconds of the clock that never goes back.

    ``error`` is what the gateway said went wrong, in the body or in the stream; ``broken`` how the transfer failed.
    """

    started_s: float
    ended_s: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    calls: bool = False
    finish_reason: str | None = None
    done: bool = False
    usage: dict[str, Any] | None = None
    error: str | None = None
    broken: str | None = None
    left: bool = False

    @property
    def told(self) -> bool:
        """The client was told that something went wrong."""
        return self.error is not None or self.broken is not None

    @property
    def complete(self) -> bool:
        """The client must take this for a whole answer."""
        return self.status == 200 and not self.told and (self.done or self.finish_reason in _COMPLETE)

    @property
    def took_s(self) -> float:
        """From the request to the end of the answer."""
        return self.ended_s - self.started_s

    def event(self, data: str) -> None:
        """Takes one event of the stream."""
        if data == "[DONE]":
            self.done = True
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            self.error = "an event that is not JSON"
            return
        self.take(chunk)

    def take(self, body: dict[str, Any]) -> None:
        """Takes a chunk, a completion or an error."""
        if body.get("error"):
            error = body["error"]
            self.error = str(error.get("message", error) if isinstance(error, dict) else error)
            return
        self.usage = body.get("usage") or self.usage
        for choice in body.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            self.text += said.get("content") or ""
            self.calls = self.calls or bool(said.get("tool_calls"))
            self.finish_reason = choice.get("finish_reason") or self.finish_reason


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client behaves: it leaves after so many seconds or words of a stream, or does not read for a while."""

    leave_after_s: float | None = None
    leave_after_bytes: int | None = None
    unread_s: float | None = None


PATIENT = Manner()


class Client:
    """Asks one gateway. It never retries."""

    def __init__(self, session: HttpSession, url: str, key: str | None, *, bound_s: float) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/chat/completions"
        # Each request has a connection of its own: how the one before it ended is no excuse.
        self._headers = {"Content-Type": "application/json", "Connection": "close"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._bound_s = bound_s

    async def ask(self, model: str, *, stream: bool, content: Any = "hi", manner: Manner = PATIENT) -> Seen:
        """What came of one request; nothing that the gateway does raises an error."""
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        seen = Seen(time.monotonic())
        try:
            await asyncio.wait_for(self._exchange(body, seen, manner), manner.leave_after_s)
        except asyncio.TimeoutError:
            seen.left = manner.leave_after_s is not None
            seen.broken = None if seen.left else "no end within the time of the bench"
        except FAILURES as error:
            seen.broken = type(error).__name__
        seen.ended_s = time.monotonic()
        return seen

    async def _exchange(self, body: dict[str, Any], seen: Seen, manner: Manner) -> None:
        asked = self._session.ask(
            "POST", self._url, timeout_s=self._bound_s, headers=self._headers, body=json.dumps(body).encode()
        )
        async with asked as answer:
            seen.status = answer.status
            seen.headers = dict(answer.headers)
            if manner.unread_s is not None:
                await asyncio.sleep(manner.unread_s)
                seen.left = True
            elif answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream":
                await _read_events(answer, seen, manner.leave_after_bytes)
            else:
                _read_whole(await read_up_to(answer, MOST_BYTES), seen)


async def _read_events(answer: HttpConnection, seen: Seen, leave_after: int | None) -> None:
    rest, taken = b"", 0
    while piece := await answer.read():
        taken += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                seen.event(line[5:].decode(errors="replace").strip())
        if leave_after is not None and taken >= leave_after:
            seen.left = True
            return


def _read_whole(raw: bytes, seen: Seen) -> None:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict):
        seen.take(body)
    if seen.status != 200 or not isinstance(body, dict):
        seen.error = seen.error or "a body that is no answer"
