"""One request on its way: decided, answered, and recorded however it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Literal

from waypost.decide.card import Decision
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.cache import KeepingAnswer, KeptAnswer
from waypost.dispatch.dispatcher import Answer
from waypost.dispatch.events import Event
from waypost.errors import ClientStalled, ServerStopping, WaypostError
from waypost.fleet.deployment import Deployment

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

    __slots__ = ("_answer", "_ending", "_error", "_record", "_recorded", "decision")

    def __init__(self, decision: Decision, answer: Answer | KeepingAnswer | KeptAnswer, record: Record) -> None:
        self.decision = decision
        self._answer = answer
        self._record = record
        self._recorded = False
        self._ending: Ending = "cancelled"
        self._error: WaypostError | None = None

    @property
    def deployment(self) -> Deployment:
        """Who answers."""
        return self._answer.deployment

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The calls so far."""
        return self._answer.attempts

    @property
    def cache(self) -> CacheUse | None:
        """What the cache did; ``None`` where it had no part in this."""
        return self._answer.cache

    async def events(self) -> AsyncGenerator[Event, None]:
        """The answer, piece by piece. Raises `StreamBroken` when the engine breaks off after output was given."""
        try:
            async with aclosing(self._answer.events()) as events:
                async for event in events:
                    yield event
            self._ending = "ok"
        except WaypostError as caught:
            self._ending, self._error = "partial", caught
            raise
        except asyncio.CancelledError as cancelled:
            self._error = stopping(cancelled)
            self._ending = "partial" if self._error else "cancelled"
            raise
        except Exception:  # a mistake of ours: it is recorded like any failure, and raised
            self._ending, self._error = "partial", WaypostError("something went wrong in Waypost")
            raise

    def break_off(self, error: WaypostError) -> None:
        """Takes in why the answer stops although the client is there."""
        self._ending, self._error = "partial", error

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
            self._record(self._ending, self._error)
