"""One request on its way: decided, answered, and recorded however it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Literal

from waypost.decide.card import Decision
from waypost.dispatch.answer import Answer
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.cache import KeptAnswer
from waypost.dispatch.events import Event, Take
from waypost.errors import ClientStalled, ServerStopping, WaypostError
from waypost.fleet.deployment import Deployment
from waypost.fleet.timings import Timings

Ending = Literal["ok", "partial", "failed", "refused", "cancelled"]
Record = Callable[[Ending, WaypostError | None], None]


STOP = "Task cancelled, timeout graceful shutdown exceeded"
"""What uvicorn cancels a task with when it is the server that goes, and not the client."""

STALLED = "the client does not read"
"""What it is cancelled with when the client is there, and takes nothing."""


def stopping(cancelled: asyncio.CancelledError) -> WaypostError | None:
    """The error for an answer that stops although the client has not left; ``None`` if it is the client that left."""
    if cancelled.args == (STOP,):
        return ServerStopping("the server stops before this answer is complete")
    if cancelled.args == (STALLED,):
        return ClientStalled("the client took nothing of its answer for server.send_timeout_s")
    return None


def http_status(ending: Ending, error: WaypostError | None) -> int:
    """The status that the client saw: a stream that broke off began with 200; 499 is nginx's word for a client that left."""
    if ending == "cancelled":
        return 499
    return 200 if error is None or ending == "partial" else error.status


class Exchange:
    """An answer that is committed to one deployment. Read ``events`` to the end, and call ``aclose``, which records it.

    To record an answer may take a while, as it is checked: close it when the client has it.
    """

    __slots__ = ("_answer", "_begun", "_error", "_record", "_recorded", "cache", "decision", "deployment")

    def __init__(self, decision: Decision, answer: Answer | KeptAnswer, record: Record) -> None:
        self.decision = decision
        self.deployment: Deployment = answer.deployment
        self.cache: CacheUse | None = answer.cache
        self._answer = answer
        self._record = record
        self._recorded = False
        self._error: WaypostError | None = None
        self._begun = True

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The calls so far."""
        return self._answer.attempts

    def whole(self) -> tuple[bytes, Timings | None]:
        """All of an answer that is not streamed, and what the engine measured of it. Ask once.

        It is complete when it is committed, and nothing can break it any more.
        """
        events = self._answer.whole()
        payload = b"".join([event.payload for event in events])
        return payload, events[-1].timings

    def events(self, take: Take | None = None) -> AsyncGenerator[Event, None]:
        """The answer, piece by piece. Raises `StreamBroken` when the engine breaks off after output was given.

        What ``take`` takes while the reader waits for the next event is not yielded.
        """
        return self._answer.events(take)

    def break_off(self, error: WaypostError, *, begun: bool = True) -> None:
        """Takes in why the answer stops although the client is there; ``begun``: the client has some of it."""
        self._error, self._begun = error, begun

    async def aclose(self) -> None:
        """Gives up what has not ended, frees the engine, and records how it went; a second time, nothing happens."""
        await self._answer.aclose()
        self._end()

    def __del__(self) -> None:
        """An answer that nobody closed is given up: its engine must not seem busy for ever."""
        if not self._recorded and not sys.is_finalizing():
            self._answer.abandon()
            self._end()

    def _end(self) -> None:
        if not self._recorded:
            self._recorded = True
            error = self._error or self._answer.broken
            self._record(
                ("partial" if self._begun else "failed") if error else "ok" if self._answer.ended else "cancelled", error
            )
