"""Looks at engines: what each is, and what it has in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from waypost.fleet.deployment import Deployment
from waypost.fleet.engines import look
from waypost.fleet.loads import Loads
from waypost.fleet.occupancy import read_occupancy
from waypost.fleet.places import Place, kind_hint
from waypost.fleet.probe import Probe
from waypost.fleet.report import EngineReport, Occupancy
from waypost.http.session import HttpSession


class Looks:
    """Looks at places, each of which may take ``timeout_s`` twice: for what an engine is, and for what it has in memory."""

    def __init__(self, session: HttpSession, loads: Loads, timeout_s: float) -> None:
        self._session = session
        self._loads = loads
        self._timeout_s = timeout_s

    async def at(
        self, place: Place, members: Collection[Deployment], kind: str | None, seen: Mapping[str, EngineReport | None]
    ) -> tuple[EngineReport | None, Occupancy | None]:
        """What runs at a place, for the deployments that are there. ``kind`` is a guess, ``seen`` are looks that were taken."""
        if place.api_key is None and place.engine in seen:
            report = seen[place.engine]
        else:
            kind = kind or kind_hint(members)
            names = {deployment.model for deployment in members}
            report = await look(
                self._session, place.url, kind=kind, timeout_s=self._timeout_s, api_key=place.api_key, only=names
            )
        if report is None or not report.serves:
            return report, None
        return report, await self.into(place, report.kind, [model.name for model in report.models])

    async def into(self, place: Place, kind: str, listed: Sequence[str]) -> Occupancy | None:
        """What an engine of a known kind has in memory; ``None`` if it does not say. ``listed`` are the models that it has."""
        probe = Probe(self._session, place.url, timeout_s=self._timeout_s, api_key=place.api_key)
        busy, sleeps = self._loads.busy(place), self._loads.wakes(place)
        return await read_occupancy(probe, kind, listed, busy=busy, sleeps=sleeps)
