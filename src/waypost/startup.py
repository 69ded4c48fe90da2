"""What stands behind a config when the server starts: its deployments as their engines are, what was found, or a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from waypost.config import Config, load, loads
from waypost.defaults import CONFIG_FILE
from waypost.fleet.deployment import Deployment
from waypost.fleet.discovery import DEFAULT_TARGETS, discover, enrich
from waypost.fleet.simulated import simulated_fleet, simulated_routes
from waypost.turn import empty


@dataclass(frozen=True, slots=True)
class Assembly:
    """A fleet ready to serve. ``simulated`` says that there is no engine behind it; ``looked`` says where we looked for one."""

    deployments: tuple[Deployment, ...]
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    simulated: bool = False
    looked: tuple[str, ...] = ()


def read_config(path: Path | None) -> Config:
    """The named file, else ``waypost.yaml`` if it is here, else an empty config, which means discovery."""
    if path is None and not CONFIG_FILE.exists():
        return loads("", name=str(CONFIG_FILE))
    return load(path or CONFIG_FILE)


async def assemble(config: Config, session: aiohttp.ClientSession) -> Assembly:
    """Asks the engines of the config for what it leaves open, looks for others where the config wants that, or simulates five.

    Only metadata is asked for; nothing is generated, and nothing is loaded.
    """
    listed = await enrich(session, config.setup.deployments)
    if not config.discovery.enabled:
        return Assembly(listed)
    found = await discover(
        session, config.discovery.targets or DEFAULT_TARGETS, timeout_s=config.discovery.timeout_s, beside=listed
    )
    deployments = (*listed, *found.deployments)
    if deployments:
        return Assembly(deployments, looked=found.lines)
    return Assembly(simulated_fleet(), simulated_routes(), simulated=True, looked=found.lines)
