"""Whom to ask next: the one owner of fail-over and retries."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from waypost.decide.card import Candidate, Decision
from waypost.errors import ProviderContextTooLong, ProviderError
from waypost.fleet.deployment import Deployment
from waypost.fleet.view import FleetView

RETRY_PAUSE_S = 0.5
MAX_RETRY_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """One deployment to ask, after a pause."""

    candidate: Candidate
    deployment: Deployment
    pause_s: float = 0.0


class Plan:
    """The candidates of a decision in their order, each asked once, as long as the last error lets another one help.

    When nobody else is left, one candidate whose error says that it may succeed at once (``retry_same``) is asked once more,
    after a jittered pause. Nobody outside the decision's candidates is ever asked: they alone passed the guards. Lanes never
    retry, so what ``next`` gives is what engines see.
    """

    def __init__(self, decision: Decision, fleet: FleetView, max_attempts: int, rng: Callable[[], float]) -> None:
        known = {deployment.id: deployment for deployment in fleet}
        self._queue = deque(Step(c, _asked(known[c.deployment], c)) for c in decision.candidates if c.deployment in known)
        self._left = max_attempts
        self._rng = rng
        self._window_above = 0
        self._again: Step | None = None
        self._retried = False

    def next(self) -> Step | None:
        """Whom to ask now; ``None`` when nobody can help any more."""
        if self._left <= 0:
            return None
        self._left -= 1
        while self._queue:
            step = self._queue.popleft()
            if self._large_enough(step):
                return step
        again, self._again = self._again, None
        if again is None or not self._large_enough(again):
            return None
        self._retried = True
        return again

    def beside(self) -> Step | None:
        """Whom to ask beside somebody who is slow: the next one, unless it is there for failures only."""
        step = self._queue[0] if self._queue and self._left > 0 else None
        if step is None or step.candidate.fallback or not self._large_enough(step):
            return None
        self._left -= 1
        return self._queue.popleft()

    def failed(self, step: Step, error: ProviderError) -> None:
        """Takes in how a step went wrong."""
        if not error.fail_over:
            self._left = 0
        if isinstance(error, ProviderContextTooLong):
            self._window_above = max(self._window_above, step.deployment.window_tokens or 0)
        pause_s = self._pause_s(error)
        if error.retry_same and self._again is None and not self._retried and pause_s <= MAX_RETRY_PAUSE_S:
            self._again = replace(step, pause_s=pause_s)

    def _large_enough(self, step: Step) -> bool:
        window = step.deployment.window_tokens
        return window is None or window > self._window_above

    def _pause_s(self, error: ProviderError) -> float:
        wanted = RETRY_PAUSE_S if error.retry_after_s is None else error.retry_after_s
        return wanted * (1 + self._rng() / 2)


def _asked(deployment: Deployment, candidate: Candidate) -> Deployment:
    """The deployment under the model name that the caller gave, where it is a pattern that stands for many."""
    return replace(deployment, model=candidate.model) if deployment.is_pattern else deployment
