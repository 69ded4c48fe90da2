"""The fleet as it is right now: who is up, loaded, busy or cooling."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from waypost.errors import (
    ConnectFailed,
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
)
from waypost.fleet.deployment import Deployment, Status
from waypost.fleet.latency import Latency
from waypost.fleet.places import Place, is_missing, kind_hint, learn, place_of, places, remember, reported
from waypost.fleet.sessions import Sessions
from waypost.fleet.view import FleetView
from waypost.turn import EMPTY

if TYPE_CHECKING:
    import aiohttp

    from waypost.fleet.report import EngineReport

# Short enough that a restarted engine is soon used again, growing so that a dead one is not asked all the time.
FIRST_BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 60.0
AUTH_PAUSE_S = 60.0
# An engine may ask for any pause; more than this is taken for a mistake.
LONGEST_PAUSE_S = 3600.0
# These fail every request alike; other failures may lie in one request, so several in a row are needed.
_AT_ONCE = (ConnectFailed, ProviderTimeout)
_PATIENCE = 3
# A busy engine may miss one look.
_LOOKS_TO_BE_DOWN = 2


@dataclass(slots=True)
class _Live:
    """What changes about one deployment."""

    up: bool | None = None
    loaded: bool | None = None
    seen: str | None = None
    in_flight: int = 0
    missed_looks: int = 0
    failures: int = 0
    failed_last: bool = False
    unreachable: bool = False
    back_offs: int = 0
    trouble: str | None = None
    back_off_until: float = 0.0
    pause_until: float = 0.0
    latency: Latency = field(default_factory=Latency)
    whole_latency: Latency = field(default_factory=Latency)
    snapshot: Status | None = None
    snapshot_until: float = 0.0

    def status(self, now: float) -> Status:
        """The status as a value; made again only after a change, or while it cools."""
        left_s = max(self.back_off_until, self.pause_until) - now
        first_s, whole_s = self.latency.value(now), self.whole_latency.value(now)
        if left_s > 0:
            self.snapshot = None
            return Status(
                self.up, self.trouble, self.loaded, self.in_flight, left_s, latency_s=first_s, whole_latency_s=whole_s
            )
        if self.snapshot is None or now >= self.snapshot_until:
            self.snapshot = Status(
                self.up, self.seen, self.loaded, self.in_flight, None, latency_s=first_s, whole_latency_s=whole_s
            )
            self.snapshot_until = min(self.latency.until(now), self.whole_latency.until(now))
        return self.snapshot

    def forgive(self) -> None:
        """Failures end here. A pause that the engine asked for lasts all the same."""
        self.failures, self.back_offs, self.back_off_until, self.unreachable = 0, 0, 0.0, False


class Fleet:
    """Deployments and how each is. Reading is cheap and never waits; every change shows in the next `view`.

    ``clock`` gives seconds and never goes back. Methods may be called from any thread; `refresh` belongs to one loop.
    An id that the fleet does not have may be used everywhere, and shows nowhere: a request may outlive its deployment.
    """

    def __init__(self, deployments: Iterable[Deployment], *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._change = threading.Lock()
        self._refreshing = asyncio.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._live: dict[str, _Live] = {}
        self._kinds: dict[Place, str] = {}
        self._sessions = Sessions(clock=clock)
        self._view: FleetView | None = None
        self._view_until = math.inf
        self.replace(deployments)

    def view(self) -> FleetView:
        """The fleet at this moment; the same object as before if nothing has changed."""
        view = self._view
        if view is not None and self._clock() < self._view_until:
            return view
        with self._change:
            now = self._clock()
            statuses = {name: self._live[name].status(now) for name in self._deployments}
            view = FleetView(tuple(self._deployments.values()), MappingProxyType(statuses))
            if all(status.cooling_s is None for status in statuses.values()):
                self._view = view
                self._view_until = min((self._live[name].snapshot_until for name in statuses), default=math.inf)
            return view

    def view_for(self, session: str | None, view: FleetView | None = None) -> FleetView:
        """A view (unset: of now) with who answered this conversation last, unless their last call failed."""
        view = self.view() if view is None else view
        if session is None:
            return view
        with self._change:
            known = [name for name in self._sessions.of(session) if name in self._live and not self._live[name].failed_last]
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
            self._view = None

    def begin(self, deployment_id: str) -> None:
        """A request is on its way."""
        with self._change:
            live = self._live.setdefault(deployment_id, _Live())
            live.in_flight += 1
            self._changed(live)

    def end(self, deployment_id: str) -> None:
        """A request is over, however it went."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is None:
                return
            live.in_flight = max(0, live.in_flight - 1)
            if not live.in_flight and deployment_id not in self._deployments:
                del self._live[deployment_id]
            self._changed(live)

    def answered(self, deployment_id: str, latency_s: float | None, *, stream: bool, session: str | None) -> None:
        """It gave its first output after ``latency_s`` seconds, or its whole answer where that is not streamed."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is None:
                return
            if latency_s is not None:
                (live.latency if stream else live.whole_latency).see(latency_s, self._clock())
                self._changed(live)
            if session is not None:
                self._sessions.answered(session, deployment_id)

    def p95_s(self, deployment_id: str, *, stream: bool) -> float | None:
        """The 95th percentile of what `answered` was told last; ``None`` while too little is known."""
        with self._change:
            live = self._live.get(deployment_id)
            return None if live is None else (live.latency if stream else live.whole_latency).p95()

    def succeeded(self, deployment_id: str) -> None:
        """It answered: earlier failures are forgiven."""
        with self._change:
            live = self._live.get(deployment_id)
            if live is not None:
                live.up, live.missed_looks, live.seen, live.failed_last = True, 0, None, False
                live.forgive()
                self._changed(live)

    def failed(self, deployment_id: str, error: ProviderError) -> None:
        """It failed. What lies in the request never counts against the deployment; a cooldown is never shortened."""
        if isinstance(error, (ProviderRejected, ProviderContextTooLong)):
            return
        with self._change:
            live = self._live.get(deployment_id)
            if live is None or deployment_id not in self._deployments:
                return
            now, asked_s = self._clock(), _believable(error.retry_after_s)
            live.failures += 1
            live.failed_last = True
            if isinstance(error, ProviderAuthFailed):
                live.pause_until = max(live.pause_until, now + AUTH_PAUSE_S)
            elif asked_s is not None:
                live.pause_until = max(live.pause_until, now + asked_s)
            elif isinstance(error, ProviderRateLimited):
                live.pause_until = max(live.pause_until, now + _next_back_off(live, now))
            elif isinstance(error, _AT_ONCE) or live.failures >= _PATIENCE:
                live.back_off_until = max(live.back_off_until, now + _next_back_off(live, now))
            live.unreachable = isinstance(error, ConnectFailed)
            live.trouble = error.message
            self._changed(live)

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
        self._changed(live)
        if report is None:
            live.missed_looks += 1
            if live.up is None or live.missed_looks >= _LOOKS_TO_BE_DOWN:
                live.up, live.loaded = False, None
                live.seen = "no engine answers; start it, or correct its api_base"
            return
        live.missed_looks = 0
        model = reported(report, deployment)
        missing = is_missing(report, deployment)
        live.up, live.seen = report.serves and not missing, report.problem
        live.loaded = model.loaded if model else None
        if live.up and live.unreachable:
            live.forgive()  # whoever could not be reached has just been reached
        if missing:
            live.seen = f"its engine has no model {deployment.model}"
        if model is not None:
            self._deployments[deployment_id] = learn(deployment, model)

    def _changed(self, live: _Live) -> None:
        live.snapshot = None
        self._view = None


def _identity(deployment: Deployment) -> tuple[object, ...]:
    return deployment.lane, deployment.provider, deployment.model, deployment.api_base, deployment.api_key


def _believable(pause_s: float | None) -> float | None:
    """A pause in seconds, of at most an hour; ``None`` where none was asked for."""
    return min(pause_s, LONGEST_PAUSE_S) if pause_s is not None and pause_s > 0 else None


def _next_back_off(live: _Live, now: float) -> float:
    """The length of the next back-off. Requests that fail together make one step, not one each."""
    if max(live.back_off_until, live.pause_until) <= now:
        live.back_offs += 1
    doublings = min(max(live.back_offs, 1) - 1, 16)
    return min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0**doublings)
