"""The fleet as it is right now: who is up, loaded, busy or cooling."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from waypost.errors import ModelLoadFailed, ProviderAuthFailed, ProviderContextTooLong, ProviderError, ProviderRateLimited
from waypost.fleet.deployment import Deployment, Status
from waypost.fleet.live import Live
from waypost.fleet.loads import Loads, StatedEngine
from waypost.fleet.looks import Looks
from waypost.fleet.places import Place, identity, place_of, places, remember, shrink
from waypost.fleet.sessions import Sessions
from waypost.fleet.slots import Admission, Slots, Waiter
from waypost.fleet.swaps import may_call
from waypost.fleet.timings import Timings
from waypost.fleet.view import FleetView, Roster
from waypost.fleet.wake import Wakes
from waypost.http.session import HttpSession
from waypost.turn import EMPTY

if TYPE_CHECKING:
    from waypost.fleet.report import EngineReport, Occupancy


class Fleet:
    """Deployments and how each is. Reading is cheap and never waits; every change shows in the next `view`.

    ``clock`` gives seconds and never goes back; ``rng`` gives numbers from 0 to 1, for the jitter of cooldowns. ``batch_s`` is
    for `may_call`. Methods may be called from any thread; `refresh` belongs to one loop. An id that the fleet does not have may
    be used everywhere, and shows nowhere: a request may outlive its deployment.
    """

    def __init__(
        self,
        deployments: Iterable[Deployment],
        *,
        clock: Callable[[], float],
        rng: Callable[[], float] = random.random,
        engines: Iterable[StatedEngine] = (),
    ) -> None:
        self.batch_s: float | None = None
        self._clock = clock
        self._rng = rng
        self._slots = Slots()
        # Re-entrant: an answer that is collected as garbage ends its call, whatever its thread is doing just then.
        self._change = threading.RLock()
        self._refreshing = asyncio.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._live: dict[str, Live] = {}
        self._kinds: dict[Place, str] = {}
        self._sessions = Sessions(clock=clock)
        self._loads = Loads(clock)
        self._wakes = Wakes(clock, self._woken)
        self._roster: Roster | None = None
        self._view: FleetView | None = None
        self._statuses: dict[str, Status] = {}
        # Who has changed since those statuses were taken, and when the first of the others changes by itself.
        self._changed_since: set[str] = set()
        self._statuses_until = -math.inf
        self.replace(deployments, engines)

    def view(self) -> FleetView:
        """The fleet at this moment; the same object as before if nothing has changed."""
        view = self._view
        if view is not None and self._clock() < self._statuses_until:
            return view
        with self._change:
            now = self._clock()
            statuses: dict[str, Status] = {}
            changed: Iterable[str] = self._deployments
            if now < self._statuses_until:
                statuses, changed = self._statuses.copy(), self._changed_since & self._deployments.keys()
            else:
                self._statuses_until = math.inf
            self._changed_since = set()
            for name in changed:
                live = self._live[name]
                statuses[name] = live.status(now)
                if live.snapshot is None:
                    self._changed_since.add(name)
                else:
                    self._statuses_until = min(self._statuses_until, live.snapshot_until)
            self._statuses = statuses
            self._roster = self._roster or Roster(self._deployments.values())
            view = FleetView(self._roster, MappingProxyType(statuses), memories=self._loads.memories())
            self._view = None if self._changed_since else view
            return view

    def view_for(self, session: str | None, view: FleetView | None = None) -> FleetView:
        """A view (unset: of now) with who answered this conversation last, unless their last call failed."""
        view = self.view() if view is None else view
        if session is None:
            return view
        with self._change:
            lives = ((name, self._live.get(name)) for name in self._sessions.of(session))
            known = [name for name, live in lives if live is not None and not live.breaker.failed_last]
        return FleetView(view.deployments, view.statuses, tuple(known), view.memories) if known else view

    def replace(self, deployments: Iterable[Deployment], engines: Iterable[StatedEngine] = ()) -> None:
        """Puts other deployments in place, with what is stated of their engines; of two with one id the first counts.

        Those that stay keep their status and what their engine said; requests under way stay counted. One that moved to another
        engine, model or key starts afresh: what was known of it is no longer true.
        """
        arriving: dict[str, Deployment] = {}
        for deployment in deployments:
            arriving.setdefault(deployment.id, deployment)
        stay: set[str] = set()
        with self._change:
            for name, deployment in arriving.items():
                live, before = self._live.get(name), self._deployments.get(name)
                if live is None or before is None or identity(before) != identity(deployment):
                    self._live[name] = Live(in_flight=live.in_flight if live else 0)
                else:
                    arriving[name] = remember(deployment, before)
                    stay.add(name)
            self._deployments = arriving
            self._loads.replace(arriving, stay, engines)
            self._live = {name: live for name, live in self._live.items() if name in arriving or live.in_flight}
            here = set(map(place_of, arriving.values()))
            self._kinds = {place: kind for place, kind in self._kinds.items() if place in here}
            self._roster, self._view, self._statuses_until = None, None, -math.inf

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._slots.queue)

    def begin(self, deployment_id: str, *, anyway: bool = False) -> Admission:
        """Asks whether a call may be made now; one that may is counted until its `end`.

        A deployment that cools lets nobody in, except ``anyway``; one whose cooldown has ended lets one call in, and others
        when that one gives output. ``max_parallel`` calls are let in at once.
        """
        with self._change:
            return self._enter(deployment_id, anyway)

    async def slot(self, deployment_ids: Collection[str], wait_s: float) -> Admission:
        """Waits until one of these lets a call in, behind those who came before, or until time is up or all of them cool.

        While an engine of theirs loads a model, the time stands still. A caller who is cancelled leaves the queue at once.
        """
        waiter = Waiter(deployment_ids, self._clock())
        with self._change:
            self._slots.join(waiter)
            for name in deployment_ids:  # what has become free since it was asked
                self._offer(name)
            nobody = self._nobody(deployment_ids)
            if waiter.admission is None and nobody.retry_s is not None:
                self._slots.leave(waiter)
                return nobody
            self._queued(deployment_ids)
        left = True
        try:
            while not await waiter.wait(wait_s):
                if not self._loads.loading_since(deployment_ids, self._clock() - wait_s):
                    break
            left = False
        finally:
            with self._change:
                self._slots.leave(waiter)
                self._queued(deployment_ids)
            if left and waiter.admission is not None:
                self.end(waiter.admission.deployment, probe=waiter.admission.probe)
        if waiter.admission is not None:
            return waiter.admission
        with self._change:
            return self._nobody(deployment_ids)

    def end(self, deployment_id: str, *, probe: bool = False, worked: bool = False) -> None:
        """A call is over, however it went: whoever waits for its slot gets it.

        ``worked``: it was answered to the end, and earlier failures are forgiven.
        """
        with self._change:
            live = self._live.get(deployment_id)
            if live is None:
                return
            if worked:
                live.up, live.missed_looks, live.seen = True, 0, None
                live.breaker.success(self._clock())
            live.in_flight = max(0, live.in_flight - 1)
            if probe:
                live.breaker.release()
            if not live.in_flight:
                self._learned(self._loads.idle(deployment_id))
                if deployment_id not in self._deployments:
                    del self._live[deployment_id]
            self._changed(deployment_id, live)
            self._offer(deployment_id)

    def answers(self, deployment_id: str) -> None:
        """A probe gives output: its deployment takes calls again."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is not None:
                live.breaker.answers(self._clock())
                self._changed(deployment_id, live)
                self._offer(deployment_id)

    def answered(
        self, deployment_id: str, latency_s: float | None, *, stream: bool, session: str | None, background: bool = False
    ) -> None:
        """It gave its first output after ``latency_s`` seconds, or its whole answer where that is not streamed.

        ``background`` is what nobody waits for: it is no sign of what is in demand.
        """
        with self._change:
            self._took(deployment_id, latency_s, stream=stream)
            first_output = stream and latency_s is not None
            self._learned(self._loads.answers(deployment_id, first_output=first_output, counts=not background))
            self._offer(deployment_id)
            if session is not None and deployment_id in self._live:
                self._sessions.answered(session, deployment_id)

    def outrun(self, deployment_id: str, latency_s: float, *, stream: bool) -> None:
        """Another one was quicker, when it had taken so long; it would have taken longer still."""
        with self._change:
            self._took(deployment_id, latency_s, stream=stream)

    def wake(self, deployment_id: str) -> Awaitable[None] | None:
        """Wakes its engine, if that sleeps and may be woken; ``None``: there is nothing to wait for. See `Wakes.wake`."""
        deployment = self._deployments.get(deployment_id)
        return self._wakes.wake(deployment) if deployment and self._loads.asleep(deployment_id) else None

    def _woken(self, deployment_id: str, took_s: float) -> None:
        with self._change:
            self._learned(self._loads.woken(deployment_id, took_s))

    def timed(self, deployment_id: str, timings: Timings) -> None:
        """What its engine says of the work that a complete answer took: how long loads take, and how fast it is."""
        with self._change:
            self._learned(self._loads.timed(deployment_id, timings))

    def p95_s(self, deployment_id: str, *, stream: bool) -> float | None:
        """The 95th percentile of what `answered` was told last; ``None`` while too little is known."""
        with self._change:
            live = self._live.get(deployment_id)
            return None if live is None else (live.latency if stream else live.whole_latency).p95()

    def failed(self, deployment_id: str, error: ProviderError, *, key: int | None = None) -> None:
        """It failed. What lies in the request never counts against the deployment; a cooldown is never shortened.

        An engine that shows a smaller window than it was thought to have is taken to have that one.

        ``key`` is the position of the key that was used, where there are several: a key that is refused or rate limited rests
        alone, and the deployment cools only when all of its keys rest.
        """
        with self._change:
            live, deployment = self._live.get(deployment_id), self._deployments.get(deployment_id)
            if live is None or deployment is None:
                return
            now = self._clock()
            if key is not None and isinstance(error, (ProviderAuthFailed, ProviderRateLimited)):
                live.rest(key, error, now, keys=len(deployment.api_keys))
            else:
                live.breaker.failure(error, now, self._rng)
            if isinstance(error, ProviderContextTooLong):
                self._alter(deployment, shrink(deployment, error.window_tokens))
            if isinstance(error, ModelLoadFailed):
                self._learned(self._loads.refused(deployment_id))
            if live.breaker.left_s(now) > 0:
                self._slots.withdraw(deployment_id)
            self._changed(deployment_id, live)

    async def refresh(
        self,
        session: HttpSession,
        seen: Mapping[str, EngineReport | None] = EMPTY,
        *,
        timeout_s: float = 1.5,
    ) -> None:
        """Looks at the engines of all local deployments once, each on its own; a second caller waits for the first one's look.

        Each answer takes effect as it comes, so a dead engine delays nothing. ``seen`` are looks just taken without a key, by
        `Place.engine`: those engines are not asked again.
        """
        if self._refreshing.locked():
            async with self._refreshing:
                return

        looks = Looks(session, self._loads, timeout_s)

        async def see(place: Place, members: list[Deployment]) -> None:
            self._take(place, members, *await looks.at(place, members, self._kinds.get(place), seen))

        async with self._refreshing:
            await asyncio.gather(*(see(*entry) for entry in places(self._deployments.values(), seen).items()))

    async def watch(self, session: HttpSession, *, timeout_s: float = 1.5) -> None:
        """Asks the engines that had calls since they were last asked what they have in memory, and nothing else."""
        looks = Looks(session, self._loads, timeout_s)

        async def see(place: Place) -> None:
            occupancy = await looks.into(place, self._kinds[place], self._loads.listed(place))
            if occupancy is not None:
                with self._change:
                    self._learned(self._loads.watched(place, occupancy))

        await asyncio.gather(*(see(place) for place in tuple(self._kinds) if self._loads.active(place)))

    def _take(self, place: Place, members: list[Deployment], report: EngineReport | None, occupancy: Occupancy | None) -> None:
        with self._change:
            if report is not None and report.problem is None:
                self._kinds[place] = report.kind
            here = [one.id for one in members if one.id in self._deployments and place_of(self._deployments[one.id]) == place]
            for name in here:
                self._saw(name, report)
            if report is not None and report.serves:
                self._learned(self._loads.seen(place, here, report, occupancy))

    def _saw(self, deployment_id: str, report: EngineReport | None) -> None:
        deployment, live = self._deployments[deployment_id], self._live[deployment_id]
        self._changed(deployment_id, live)
        if report is None:
            if live.unanswered():
                self._learned(self._loads.gone(deployment_id))
            return
        self._alter(deployment, live.seen_in(report, deployment))
        if live.up and live.breaker.unreachable:
            live.breaker.forgive(self._clock())
            self._offer(deployment_id)

    def _enter(self, deployment_id: str, anyway: bool = False) -> Admission:
        live = self._live.get(deployment_id) or self._live.setdefault(deployment_id, Live())
        half_open = not (live.breaker.closed or anyway)
        if half_open and (left_s := live.breaker.left_s(self._clock())) > 0:
            return Admission(deployment_id, begun=False, retry_s=left_s)
        deployment = self._deployments.get(deployment_id)
        if deployment is not None and deployment.max_parallel is not None and live.in_flight >= deployment.max_parallel:
            return Admission(deployment_id, begun=False, queue=True)
        engine = self._loads.engine(deployment_id)
        if engine and not may_call(engine, deployment_id, self._slots.queue, now=self._clock(), batch_s=self.batch_s):
            return Admission(deployment_id, begun=False, queue=True, swap=True)
        if half_open and not live.breaker.probe():
            return Admission(deployment_id, begun=False, queue=True)
        live.in_flight += 1
        self._changed(deployment_id, live)
        if engine is not None:
            engine.begin(deployment_id, self._clock())
        return Admission(deployment_id, begun=True, probe=half_open, failing=live.breaker.failed_last)

    def _nobody(self, deployment_ids: Collection[str]) -> Admission:
        """Why nobody of these lets a call in: somebody may yet, or they all cool."""
        now = self._clock()
        cooling = {name: live.breaker.left_s(now) for name in deployment_ids if (live := self._live.get(name)) is not None}
        first = min(cooling, key=cooling.__getitem__, default=next(iter(deployment_ids)))
        left_s = cooling.get(first, 0.0)
        return Admission(first, begun=False, queue=left_s <= 0, retry_s=left_s if left_s > 0 else None)

    def _offer(self, deployment_id: str) -> None:
        """It may take a call now, or another one of its engine may."""
        if self._slots.queue:
            engine = self._loads.engine(deployment_id)
            self._slots.offer((deployment_id,) if engine is None else (*engine.members, deployment_id), self._enter)

    def _queued(self, deployment_ids: Collection[str]) -> None:
        """Somebody waits for these, or does so no more: who has to wait behind them may go on then."""
        self._learned([name for name in deployment_ids if name in self._live])
        for name in deployment_ids:
            self._offer(name)

    def _took(self, deployment_id: str, latency_s: float | None, *, stream: bool) -> None:
        live = self._live.get(deployment_id)
        if live is not None and latency_s is not None:
            (live.latency if stream else live.whole_latency).see(latency_s, self._clock())
            self._changed(deployment_id, live)

    def _learned(self, deployment_ids: Collection[str]) -> None:
        """Something was learned of the memory that these deployments share."""
        for name in deployment_ids:
            live, loaded = self._live[name], self._loads.loaded(name)
            live.loaded = live.loaded if loaded is None else loaded
            live.residency, live.residency_until = self._loads.residency(name)
            if live.residency is not None and self._slots.queue:
                live.residency = replace(live.residency, queued=self._slots.waiting_for(name))
            self._changed(name, live)

    def _alter(self, before: Deployment, deployment: Deployment) -> None:
        """Something is known of a deployment that was not, or not so, before."""
        if deployment != before:
            self._deployments[deployment.id] = deployment
            self._roster = None

    def _changed(self, deployment_id: str, live: Live) -> None:
        live.snapshot = self._view = None
        self._changed_since.add(deployment_id)
