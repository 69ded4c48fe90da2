"""Signs of life in a stream that has nothing to say yet, for proxies that close a connection on which nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.types import Send

from waypost.decide.card import Decision
from waypost.fleet.view import FleetView
from waypost.server.headers import safe_value
from waypost.server.reply import header_list

PING = "ping"


def note_of(decision: Decision, fleet: FleetView) -> str:
    """What a ping says: that the first candidate has to be loaded, and about how long that takes, else nothing."""
    first = decision.candidates[0] if decision.candidates else None
    residency = None if first is None else fleet.status(first.deployment).residency
    if first is None or residency is None:
        return PING
    memory = fleet.memories.get(residency.engine)
    if not first.loads and (memory is None or memory.loading != residency.weights):
        return PING
    about = "" if residency.load_s is None else f", about {residency.load_s:.0f} s"
    return f"loading {safe_value(first.model)}{about}"


class Pings:
    """Begins a stream before its answer does. Once it has ``begun``, its status is 200 and its headers are sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    @asynccontextmanager
    async def every(self, seconds: float, headers: Mapping[str, str], ping: Callable[[], bytes]) -> AsyncIterator[None]:
        """Sends a ``ping`` while the block runs, for the first time after ``seconds``."""
        pinging = asyncio.create_task(self._ping(seconds, headers, ping))
        try:
            yield
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)

    async def _ping(self, seconds: float, headers: Mapping[str, str], ping: Callable[[], bytes]) -> None:
        while True:
            await asyncio.sleep(seconds)
            if not self.begun:
                await self._send({"type": "http.response.start", "status": 200, "headers": header_list(headers)})
                self.begun = True
            await self._send({"type": "http.response.body", "body": ping(), "more_body": True})
