"""Questions over HTTP: each with its own deadline, and only as much of an answer as is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from waypost.http.connection import ConnectionBroken, HttpConnection, NotHttp
from waypost.http.deadline import Deadline
from waypost.http.pool import HttpPool
from waypost.http.target import Target
from waypost.turn import EMPTY

if TYPE_CHECKING:
    from typing_extensions import Self

# What a question may end with instead of an answer. On Python 3.10 the timeout is none of the built-in ones.
FAILURES = (ConnectionBroken, NotHttp, asyncio.TimeoutError, OSError, ValueError)
# As many files as a process may surely open, with room for others.
_AT_ONCE = 100


class HttpSession:
    """Asks, over connections that it keeps while it is open. Redirects, cookies and proxy variables are not followed."""

    def __init__(self) -> None:
        self._pool = HttpPool()
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def ask(
        self, method: str, url: str, *, timeout_s: float, headers: Mapping[str, str] = EMPTY, body: bytes | None = None
    ) -> AsyncIterator[HttpConnection]:
        """The answer, once its head is here: ``status``, ``headers``, and `HttpConnection.read` for the body.

        All of it, connecting and reading too, has ``timeout_s``. Raises one of `FAILURES`, as reading does.
        """
        time = _Time(timeout_s)
        target = Target.of(method, url, headers)
        with Deadline(time.left_s()):
            await self._gate.acquire()
        try:
            connection = await self._pool.connection(target.origin, time.left_s())
            try:
                length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
                connection.send(target.head + length + b"\r\n", body or b"", time)
                await connection.head()
                yield connection
            finally:
                connection.release()
        finally:
            self._gate.release()


async def read_up_to(connection: HttpConnection, most_bytes: int) -> bytes:
    """The body, up to a little more than ``most_bytes`` of it."""
    body = bytearray()
    while len(body) <= most_bytes and (piece := await connection.read()):
        body += piece
    return bytes(body)


class _Time:
    """One deadline for all of a question."""

    def __init__(self, timeout_s: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._at = self._now() + timeout_s

    def listen(self) -> None:
        """Silence has no deadline of its own."""

    def left_s(self, *, listening: bool = True) -> float:  # noqa: ARG002 - see `listen`
        return self._at - self._now()

    def gave_up(self) -> Exception:
        return asyncio.TimeoutError()
