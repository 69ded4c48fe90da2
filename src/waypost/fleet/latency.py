"""How long a deployment takes lately: one number to compare, and the samples that it comes from."""

from __future__ import annotations

import math
from collections import deque

# Between two answers of one replica lie seconds. Finagle, whose calls are shorter, uses 10 s.
DECAY_S = 30.0
# After so long without an answer nobody knows how long it takes: it is tried again.
FORGET_S = 300.0
# A 95th percentile of fewer samples would be their maximum.
SAMPLES, FEWEST_SAMPLES = 100, 20


class Latency:
    """A peak EWMA: it follows a slower answer at once and forgets it with time, so that trouble shows early (Finagle's).

    Seconds; ``now`` is any clock that never goes back.
    """

    __slots__ = ("_at", "_recent", "_value")

    def __init__(self) -> None:
        self._at = -math.inf
        self._value = 0.0
        self._recent: deque[float] = deque(maxlen=SAMPLES)

    def see(self, seconds: float, now: float) -> None:
        """An answer took so long."""
        kept = 0.0 if seconds >= self._value else math.exp((self._at - now) / DECAY_S)
        self._value = kept * self._value + (1 - kept) * seconds
        self._at = now
        self._recent.append(seconds)

    def value(self, now: float) -> float | None:
        """How long it takes; ``None`` before the first answer, and ``FORGET_S`` after the last one."""
        return self._value if now < self._at + FORGET_S else None

    def until(self, now: float) -> float:
        """When `value` changes by itself; infinity if it does not."""
        forgotten = self._at + FORGET_S
        return forgotten if now < forgotten else math.inf

    def p95(self) -> float | None:
        """The 95th percentile of the last ``SAMPLES`` answers; ``None`` of fewer than ``FEWEST_SAMPLES``."""
        if len(self._recent) < FEWEST_SAMPLES:
            return None
        return sorted(self._recent)[math.ceil(0.95 * len(self._recent)) - 1]
