"""Whom to ask next: the one owner of fail-over and retries."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from waypost.decide.card import Candidate, Decision
from waypost.errors import (
    AllBusy,
    NoDeployment,
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderError,
    ProviderRateLimited,
    WaypostError,
)
from waypost.fleet.deployment import Deployment
from waypost.fleet.slots import Admission
from waypost.fleet.view import FleetView
from waypost.value import value

# The pause before a deployment is asked again; it doubles, and is longer by up to half of itself, by chance.
RETRY_PAUSE_S = 0.5
# What an engine may ask us to wait, with the request open. One that asks for more is not asked again.
MAX_RETRY_PAUSE_S = 5.0
MAX_RETRIES = 2
# When a caller may come again who found everybody busy.
BUSY_RETRY_S = 1.0


@value(frozen=True, slots=True)
class Step:
    """One deployment to ask, after a pause; ``again``, if it has failed this request before.

    ``key`` is the position of the key to use, from 0, where there are several.
    """

    candidate: Candidate
    deployment: Deployment
    pause_s: float = 0.0
    key: int | None = None
    again: bool = False

    @property
    def key_name(self) -> str:
        """The key as messages call it; empty where there is only one."""
        return "" if self.key is None else f" (key {self.key + 1} of {len(self.deployment.api_keys)})"


class Plan:
    """The candidates of a decision in their order, each asked once, as long as the last error lets another one help.

    A key that is refused or rate limited gives way to the next key of the same deployment. When nobody else is left, one
    candidate that may recover soon (``retry_same``, or a rate limit that says for how long) is asked again, up to
    `MAX_RETRIES` times, after a pause that doubles and is never shorter than what the engine asks for. Nobody outside the
    decision's candidates is ever asked: they alone passed the guards. Lanes never retry, so what ``next`` gives is what
    engines see.
    """

    def __init__(self, decision: Decision, fleet: FleetView, max_attempts: int, rng: Callable[[], float]) -> None:
        self._fleet = fleet
        self._candidates = iter(decision.candidates)
        self._queue: deque[Step] = deque()
        self._left = max_attempts
        self._rng = rng
        self._prompt_tokens = decision.prompt_tokens
        self._window_above = 0
        self._full: dict[str, Step] = {}
        self._swap: str | None = None
        self._busy = False
        self._cooling_s: float | None = None
        self._again: Step | None = None
        self._retried: str | None = None
        self._retries = 0
        self._dead_keys: dict[str, set[int]] = {}
        self.last: ProviderError | None = None

    @property
    def full(self) -> tuple[str, ...]:
        """Those who take no more calls just now, and are waited for before anybody is asked a second time.

        One who waits for a load alone: the decision knew of the load, so nobody else answers because of it.
        """
        return tuple(self._full) if self._swap is None else (self._swap,)

    def next(self) -> Step | None:
        """Whom to ask now; ``None`` when nobody is left but those who are `full`."""
        if self._left <= 0:
            self._full.clear()
            return None
        if self._swap is not None:
            return None
        while (step := self._first()) is not None:
            self._queue.popleft()
            if self._large_enough(step):
                return step
        if self._full:
            return None
        again, self._again = self._again, None
        if again is None or not self._large_enough(again):
            return None
        self._retried = again.deployment.id
        self._retries += 1
        return again

    def beside(self) -> Step | None:
        """Who would be asked beside somebody who is slow: who is `next`, unless that one is there for failures only.

        Nobody is who would have to be loaded first: that takes longer, and may throw out who is being waited for.
        """
        step = self._first() if self._left > 1 else None
        if step is None or step.candidate.fallback or step.candidate.loads or not self._large_enough(step):
            return None
        return step

    def passed_over(self, step: Step, admission: Admission) -> None:
        """Takes in that a deployment takes no call now. It is no attempt: nothing was sent."""
        if admission.queue:
            self._full[step.deployment.id] = replace(step, pause_s=0.0)
            self._swap = step.deployment.id if admission.swap else None
        else:
            self._cools(admission)

    def waited(self, admission: Admission) -> Step | None:
        """The step of who lets the call in now; ``None``: nobody does, and they are waited for no longer."""
        self._swap = None
        if admission.begun:
            return self._full.pop(admission.deployment)
        self._full.clear()
        self._busy = admission.queue
        self._cools(admission)
        return None

    def failed(self, step: Step, error: ProviderError) -> None:
        """Takes in how a step went wrong."""
        self.last = error
        self._left -= 1 if error.fail_over else self._left
        if isinstance(error, ProviderContextTooLong):
            too_small = error.window_tokens or self._refused_window(step.deployment.window_tokens)
            self._window_above = max(self._window_above, too_small)
        if self._next_key(step, error):
            return
        pause_s = self._pause_s(error)
        may = error.retry_same or (isinstance(error, ProviderRateLimited) and error.retry_after_s is not None)
        its_turn = self._again is None and self._retried in (None, step.deployment.id) and self._retries < MAX_RETRIES
        if may and its_turn and pause_s <= MAX_RETRY_PAUSE_S:
            self._again = replace(step, pause_s=pause_s, again=True)

    def error(self) -> WaypostError:
        """What to tell the caller: the last failure, or why nobody was asked at all."""
        if self.last is not None:
            return self.last
        if self._busy:
            taken = "every candidate has as many calls as it takes, or its memory is in use by another model's"
            said = f"{taken}, and none was free in time (policy.slot_wait_s)"
            return AllBusy(f"{said}; send the request again later", retry_after_s=BUSY_RETRY_S)
        if self._cooling_s is not None:
            said = "every candidate of this decision has failed meanwhile and cools; send the request again later"
            return NoDeployment(said, retry_after_s=self._cooling_s)
        return NoDeployment("no candidate of this decision is in the fleet any more; send the request again")

    def _first(self) -> Step | None:
        """The next step in the queue. Steps are made when they are needed: most requests need one."""
        while not self._queue and (candidate := next(self._candidates, None)) is not None:
            deployment = self._fleet.deployment(candidate.deployment)
            if deployment is not None:
                self._queue.append(_first_step(candidate, deployment, self._fleet))
        return self._queue[0] if self._queue else None

    def _cools(self, admission: Admission) -> None:
        known = (seconds for seconds in (self._cooling_s, admission.retry_s) if seconds is not None)
        self._cooling_s = min(known, default=None)

    def _next_key(self, step: Step, error: ProviderError) -> bool:
        """Puts the next key of the deployment in front, where it is the key that failed."""
        if step.key is None or not isinstance(error, (ProviderAuthFailed, ProviderRateLimited)):
            return False
        dead = self._dead_keys.setdefault(step.deployment.id, set(self._fleet.status(step.deployment.id).resting_keys))
        dead.add(step.key)
        key = next((key for key in range(len(step.deployment.api_keys)) if key not in dead), None)
        if key is None:
            return False
        self._queue.appendleft(_with_key(replace(step, pause_s=0.0), key))
        return True

    def _refused_window(self, claimed: int | None) -> int:
        """How large a window was too small. One that would hold the prompt twice was not what its engine has."""
        return 0 if claimed is None or claimed > 2 * self._prompt_tokens else claimed

    def _large_enough(self, step: Step) -> bool:
        window = step.deployment.window_tokens
        return window is None or window > self._window_above

    def _pause_s(self, error: ProviderError) -> float:
        wanted = RETRY_PAUSE_S * 2.0**self._retries if error.retry_after_s is None else error.retry_after_s
        return wanted * (1 + self._rng() / 2)


def _first_step(candidate: Candidate, deployment: Deployment, fleet: FleetView) -> Step:
    """The deployment with the first key that does not rest; a pattern under the model name that the caller gave."""
    asked = replace(deployment, model=candidate.model) if deployment.is_pattern else deployment
    step = Step(candidate, asked)
    if len(deployment.api_keys) < 2:
        return step
    resting = fleet.status(deployment.id).resting_keys
    return _with_key(step, next((key for key in range(len(deployment.api_keys)) if key not in resting), 0))


def _with_key(step: Step, key: int) -> Step:
    chosen = step.deployment.api_keys[key]
    if step.deployment.api_key is chosen:  # the same object: a lane keeps what it made for it
        return replace(step, key=key)
    return replace(step, key=key, deployment=replace(step.deployment, api_key=chosen))
