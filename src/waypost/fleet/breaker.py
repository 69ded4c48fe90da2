"""When a deployment that fails is left alone, for how long, and how it comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from waypost.errors import (
    ConnectFailed,
    ProviderAuthFailed,
    ProviderCannot,
    ProviderContextTooLong,
    ProviderError,
    ProviderIgnoredRequest,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
)

# Short enough that a restarted engine is soon used again, growing so that a dead one is not asked all the time.
FIRST_BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 60.0
# A back-off is longer by up to this share of itself, so that many who lost an engine at once do not come back at once.
JITTER = 0.25
AUTH_PAUSE_S = 60.0
# An engine may ask for any pause; more than this is taken for a mistake.
LONGEST_PAUSE_S = 3600.0
# What is judged: the latest outcomes, not older than this, unless there are fewer than the sample.
SEEN, SEEN_S, SAMPLE = 20, 30.0, 5
FEWEST_FAILURES, FAILURE_RATIO = 3, 0.5

# These fail every request alike; other failures may lie in one request, so the ratio decides.
_AT_ONCE = (ConnectFailed, ProviderTimeout)
_THE_CALLERS = (ProviderRejected, ProviderCannot, ProviderContextTooLong, ProviderIgnoredRequest)


class Breaker:
    """Closed, open for a while, then half-open: one call is let through, and what becomes of it decides.

    It opens at once for an engine that cannot be reached or does not answer in time, and for a pause that an engine asks for;
    else when `FEWEST_FAILURES` of the last outcomes, and `FAILURE_RATIO` of them, are failures. No failure shortens a cooldown.
    Each opening without an answer in between doubles the next one. What lies in the request never counts.

    Times are seconds of one clock. It is not safe for threads: its owner holds a lock.
    """

    __slots__ = (
        "_back_off_until",
        "_back_offs",
        "_outcomes",
        "_pause_until",
        "closed",
        "probing",
        "trouble",
        "unreachable",
    )

    def __init__(self) -> None:
        self.closed = True
        self.unreachable = False
        self.probing = False
        self.trouble: str | None = None
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=SEEN)
        self._back_offs = 0
        self._back_off_until = 0.0
        self._pause_until = 0.0

    def left_s(self, now: float) -> float:
        """How long it stays open; 0 or less if it does not."""
        return max(self._back_off_until, self._pause_until) - now

    @property
    def failed_last(self) -> bool:
        """Its last call that counts was a failure."""
        return bool(self._outcomes) and not self._outcomes[-1][1]

    def probe(self) -> bool:
        """Whether a call may go through while it is half-open: as the probe, unless another one is that already."""
        if self.probing:
            return False
        self.probing = True
        return True

    def release(self) -> None:
        """The probe told nothing: the next call is one."""
        self.probing = False

    def answers(self, now: float) -> None:
        """The probe gives output: everybody may ask again, unless something has opened it anew."""
        if self.left_s(now) <= 0:
            self.closed, self.probing = True, False
            self._outcomes.clear()

    def success(self, now: float) -> None:
        """A whole answer. A cooldown under way goes on, unless what began it was that there was no connection at all."""
        self._outcomes.append((now, True))
        if self.unreachable:
            self.forgive(now)
        if not self.closed:
            self.answers(now)
        if self.closed:
            self._back_offs = 0

    def forgive(self, now: float) -> None:
        """Whoever could not be reached has just been reached. A pause that the engine asked for lasts all the same."""
        self._back_offs, self._back_off_until, self.unreachable = 0, 0.0, False
        self.answers(now)

    def failure(self, error: ProviderError, now: float, rng: Callable[[], float]) -> None:
        """A failure, of a call begun at whatever time."""
        if isinstance(error, _THE_CALLERS):
            return
        asked_s = pause_s(error)
        if asked_s is not None:
            self.pause(now + asked_s)
        elif isinstance(error, ProviderRateLimited):
            self.pause(now + self._next_back_off_s(now, rng))
        else:
            self._outcomes.append((now, False))
            failed_probe = not self.closed and self.left_s(now) <= 0
            if failed_probe or isinstance(error, _AT_ONCE) or self._too_many(now):
                self._back_off_until = max(self._back_off_until, now + self._next_back_off_s(now, rng))
                self._opened()
        self.unreachable = isinstance(error, ConnectFailed)
        self.trouble = error.message

    def pause(self, until: float) -> None:
        """Opens it for as long as an engine asks for; never shortens what is there."""
        self._pause_until = max(self._pause_until, until)
        self._opened()

    def _opened(self) -> None:
        self.closed = self.probing = False

    def _too_many(self, now: float) -> bool:
        outcomes = self._outcomes
        while len(outcomes) > SAMPLE and outcomes[0][0] < now - SEEN_S:
            outcomes.popleft()
        failures = sum(not worked for _, worked in outcomes)
        return failures >= max(FEWEST_FAILURES, FAILURE_RATIO * len(outcomes))

    def _next_back_off_s(self, now: float, rng: Callable[[], float]) -> float:
        """The length of the next back-off. Requests that fail together make one step, not one each."""
        if self.left_s(now) <= 0:
            self._back_offs += 1
        doublings = min(max(self._back_offs, 1) - 1, 16)
        return min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0**doublings) * (1 + JITTER * rng())


def pause_s(error: ProviderError) -> float | None:
    """The pause that an error asks for, in seconds and of at most an hour; ``None`` where it asks for none."""
    if isinstance(error, ProviderAuthFailed):
        return AUTH_PAUSE_S
    asked_s = error.retry_after_s
    return min(asked_s, LONGEST_PAUSE_S) if asked_s is not None and asked_s > 0 else None
