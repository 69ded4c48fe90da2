"""Complete answers, kept in memory for who asks the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from waypost.dispatch.events import Event
from waypost.fleet.deployment import Deployment

EVENT_BYTES = 160
"""What an event takes beside its payload: 129 bytes by ``sys.getsizeof`` of its parts on CPython 3.11, rounded up."""


def size_of(event: Event) -> int:
    """The bytes that an event takes in the store."""
    return len(event.payload) + EVENT_BYTES


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that came to its end: who made it, what was sent, and why it ended. ``size_bytes`` is what it takes here."""

    deployment: Deployment
    events: tuple[Event, ...] = field(repr=False)
    finish_reason: str | None
    size_bytes: int


class AnswerStore:
    """Answers by key, each until its time is over; where there are too many, the one that was not asked for longest leaves.

    Entries and bytes stay within their bounds after every call. Any thread may call it.
    """

    def __init__(self, *, max_entries: int, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, tuple[float, StoredAnswer]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def size_bytes(self) -> int:
        """What all answers take."""
        return self._bytes

    def get(self, key: bytes) -> StoredAnswer | None:
        """The answer under ``key``, if its time is not over."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            ends_at, answer = found
            if self._clock() >= ends_at:
                self._drop(key)
                return None
            self._answers.move_to_end(key)
            return answer

    def put(self, key: bytes, answer: StoredAnswer, ttl_s: float) -> None:
        """Keeps an answer for ``ttl_s`` seconds, in place of the one under its key; not one that alone is too large."""
        with self._lock:
            self._drop(key)
            if answer.size_bytes > self._max_bytes:
                return
            self._answers[key] = self._clock() + ttl_s, answer
            self._bytes += answer.size_bytes
            while len(self._answers) > self._max_entries or self._bytes > self._max_bytes:
                self._drop(next(iter(self._answers)))

    def _drop(self, key: bytes) -> None:
        dropped = self._answers.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped[1].size_bytes
