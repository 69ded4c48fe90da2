"""The attempt loop: asks the candidates in order until one of them commits to an answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from waypost.decide.card import Decision
from waypost.dispatch.answer import Answer, Run
from waypost.dispatch.answer_check import AnswerCheck
from waypost.dispatch.attempt_log import AttemptLog
from waypost.dispatch.commit import CommitBounds, read_head
from waypost.dispatch.demands import Demands, held_to
from waypost.dispatch.events import Bypass, Call, Lane
from waypost.dispatch.hedge import HedgeAfter, race
from waypost.dispatch.pace import kept_up
from waypost.dispatch.plan import Plan, Step
from waypost.dispatch.request import build
from waypost.dispatch.retry_budget import RetryBudget
from waypost.dispatch.verification import Verification
from waypost.dispatch.watch import Watch
from waypost.errors import ProviderError
from waypost.fleet.slots import Admission
from waypost.fleet.view import FleetView
from waypost.turn import Turn

_DEFAULT_BOUNDS = CommitBounds()


class _Admitted(NamedTuple):
    """A step that the watch has let in."""

    step: Step
    admission: Admission


class Dispatcher:
    """Makes the calls of decisions. It keeps nothing from one request to the next; who is healthy is the watch's to know.

    ``budget`` bounds what retries and fail-overs add; dispatchers of one process share it. ``slot_wait_s`` is how long a
    request waits where every candidate has as many calls as it takes.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        watch: Watch,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
        bounds: CommitBounds = _DEFAULT_BOUNDS,
        max_attempts: int = 6,
        budget: RetryBudget | None = None,
        slot_wait_s: float = 30.0,
    ) -> None:
        self._lanes = lanes
        self._watch = watch
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._bounds = bounds
        self._max_attempts = max_attempts
        self._budget = RetryBudget(0.2, clock) if budget is None else budget
        self._slot_wait_s = slot_wait_s

    async def open(
        self,
        turn: Turn,
        decision: Decision,
        fleet: FleetView,
        *,
        started: float,
        log: AttemptLog | None = None,
        hedge: HedgeAfter | None = None,
    ) -> Answer:
        """The first answer that a candidate commits to.

        ``started`` is when the request was read, on this dispatcher's clock; ``log`` gets every attempt, whether this returns,
        raises or is cancelled. After ``hedge``, a candidate that is slow has another one asked beside it.

        Raises the refusal of the decision, the last `ProviderError` when all candidates failed or the retry budget is spent,
        `AllBusy` when all of them were full for too long, or `NoDeployment` when none may be asked now.
        """
        decision.raise_if_refused()
        log = AttemptLog() if log is None else log
        plan = Plan(decision, fleet, self._max_attempts, self._rng)
        verification = None if decision.verify == "off" else Verification()
        while (admitted := await self._next(plan, log)) is not None:
            try:
                asking = (turn, plan, admitted, started, log, verification)
                return await (self._attempt(*asking) if hedge is None else self._hedged(hedge, *asking))
            except ProviderError:
                continue  # the plan knows
        if verification is not None and (kept := verification.settle()) is not None:
            return kept
        raise plan.error()

    async def close(self) -> None:
        """Closes all lanes."""
        for lane in self._lanes.values():
            await lane.close()

    async def _next(self, plan: Plan, log: AttemptLog) -> _Admitted | None:
        """The next step, as soon as its deployment lets it in; ``None`` when nobody may be asked any more."""
        while (step := plan.next()) is not None or plan.full:
            if step is not None and step.again and not self._pays(plan, log):
                return None
            if step is None:
                admission = await self._watch.slot(plan.full, self._slot_wait_s)
                step = plan.waited(admission)
                if step is None:
                    continue
            else:
                if step.pause_s:
                    await self._sleep(step.pause_s)
                admission = self._watch.begin(step.deployment.id, anyway=step.candidate.last_resort)
            if admission.begun:
                if plan.last is None:
                    self._budget.request()
                elif admission.failing and not step.again and not self._pays(plan, log):
                    self._watch.end(step.deployment.id, probe=admission.probe)
                    return None
                return _Admitted(step, admission)
            plan.passed_over(step, admission)
        return None

    def _pays(self, plan: Plan, log: AttemptLog) -> bool:
        """Whether the budget has room for another call of this request; after one that reached no engine it needs none."""
        if plan.last is None or not plan.last.reached or self._budget.take():
            return True
        _tell_spent(plan, log)
        return False

    async def _hedged(
        self,
        hedge: HedgeAfter,
        turn: Turn,
        plan: Plan,
        first: _Admitted,
        started: float,
        log: AttemptLog,
        verification: Verification | None,
    ) -> Answer:
        """The answer of a step, or of the next one beside it."""
        streams = turn.stream and verification is None
        after_s = self._watch.p95_s(first.step.deployment.id, stream=streams) if hedge == "p95" else hedge
        if after_s is None:
            return await self._attempt(turn, plan, first, started, log, verification)

        async def attempt(admitted: _Admitted) -> Answer:
            return await self._attempt(turn, plan, admitted, started, log, verification)

        def beside() -> _Admitted | None:
            step = plan.beside()
            if step is None or not self._budget.take():
                return None
            admission = self._watch.begin(step.deployment.id)
            return _Admitted(plan.next() or step, admission) if admission.begun else None

        def lost(admitted: _Admitted) -> None:
            record = log.lost(admitted.step.deployment.id)
            if record is not None:  # it would have taken longer still: who loses must not look quick
                latency_s = record.attempt.ended_s - record.attempt.started_s
                self._watch.outrun(record.deployment.id, latency_s, stream=streams)

        return await race(attempt, first, after_s=after_s, beside=beside, lost=lost)

    async def _attempt(
        self,
        turn: Turn,
        plan: Plan,
        admitted: _Admitted,
        started: float,
        log: AttemptLog,
        verification: Verification | None,
    ) -> Answer:
        """The answer of a step, if it may go out; the plan hears of every failure."""
        whole = verification is not None
        step, deployment = admitted.step, admitted.step.deployment
        record = log.begin(deployment, turn.prompt_tokens, self._clock() - started)
        run = Run(record, self._watch, self._clock, started, probe=admitted.admission.probe, key=step.key)
        try:
            body = build(turn, deployment, step.candidate)
            record.check = AnswerCheck.of(body)
            if (waking := self._watch.wake(deployment.id)) is not None:
                await waking
            bypass = Bypass() if turn.stream else None
            call = Call(deployment, body, turn.stream, turn.prompt_tokens, bypass)
            lane = deployment.lane if turn.mode == "chat" else turn.mode
            given = self._lanes[lane].events(call)
            events = held_to(Demands.of(turn, body), call, kept_up(call, given, self._clock))
            head = await read_head(events, self._bounds, deployment, stream=turn.stream, whole=whole)
        except ProviderError as error:
            error.add(step.key_name)
            run.fail(error, error)
            plan.failed(step, error)
            raise
        except Exception:  # a mistake of ours: the engine is not to blame
            run.crash()
            raise
        except BaseException:
            run.abandon()
            raise
        # Whoever looks at an answer on its way has to see all of it.
        answer = Answer(deployment, log, run, head, events, bypass if events is given else None)
        streams = turn.stream and not whole  # one that was held back whole was as slow as one that is not streamed
        # A title that is written elsewhere does not move the conversation there.
        background = turn.background is not None
        session, latency_s = None if background else turn.session or turn.exchange, run.record.latency_s
        self._watch.answered(deployment.id, latency_s, stream=streams, session=session, background=background)
        try:
            return answer if verification is None else verification.admit(answer)
        except ProviderError as error:
            plan.failed(step, error)
            raise


def _tell_spent(plan: Plan, log: AttemptLog) -> None:
    """Says in the error, and in the record of the attempt that had it, why nobody else is asked."""
    note = "; nobody else is asked, as retries have used up their share of the load (policy.retry_budget)"
    if plan.last is not None:
        plan.last.add(note)
        log.tell_last(plan.last.message)
