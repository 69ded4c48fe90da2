"""The time that explanations may take."""

from __future__ import annotations

import threading
from collections.abc import Callable

# Explanations are slower than decisions, and requests come first. Some 70 a second all get one.
SHARE = 0.025
AHEAD_S = 0.1

FIRST_GUESS_S = 4e-4
"""What one takes, as far as is known at first: some 100 tokens on a shared core."""


class Explaining:
    """Lets explanations take ``SHARE`` of the time, and ``AHEAD_S`` at once after a pause. Any thread may use it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._usual_s = FIRST_GUESS_S
        self._free_since = clock() - AHEAD_S / SHARE
        self._change = threading.Lock()

    def begin(self) -> bool:
        """Whether there is time for one more. If so, it is taken to need as much as the last ones did."""
        now = self._clock()
        if now <= self._free_since:
            return False
        with self._change:
            self._free_since = max(self._free_since, now - AHEAD_S / SHARE) + self._usual_s / SHARE
        return True

    def end(self, seconds: float) -> None:
        """Takes down what one needed."""
        with self._change:
            more = seconds - self._usual_s
            self._free_since += more / SHARE
            self._usual_s += more / 8
