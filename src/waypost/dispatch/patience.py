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

    __slots__ = ("_call", "_now", "_quiet_since", "_total_at", "_until")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._now = asyncio.get_running_loop().time
        self._quiet_since: float | None = None
        begun = self._now()
        self._total_at = begun + call.deployment.timeouts.total_s
        first_at = begun + call.deployment.timeouts.first_byte_s if call.stream else self._total_at
        self._until = min(first_at, self._total_at)

    def listen(self) -> None:
        """The answer has begun: from now on, and until this is called again, the deadline is for silence."""
        self._quiet_since = self._now()
        self._until = min(self._quiet_since + self._call.deployment.timeouts.idle_s, self._total_at)

    def left_s(self, *, listening: bool = True) -> float:
        """Seconds to the next deadline. Where nobody is ``listening``, silence does not count."""
        if not listening and self._quiet_since is not None:
            self.listen()
        return self._until - self._now()

    def gave_up(self) -> ProviderTimeout:
        """The error for the next deadline, when it has passed."""
        deployment = self._call.deployment
        times = deployment.timeouts
        if self._until >= self._total_at:
            what = f"did not finish within {times.total_s:g} s (total timeout)"
        elif self._quiet_since is not None:
            what = f"fell silent for {times.idle_s:g} s (idle timeout)"
        else:
            what = f"sent no first byte within {times.first_byte_s:g} s (first byte timeout)"
        return ProviderTimeout(f"{deployment.id} {what}", deployment=deployment.id)

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
