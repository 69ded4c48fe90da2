"""Signs of life in a stream that has nothing to say yet, for proxies that close a connection on which nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.types import Send

from waypost.server.reply import header_list


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
