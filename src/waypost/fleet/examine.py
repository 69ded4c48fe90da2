"""Finds out how the engines of a config are, and tells those that are silent apart. Only metadata is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from waypost.fleet.deployment import Deployment
from waypost.fleet.discovery import Target
from waypost.fleet.engines import look
from waypost.fleet.places import Place, kind_hint, places
from waypost.fleet.probe import Probe
from waypost.fleet.reading import mapping
from waypost.fleet.report import Examined
from waypost.http.session import HttpSession


async def examine(
    session: HttpSession, deployments: Iterable[Deployment], targets: Iterable[Target] = (), *, timeout_s: float
) -> Mapping[str, Examined]:
    """Every engine that the deployments and targets name and that may be looked at, by `Place.engine`.

    All are looked at at once; each has ``timeout_s`` to answer, and as long again to show why it did not.
    """
    found = places(deployments)
    wanted: dict[str, tuple[Place, list[Deployment]]] = {Place(one.url).engine: (Place(one.url), []) for one in targets}
    for place, members in found.items():
        _, before = wanted.get(place.engine, (place, []))
        wanted[place.engine] = (place, [*before, *members])

    async def see(place: Place, members: list[Deployment]) -> Examined:
        models = {deployment.model for deployment in members} if members else None
        kind = kind_hint(members)
        report = await look(session, place.url, kind=kind, timeout_s=timeout_s, api_key=place.api_key, only=models)
        if report is not None:
            return Examined(str(place), report)
        probe = Probe(session, place.url, timeout_s=timeout_s, api_key=place.api_key)
        listed = isinstance(mapping(await probe.get("/v1/models")).get("data"), list)
        if listed or probe.late:
            return Examined(str(place), None, "slow")
        return Examined(str(place), None, "strange" if probe.statuses else "refused")

    return dict(zip(wanted, await asyncio.gather(*(see(*one) for one in wanted.values())), strict=True))
