"""Whether a call may be made now, and the queue of those who wait until it may: who came first is served first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple


class Admission(NamedTuple):
    """Whether a call to a deployment may be made. One that is ``begun`` is counted, and has to be ended.

    ``probe``: what becomes of this call decides whether its deployment is used again. ``failing``: its last call failed. Of
    one that is not begun, ``queue`` says that it may wait for its turn, and ``retry_s`` how long the deployment cools, where
    it does; ``swap``, that it waits for those who use what its load would throw out of memory: they are not to be evaded.
    """

    deployment: str
    begun: bool
    probe: bool = False
    queue: bool = False
    retry_s: float | None = None
    failing: bool = False
    swap: bool = False


class Waiter:
    """One request that would ask any of some deployments, ``since`` when. ``admission`` is to the one that it may ask."""

    __slots__ = ("_loop", "_woken", "admission", "since", "wanted")

    def __init__(self, wanted: Collection[str], since: float) -> None:
        self.wanted = set(wanted)
        self.since = since
        self.admission: Admission | None = None
        self._loop = asyncio.get_running_loop()
        self._woken = self._loop.create_future()

    async def wait(self, seconds: float) -> bool:
        """Until somebody wakes it, which it says, or for so many seconds. A cancellation goes through."""
        await asyncio.wait((self._woken,), timeout=seconds)
        return self._woken.done()

    def wake(self) -> None:
        """Ends the waiting, from any thread."""
        self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


class Slots:
    """The queue of all deployments: a request waits once, for whichever of its candidates is free first.

    It is not safe for threads: its owner holds a lock.
    """

    __slots__ = ("queue",)

    def __init__(self) -> None:
        self.queue: deque[Waiter] = deque()

    def join(self, waiter: Waiter) -> None:
        """Stands at the end of the queue."""
        self.queue.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Leaves the queue, from wherever it stands; nothing happens if it has left."""
        if waiter in self.queue:
            self.queue.remove(waiter)

    def offer(self, names: Iterable[str], enter: Callable[[str], Admission]) -> None:
        """Lets those who wait for these deployments in, in their order, for as long as ``enter`` admits calls to them."""
        free = dict.fromkeys(names)
        for waiter in [waiter for waiter in self.queue if not waiter.wanted.isdisjoint(free)]:
            for name in [name for name in free if name in waiter.wanted]:
                admission = enter(name)
                if admission.begun:
                    waiter.admission = admission
                    self.queue.remove(waiter)
                    waiter.wake()
                    break
                del free[name]

    def waiting_for(self, name: str) -> int:
        """How many wait for a deployment."""
        return sum(name in waiter.wanted for waiter in self.queue)

    def withdraw(self, name: str) -> None:
        """A deployment cools: nobody waits for it. Who waits for nobody else waits no longer."""
        for waiter in [waiter for waiter in self.queue if name in waiter.wanted]:
            waiter.wanted.discard(name)
            if not waiter.wanted:
                self.queue.remove(waiter)
                waiter.wake()
