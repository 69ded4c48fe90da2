"""The time of a server for tests: seconds that the test hands out, that pass at once, or that pass faster than real ones."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable
from datetime import datetime, timedelta, timezone
from typing import Protocol, TypeVar

Result = TypeVar("Result")

_BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
# How often the loop turns until everything that could follow from one moment has followed, a request over loopback included.
_TURNS = 50


class Clock(Protocol):
    """What a server needs of time: ``now_s`` counts from its start, ``wall`` is the same moment as a date."""

    def now_s(self) -> float: ...

    def wall(self, at_s: float | None = None) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class HandClock:
    """Time stands still until the test moves it: every sleep ends exactly when it is due, one after the other.

    All of it belongs to one event loop. ``advance`` and ``run`` are for the test.
    """

    def __init__(self, start: datetime = _BEGINNING) -> None:
        self._start = start
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._changed = asyncio.Condition()

    def now_s(self) -> float:
        return self._now_s

    def wall(self, at_s: float | None = None) -> datetime:
        return self._start + timedelta(seconds=self._now_s if at_s is None else at_s)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + seconds, next(self._count), woken))
        async with self._changed:
            self._changed.notify_all()
        await woken

    async def sleeping(self, count: int = 1) -> None:
        """Returns as soon as ``count`` sleeps wait for the time to move: a load or an answer has begun."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting()) >= count)

    async def advance(self, seconds: float) -> None:
        """Moves the time on, through everything that is due on the way, and lets follow what follows."""
        end_s = self._now_s + seconds
        await self._settle()
        while (due := self._waiting()) and due[0][0] <= end_s:
            await self._wake()
        self._now_s = end_s
        await self._settle()

    async def run(self, work: Awaitable[Result]) -> Result:
        """Waits for ``work``, moving the time on to the next sleep that is due whenever there is one."""
        task = asyncio.ensure_future(work)
        while not task.done():
            asleep = asyncio.ensure_future(self.sleeping())
            await asyncio.wait({task, asleep}, return_when=asyncio.FIRST_COMPLETED)
            asleep.cancel()
            await asyncio.gather(asleep, return_exceptions=True)
            await self._settle()
            if not task.done() and self._waiting():
                await self._wake()
        return await task

    def _waiting(self) -> list[tuple[float, int, asyncio.Future[None]]]:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers

    async def _wake(self) -> None:
        due_s, _, woken = heapq.heappop(self._sleepers)
        self._now_s = max(self._now_s, due_s)
        woken.set_result(None)
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)


class JumpingClock:
    """No sleep takes time, and each moves the clock on by its length: a load of 40 s is over at once and says it took 40 s.

    What runs side by side takes its seconds one after the other here. For servers in threads and for tests that only count.
    """

    def __init__(self, start: datetime = _BEGINNING) -> None:
        self._start = start
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def wall(self, at_s: float | None = None) -> datetime:
        return self._start + timedelta(seconds=self._now_s if at_s is None else at_s)

    async def sleep(self, seconds: float) -> None:
        self._now_s += max(0.0, seconds)
        await asyncio.sleep(0)

    def jump(self, seconds: float) -> None:
        """Lets time pass while nothing happens."""
        self._now_s += seconds


class ScaledClock:
    """Real time, ``speed`` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began_s = time.monotonic()
        self._start = datetime.now(timezone.utc)

    def now_s(self) -> float:
        return (time.monotonic() - self._began_s) * self._speed

    def wall(self, at_s: float | None = None) -> datetime:
        return self._start + timedelta(seconds=self.now_s() if at_s is None else at_s)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._speed)
