"""How much load calls beyond the first may add to engines that fail, over all requests of a process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

WINDOW_S = 10
# So many calls in a window are always allowed: without them, a lone user's fail-over would be refused.
FLOOR = 10


class RetryBudget:
    """Allows calls to engines that fail up to a ``share`` of the requests of the last ten seconds, and ten of them in any case.

    Without a bound, engines that fail under load get each request several times, which keeps them down (Google's "Site
    Reliability Engineering", chapter 21, gives clients 10 %). A fail-over to one that does not fail is not counted: no engine
    gets a request twice for it. Any thread may use it.
    """

    __slots__ = ("_change", "_clock", "_extra", "_requests", "_seconds", "_share", "refused")

    def __init__(self, share: float, clock: Callable[[], float]) -> None:
        self._share = share
        self._clock = clock
        self._change = threading.Lock()
        self._seconds: deque[list[int]] = deque()
        self._requests = self._extra = 0
        self.refused = 0
        """How many calls it did not allow since the process began."""

    def request(self) -> None:
        """A request comes in, and its first call is made."""
        with self._change:
            self._this_second()[1] += 1
            self._requests += 1

    def take(self) -> bool:
        """Takes one call out of the budget; false if it is spent."""
        with self._change:
            second = self._this_second()
            if self._extra + 1 > max(FLOOR, self._share * self._requests):
                self.refused += 1
                return False
            second[2] += 1
            self._extra += 1
            return True

    def _this_second(self) -> list[int]:
        """The counts of this second (when, requests, extra calls), once those that are too old are gone."""
        now = int(self._clock())
        seconds = self._seconds
        if seconds and seconds[-1][0] == now:
            return seconds[-1]
        while seconds and seconds[0][0] <= now - WINDOW_S:
            _, requests, extra = seconds.popleft()
            self._requests -= requests
            self._extra -= extra
        seconds.append([now, 0, 0])
        return seconds[-1]
