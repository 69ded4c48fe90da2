"""How long one attempt may wait, and for what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from waypost.dispatch.events import Call
from waypost.errors import ProviderTimeout
from waypost.http.deadline import Deadline

Result = TypeVar("Result")


class Patience:
    """The deadlines of one attempt, over every piece of waiting in it.

    They are absolute: a server that drips its headers byte by byte gains nothing. The first byte has its own deadline in a
    stream only; an answer that is not streamed begins when it is complete, so there the total alone counts.
    """

    __slots__ = ("_call", "_first_at", "_now", "_quiet_since", "_total_at")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._now = asyncio.get_running_loop().time
        self._quiet_since: float | None = None
        begun = self._now()
        self._total_at = begun + call.deployment.timeouts.total_s
        self._first_at = begun + call.deployment.timeouts.first_byte_s if call.stream else self._total_at

    def listen(self) -> None:
        """The answer has begun: from now on, and until this is called again, the deadline is for silence."""
        self._quiet_since = self._now()

    def left_s(self, *, listening: bool = True) -> float:
        """Seconds to the next deadline. Where nobody is ``listening``, silence does not count."""
        if not listening and self._quiet_since is not None:
            self.listen()
        return self._next()[1] - self._now()

    def gave_up(self) -> ProviderTimeout:
        """The error for the next deadline, when it has passed."""
        deployment = self._call.deployment
        times = deployment.timeouts
        message = {
            "total": f"{deployment.id} did not finish within {times.total_s:g} s (total timeout)",
            "idle": f"{deployment.id} fell silent for {times.idle_s:g} s (idle timeout)",
            "first byte": f"{deployment.id} sent no first byte within {times.first_byte_s:g} s (first byte timeout)",
        }[self._next()[0]]
        return ProviderTimeout(message, deployment=deployment.id)

    async def wait(self, awaited: Awaitable[Result]) -> Result:
        """The result; ``ProviderTimeout`` naming the deadline that passed first."""
        deadline = Deadline(self.left_s(listening=False))
        try:
            with deadline:
                return await awaited
        except asyncio.TimeoutError as error:
            if not deadline.expired:
                raise
            raise self.gave_up() from error

    def _next(self) -> tuple[str, float]:
        quiet = self._quiet_since
        until = self._first_at if quiet is None else quiet + self._call.deployment.timeouts.idle_s
        if self._total_at <= until:
            return "total", self._total_at
        return "first byte" if quiet is None else "idle", until
