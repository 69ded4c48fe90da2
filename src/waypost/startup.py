"""What stands behind a config: its deployments as their engines are, what was found besides, or a simulation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.config import Config, load, loads
from waypost.config.bundles import drops, lacking
from waypost.decide.policy import Policy
from waypost.defaults import CONFIG_FILE
from waypost.errors import ArtefactError
from waypost.fleet.deployment import Deployment
from waypost.fleet.discovery import DEFAULT_TARGETS, Discovery, discover
from waypost.fleet.simulated import simulated_fleet, simulated_routes
from waypost.http.session import HttpSession
from waypost.turn import empty

if TYPE_CHECKING:
    from waypost.router import Router

_log = logging.getLogger("waypost")


@dataclass(frozen=True, slots=True)
class Assembly:
    """A fleet ready to serve. ``simulated`` says that there is no engine behind it; ``found`` is what discovery saw."""

    deployments: tuple[Deployment, ...]
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    simulated: bool = False
    found: Discovery = field(default_factory=Discovery)

    @property
    def looked(self) -> tuple[str, ...]:
        """One line for each address where an engine was looked for."""
        return self.found.lines


def read_config(path: Path | None) -> Config:
    """The named file, else ``waypost.yaml`` if it is here, else an empty config, which means discovery."""
    if path is None and not CONFIG_FILE.exists():
        return loads("", name="defaults")
    return load(path or CONFIG_FILE)


async def put_in_force(router: Router, config: Config, session: HttpSession, before: Assembly | None = None) -> Assembly:
    """Gives the router a config and the fleet behind it, and looks once at every engine of that fleet.

    Only metadata is asked for; nothing is generated, and nothing is loaded. ``before`` is what was in force until now: what it
    found stays until its engine says otherwise.
    """
    assembly = await _assemble(config, session, before)
    # Whatever is being answered meanwhile must not wait for it.
    await asyncio.to_thread(router.learn, config.setup.policy)
    try:
        await asyncio.to_thread(router.quality.follow, config.quality, config.setup.policy)
    except ArtefactError as error:
        _log.error("the estimates of quality stay those that were in force: %s", error.message)
    told = _dropped(router.view().deployments, router.policy) | _dropped(config.setup.deployments, config.setup.policy)
    router.apply(config, assembly.deployments, assembly.routes)
    await router.fleet.refresh(session, assembly.found.reports, timeout_s=config.discovery.timeout_s)
    for line in sorted(_dropped(router.view().deployments, router.policy) - told):
        _log.warning("%s", line)
    return assembly


def _dropped(deployments: Sequence[Deployment], policy: Policy) -> frozenset[str]:
    """A line for each setting that an engine is known not to have. What the config alone tells is among its warnings."""
    return frozenset(lacking(deployment, name) for _, deployment, name in drops(deployments, policy))


async def _assemble(config: Config, session: HttpSession, before: Assembly | None) -> Assembly:
    """The deployments of the config, and others where it wants that; five simulated ones, if there never was a real one.

    Who has had answers of engines must not get made-up ones, whatever becomes of the engines.
    """
    listed = config.setup.deployments
    if not config.discovery.enabled:
        return Assembly(listed)
    found = await discover(
        session,
        config.discovery.targets or DEFAULT_TARGETS,
        timeout_s=config.discovery.timeout_s,
        beside=listed,
        before=before.found.deployments if before else (),
    )
    deployments = (*listed, *found.deployments)
    if deployments or not (before is None or before.simulated):
        return Assembly(deployments, found=found)
    return Assembly(simulated_fleet(), simulated_routes(), simulated=True, found=found)
