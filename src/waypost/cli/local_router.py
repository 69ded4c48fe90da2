"""A router for commands that decide without serving."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from waypost.ledger import MemoryLedger
from waypost.router import Router
from waypost.startup import Assembly, assemble, read_config


async def local_router(path: Path | None) -> tuple[Router, Assembly]:
    """A router with the fleet that `waypost serve` would start with. It records nothing."""
    config = read_config(path)
    router = Router(config, ledger=MemoryLedger(capacity=1))
    async with aiohttp.ClientSession() as session:
        assembly = await assemble(config, session)
        router.apply(config, assembly.deployments, assembly.routes)
        await router.fleet.refresh(session)
    return router, assembly
