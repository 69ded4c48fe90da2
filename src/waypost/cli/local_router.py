"""A router for commands that decide without serving."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from waypost.cli.output import console
from waypost.errors import LedgerError
from waypost.http.session import HttpSession
from waypost.ledger import MemoryLedger, open_ledger
from waypost.router import Router
from waypost.startup import put_in_force, read_config


async def local_router(path: Path | None) -> Router:
    """A router with the fleet and the corrections that `waypost serve` would start with. It records nothing.

    Standard error says so if the fleet is simulated.
    """
    config = read_config(path)
    ledger = MemoryLedger(capacity=1)
    with suppress(LedgerError):  # there is none yet, or it is of another version
        ledger.add_corrections(open_ledger(config.ledger).corrections())
    router = Router(config, ledger=ledger)
    async with HttpSession() as session:
        assembly = await put_in_force(router, config, session)
    if assembly.simulated:
        console(stderr=True).print("No engine was found: this is the simulated fleet.", style="yellow")
    return router
