"""Connections, kept open between requests."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

from waypost.http.connection import HttpConnection
from waypost.http.deadline import Deadline

# uvicorn and llama.cpp drop an idle connection after 5 s; one that we drop first can never break under a request.
KEEP_ALIVE_S = 4.0


class Origin(NamedTuple):
    """Where to connect."""

    host: str
    port: int
    tls: bool


class HttpPool:
    """Connections of one event loop, as many as there are requests at once. The one used last serves next."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[HttpConnection]] = {}
        self._open: dict[HttpConnection, Origin] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    async def connection(self, origin: Origin, connect_s: float) -> HttpConnection:
        """A connection to ``origin``, an idle one or a new one.

        Raises ``TimeoutError`` after ``connect_s`` seconds, ``OSError`` (``socket.gaierror``, ``ssl.SSLError``), or
        ``UnicodeError`` for a host that cannot be one.
        """
        idle = self._idle.get(origin)
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE_S
        while idle:
            connection = idle.pop()
            if connection.idle_since > oldest and connection.is_quiet():
                return connection
            connection.close()
        return await self._connect(origin, connect_s)

    async def close(self) -> None:
        """Closes all connections, those in use too."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in list(self._open):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports close in the next turn of the loop

    async def _connect(self, origin: Origin, connect_s: float) -> HttpConnection:
        tls: ssl.SSLContext | None = None
        if origin.tls:
            tls = self._tls = self._tls or ssl.create_default_context()
        with Deadline(connect_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: HttpConnection(self._give_back, self._forget), origin.host, origin.port, ssl=tls
            )
        self._open[connection] = origin
        return connection

    def _give_back(self, connection: HttpConnection) -> None:
        origin = self._open.get(connection)
        if origin is None:
            connection.close()
            return
        self._idle.setdefault(origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._sweep)

    def _forget(self, connection: HttpConnection) -> None:
        origin = self._open.pop(connection, None)
        idle = self._idle.get(origin) if origin is not None else None
        if idle and connection in idle:
            idle.remove(connection)

    def _sweep(self) -> None:
        """Closes what has been idle for too long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEP_ALIVE_S
        for idle in self._idle.values():
            for connection in [one for one in idle if one.idle_since <= oldest]:
                idle.remove(connection)
                connection.close()
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}
        self._sweeping = loop.call_later(KEEP_ALIVE_S, self._sweep) if self._idle else None
