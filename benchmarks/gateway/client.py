"""An HTTP/1.1 client for measuring: a request goes out as the bytes that it is, and the answer's body comes back in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools


def _ignore(_: bytes) -> None:
    pass


class Connection(asyncio.Protocol):
    """One connection that is kept, with one request at a time."""

    def __init__(self) -> None:
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._on_body: Callable[[bytes], None] = _ignore
        self._answered: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether another request can go out here."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, on_body: Callable[[bytes], None] = _ignore) -> int:
        """Sends, and returns the status once the answer is complete. Raises `ConnectionError` where the other side breaks off.

        ``on_body`` gets each piece of the body as it comes; by then ``status`` is the answer's.
        """
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._on_body = on_body
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Leaves."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the request that waits."""
        self._transport = None
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the answer broke off"))

    def data_received(self, data: bytes) -> None:
        """Reads on; the parser calls the ``on_`` methods."""
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        """The head of the answer."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self._on_body(body)

    def on_message_complete(self) -> None:
        """Its end."""
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self.status)


class Pool:
    """Connections to one address: an idle one is used again, and where there is none another is opened."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def ask(self, request: bytes, on_body: Callable[[bytes], None] = _ignore) -> int:
        """As `Connection.ask`."""
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                break
        else:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        status = await connection.ask(request, on_body)
        if connection.open:
            self._idle.append(connection)
        return status

    def close(self) -> None:
        """Leaves everywhere."""
        for connection in self._idle:
            connection.close()
