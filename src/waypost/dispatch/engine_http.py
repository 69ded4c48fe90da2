"""The HTTP of an engine that is called directly: requests to one path below a deployment's address, and what comes back.

Every failure is a ``ProviderError``. Redirects, cookies and proxy variables are not followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from waypost.dispatch.classify import from_response
from waypost.dispatch.events import Call
from waypost.dispatch.patience import Patience
from waypost.dispatch.retry_after import retry_after_s
from waypost.errors import (
    ConnectFailed,
    ConnectTimeout,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderUnavailable,
)
from waypost.fleet.deployment import Deployment
from waypost.http.connection import ConnectionBroken, HttpConnection, NotHttp
from waypost.http.deadline import Deadline
from waypost.http.pool import HttpPool
from waypost.http.target import Target, over

MAX_BODY_BYTES = 64 << 20
MAX_ERROR_BYTES = 64 << 10
# How long a refusal, whose status is here, may take to say why.
ERROR_BODY_S = 5.0
# Makes the error of a status, of what was said with it, and of the seconds that it asks to wait.
Refused = Callable[[int, bytes, float | None], ProviderError]
_FRAMING = {"content-length", "transfer-encoding", "connection"}


class EngineHttp:
    """One pool of connections for all engines that are called at ``path``, which follows the path of their ``api_base``."""

    def __init__(self, path: str, wall_clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall_clock = wall_clock
        self._pool = HttpPool()
        self._targets: dict[str, tuple[Deployment, Target]] = {}

    async def answer(self, call: Call, body: Mapping[str, Any], refused: Refused | None = None) -> HttpConnection:
        """A connection on which an answer begins. Whoever gets it releases it.

        ``refused`` makes the error of a status that is not 2xx; unset, `from_response` does.
        """
        deployment = call.deployment
        connection = await self._post(call, body)
        begun = False
        try:
            status = await connection.head()
            if connection.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
                message = f"{deployment.id} compressed its answer, though nobody asked for that"
                raise ProviderProtocolError(message, deployment=deployment.id)
            if status // 100 != 2:
                said = await _read_refusal(deployment, connection)
                pause_s = retry_after_s(connection.headers, self._wall_clock())
                raise from_response(deployment, status, said, pause_s) if refused is None else refused(status, said, pause_s)
            begun = True
        except ConnectionBroken as error:
            message = f"{deployment.id} closed the connection before it answered"
            raise ProviderUnavailable(message, deployment=deployment.id) from error
        except NotHttp as error:
            raise ProviderProtocolError(f"{deployment.id} does not answer in HTTP", deployment=deployment.id) from error
        finally:
            if not begun:
                connection.release(finished=False)
        return connection

    async def _post(self, call: Call, body: Mapping[str, Any]) -> HttpConnection:
        """A connection that the request has been written to."""
        deployment = call.deployment
        patience = Patience(call)
        try:
            payload = orjson.dumps(body, default=dict)
        except orjson.JSONEncodeError as error:
            raise ProviderRejected(
                f"the request to {deployment.id} cannot be written as JSON", deployment=deployment.id
            ) from error
        try:
            target = self._target(deployment)
            connection = await self._pool.connection(target.origin, deployment.timeouts.connect_s)
        except (asyncio.TimeoutError, OSError, ValueError) as error:
            raise _connection_error(deployment, error) from error
        connection.send(b"%sContent-Length: %d\r\n\r\n" % (target.head, len(payload)), payload, patience)
        return connection

    async def close(self) -> None:
        """Gives back all connections."""
        await self._pool.close()

    def _target(self, deployment: Deployment) -> Target:
        """Where and how the deployment is called, made once for as long as it stays as it is."""
        known = self._targets.get(deployment.id)
        if known is None or known[0] is not deployment:
            known = self._targets[deployment.id] = deployment, _target(deployment, self._path)
        return known[1]


async def read_piece(deployment: Deployment, connection: HttpConnection) -> bytes:
    """The next bytes of the answer; empty at its end."""
    try:
        return await connection.read()
    except (ConnectionBroken, NotHttp) as error:
        message = f"{deployment.id} broke the connection in the middle of its answer"
        raise ProviderProtocolError(message, deployment=deployment.id) from error


async def read_whole(deployment: Deployment, connection: HttpConnection, limit: int) -> bytes:
    """All of the answer, up to ``limit`` bytes."""
    pieces: list[bytes] = []
    size = 0
    while True:
        rest = connection.rest()
        data = await read_piece(deployment, connection) if rest is None else rest
        pieces.append(data)
        size += len(data)
        if size > limit:
            message = f"{deployment.id} answered with more than {limit} bytes"
            raise ProviderProtocolError(message, deployment=deployment.id)
        if rest is not None or not data:
            return b"".join(pieces)


async def _read_refusal(deployment: Deployment, connection: HttpConnection) -> bytes:
    """What a refusal says, as far as it comes in time; empty if it says nothing."""
    try:
        with Deadline(ERROR_BODY_S):
            return await read_whole(deployment, connection, MAX_ERROR_BYTES)
    except (ProviderError, asyncio.TimeoutError):
        return b""


def _target(deployment: Deployment, path: str) -> Target:
    """Where and how every request to the deployment goes. Raises ``ValueError`` for what cannot be sent."""
    if deployment.api_base is None:
        raise ValueError("no address")
    headers = {"Content-Type": "application/json"}
    if deployment.api_key is not None:
        headers["Authorization"] = f"Bearer {deployment.api_key.reveal()}"
    if _FRAMING & {name.lower() for name in deployment.headers}:
        raise ValueError("a header that says where the request ends")
    return Target.of("POST", deployment.api_base, over(headers, deployment.headers), below=path)


def _connection_error(deployment: Deployment, error: Exception) -> ProviderError:
    """The error for a call that got no connection; it never quotes the library, whose words hold host and port."""
    name = deployment.id
    if isinstance(error, asyncio.TimeoutError):
        seconds = deployment.timeouts.connect_s
        message = f"{name} did not accept a connection within {seconds:g} s (connect timeout)"
        return ConnectTimeout(message, deployment=name)
    if isinstance(error, socket.gaierror):
        why = "cannot be reached: the host name of its api_base is unknown"
    elif isinstance(error, ssl.SSLError):
        why = "cannot be reached: its TLS certificate or handshake failed"
    elif isinstance(error, OSError):
        why = "cannot be reached: the connection was refused or failed"
    elif deployment.api_base is None:
        why = "has no api_base; set it in the config"
    else:
        why = "cannot be called: its api_base or a header of it is not valid"
    return ConnectFailed(f"{name} {why}", deployment=name)
