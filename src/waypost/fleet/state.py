"""The fleet as it is right now: who is up, loaded, busy or cooling."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from waypost.errors import ProviderAuthFailed, ProviderError, ProviderRateLimited
from waypost.fleet.breaker import FIRST_BACK_OFF_S, Breaker, pause_s
from waypost.fleet.deployment import Deployment, Status
from waypost.fleet.latency import Latency
from waypost.fleet.places import Place, concerning, is_missing, kind_hint, learn, place_of, places, recognised, remember, reported
from waypost.fleet.sessions import Sessions
from waypost.fleet.slots import Admission, Slots, Waiter
from waypost.fleet.view import FleetView
from waypost.turn import EMPTY

if TYPE_CHECKING:
    import aiohttp

    from waypost.fleet.report import EngineReport

# A busy engine may miss one look.
_LOOKS_TO_BE_DOWN = 2


@dataclass(slots=True)
class _Live:
    """What changes about one deployment. ``key_rests``: until when a key of several is left alone, by its position from 0."""

    up: bool | None = None
    loaded: bool | None = None
    seen: str | None = None
    in_flight: int = 0
    missed_looks: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    key_rests: dict[int, float] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    whole_latency: Latency = field(default_factory=Latency)
    snapshot: Status | None = None
    snapshot_until: float = 0.0

    def status(self, now: float) -> Status:
        """The status as a value; made again only after a change, or while time alone changes it."""
        if self.snapshot is not None and now < self.snapshot_until:
            return self.snapshot
        left_s = 0.0 if self.breaker.closed else self.breaker.left_s(now)
        probing, first_s, whole_s = self.breaker.probing, self.latency.value(now), self.whole_latency.value(now)
        if left_s <= 0 and not self.key_rests:
            self.snapshot = Status(self.up, self.seen, self.loaded, self.in_flight, None, probing, (), first_s, whole_s)
            self.snapshot_until = min(self.latency.until(now), self.whole_latency.until(now))
            return self.snapshot
        self.key_rests = {key: until for key, until in self.key_rests.items() if until > now}
        cooling_s, said = (left_s, self.breaker.trouble) if left_s > 0 else (None, self.seen)
        resting = tuple(sorted(self.key_rests))
        return Status(self.up, said, self.loaded, self.in_flight, cooling_s, probing, resting, first_s, whole_s)


class Fleet:
    """Deployments and how each is. Reading is cheap and never waits; every change shows in the next `view`.

    ``clock`` gives seconds and never goes back; ``rng`` gives numbers from 0 to 1, for the jitter of cooldowns. Methods may be
    called from any thread; `refresh` belongs to one loop. An id that the fleet does not have may be used everywhere, and shows
    nowhere: a request may outlive its deployment.
    """

    def __init__(
        self, deployments: Iterable[Deployment], *, clock: Callable[[], float], rng: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._slots = Slots()
        # Re-entrant: an answer that is collected as garbage ends its call, whatever its thread is doing just then.
        self._change = threading.RLock()
        self._refreshing = asyncio.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._live: dict[str, _Live] = {}
        self._kinds: dict[Place, str] = {}
        self._sessions = Sessions(clock=clock)
        self._view: FleetView | None = None
        self._statuses: dict[str, Status] = {}
        # Who has changed since those statuses were taken, and when the first of the others changes by itself.
        self._changed_since: set[str] = set()
        self._statuses_until = -math.inf
        self.replace(deployments)

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
            view = FleetView(tuple(self._deployments.values()), MappingProxyType(statuses))
            self._view = None if self._changed_since else view
            return view

    def view_for(self, session: str | None, view: FleetView | None = None) -> FleetView:
        """A view (unset: of now) with who answered this conversation last, unless their last call failed."""
        view = self.view() if view is None else view
        if session is None:
            return view
        with self._change:
            known = [
                name for name in self._sessions.of(session) if name in self._live and not self._live[name].breaker.failed_last
            ]
        return FleetView(view.deployments, view.statuses, tuple(known)) if known else view

    def replace(self, deployments: Iterable[Deployment]) -> None:
        """Puts other deployments in place; of two with one id the first counts.

        Those that stay keep their status and what their engine said; requests under way stay counted. One that moved to another
        engine, model or key starts afresh: what was known of it is no longer true.
        """
        arriving: dict[str, Deployment] = {}
        for deployment in deployments:
            arriving.setdefault(deployment.id, deployment)
        with self._change:
            for name, deployment in arriving.items():
                live, before = self._live.get(name), self._deployments.get(name)
                if live is None or before is None or _identity(before) != _identity(deployment):
                    self._live[name] = _Live(in_flight=live.in_flight if live else 0)
                else:
                    arriving[name] = remember(deployment, before)
            self._deployments = arriving
            self._live = {name: live for name, live in self._live.items() if name in arriving or live.in_flight}
            here = set(map(place_of, arriving.values()))
            self._kinds = {place: kind for place, kind in self._kinds.items() if place in here}
            self._view, self._statuses_until = None, -math.inf

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

        A caller who is cancelled leaves the queue at once.
        """
        waiter = Waiter(deployment_ids)
        with self._change:
            self._slots.join(waiter)
            for name in deployment_ids:  # what has become free since it was asked
                self._offer(name)
            nobody = self._nobody(deployment_ids)
            if waiter.admission is None and nobody.retry_s is not None:
                self._slots.leave(waiter)
                return nobody
        left = True
        try:
            await waiter.wait(wait_s)
            left = False
        finally:
            with self._change:
                self._slots.leave(waiter)
            if left and waiter.admission is not None:
                self.end(waiter.admission.deployment, probe=waiter.admission.probe)
        if waiter.admission is not None:
            return waiter.admission
        with self._change:
            return self._nobody(deployment_ids)

    def end(self, deployment_id: str, *, probe: bool = False) -> None:
        """A call is over, however it went: whoever waits for its slot gets it."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is None:
                return
            live.in_flight = max(0, live.in_flight - 1)
            if probe:
                live.breaker.release()
            if not live.in_flight and deployment_id not in self._deployments:
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

    def answered(self, deployment_id: str, latency_s: float | None, *, stream: bool, session: str | None) -> None:
        """It gave its first output after ``latency_s`` seconds, or its whole answer where that is not streamed."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is None:
                return
            if latency_s is not None:
                (live.latency if stream else live.whole_latency).see(latency_s, self._clock())
                self._changed(deployment_id, live)
            if session is not None:
                self._sessions.answered(session, deployment_id)

    def p95_s(self, deployment_id: str, *, stream: bool) -> float | None:
        """The 95th percentile of what `answered` was told last; ``None`` while too little is known."""
        with self._change:
            live = self._live.get(deployment_id)
            return None if live is None else (live.latency if stream else live.whole_latency).p95()

    def succeeded(self, deployment_id: str) -> None:
        """It answered to the end: earlier failures are forgiven."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is not None:
                live.up, live.missed_looks, live.seen = True, 0, None
                live.breaker.success(self._clock())
                self._changed(deployment_id, live)

    def failed(self, deployment_id: str, error: ProviderError, *, key: int | None = None) -> None:
        """It failed. What lies in the request never counts against the deployment; a cooldown is never shortened.

        ``key`` is the position of the key that was used, where there are several: a key that is refused or rate limited rests
        alone, and the deployment cools only when all of its keys rest.
        """
        with self._change:
            live, deployment = self._live.get(deployment_id), self._deployments.get(deployment_id)
            if live is None or deployment is None:
                return
            now = self._clock()
            if key is not None and isinstance(error, (ProviderAuthFailed, ProviderRateLimited)):
                until = now + (pause_s(error) or FIRST_BACK_OFF_S)
                live.key_rests[key] = max(live.key_rests.get(key, 0.0), until)
                resting = [until for until in live.key_rests.values() if until > now]
                if len(resting) >= len(deployment.api_keys):
                    live.breaker.trouble = error.message
                    live.breaker.pause(min(resting))
            else:
                live.breaker.failure(error, now, self._rng)
            if live.breaker.left_s(now) > 0:
                self._slots.withdraw(deployment_id)
            self._changed(deployment_id, live)

    async def refresh(
        self,
        session: aiohttp.ClientSession,
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

        async def see(place: Place, members: list[Deployment]) -> None:
            known = place.api_key is None and place.engine in seen
            report = seen[place.engine] if known else await self._look(session, place, members, timeout_s)
            self._take(place, members, report)

        async with self._refreshing:
            await asyncio.gather(*(see(*entry) for entry in places(self._deployments.values(), seen).items()))

    async def _look(
        self, session: aiohttp.ClientSession, place: Place, members: list[Deployment], timeout_s: float
    ) -> EngineReport | None:
        from waypost.fleet.engines import look  # noqa: PLC0415 - deciding needs no HTTP client, and importing one is slow

        kind = self._kinds.get(place) or kind_hint(members)
        names = {deployment.model for deployment in members}
        return await look(session, place.url, kind=kind, timeout_s=timeout_s, api_key=place.api_key, only=names)

    def _take(self, place: Place, members: list[Deployment], report: EngineReport | None) -> None:
        with self._change:
            if report is not None and report.problem is None:
                self._kinds[place] = report.kind
            for deployment in members:
                self._saw(deployment.id, place, report)

    def _saw(self, deployment_id: str, place: Place, report: EngineReport | None) -> None:
        deployment = self._deployments.get(deployment_id)
        if deployment is None or place_of(deployment) != place:
            return
        live = self._live[deployment_id]
        self._changed(deployment_id, live)
        if report is None:
            live.missed_looks += 1
            if live.up is None or live.missed_looks >= _LOOKS_TO_BE_DOWN:
                live.up, live.loaded = False, None
                live.seen = "no engine answers; start it, or correct its api_base"
            return
        live.missed_looks = 0
        report = concerning(deployment, report)
        model = reported(report, deployment)
        missing = is_missing(report, deployment)
        live.up, live.seen = report.serves and not missing, report.problem
        live.loaded = model.loaded if model else None
        if live.up and live.breaker.unreachable:
            live.breaker.forgive(self._clock())
            self._offer(deployment_id)
        if missing:
            live.seen = f"its engine has no model {deployment.model}"
        deployment = recognised(deployment, report)
        self._deployments[deployment_id] = deployment if model is None else learn(deployment, model)

    def _enter(self, deployment_id: str, anyway: bool = False) -> Admission:
        live = self._live.get(deployment_id) or self._live.setdefault(deployment_id, _Live())
        half_open = not (live.breaker.closed or anyway)
        if half_open and (left_s := live.breaker.left_s(self._clock())) > 0:
            return Admission(deployment_id, begun=False, retry_s=left_s)
        deployment = self._deployments.get(deployment_id)
        if deployment is not None and deployment.max_parallel is not None and live.in_flight >= deployment.max_parallel:
            return Admission(deployment_id, begun=False, queue=True)
        if half_open and not live.breaker.probe():
            return Admission(deployment_id, begun=False, queue=True)
        live.in_flight += 1
        self._changed(deployment_id, live)
        return Admission(deployment_id, begun=True, probe=half_open, failing=live.breaker.failed_last)

    def _nobody(self, deployment_ids: Collection[str]) -> Admission:
        """Why nobody of these lets a call in: somebody may yet, or they all cool."""
        now = self._clock()
        cooling = {name: live.breaker.left_s(now) for name in deployment_ids if (live := self._live.get(name)) is not None}
        first = min(cooling, key=cooling.__getitem__, default=next(iter(deployment_ids)))
        left_s = cooling.get(first, 0.0)
        return Admission(first, begun=False, queue=left_s <= 0, retry_s=left_s if left_s > 0 else None)

    def _offer(self, deployment_id: str) -> None:
        if self._slots.queue:
            self._slots.offer(deployment_id, lambda: self._enter(deployment_id))

    def _changed(self, deployment_id: str, live: _Live) -> None:
        live.snapshot = self._view = None
        self._changed_since.add(deployment_id)


def _identity(deployment: Deployment) -> tuple[object, ...]:
    keys = deployment.api_keys or deployment.api_key
    return deployment.lane, deployment.provider, deployment.model, deployment.api_base, keys
