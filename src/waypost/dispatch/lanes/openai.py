"""The lane to every server that speaks OpenAI's chat completions: vLLM, llama.cpp, TensorRT-LLM, LM Studio, clouds.

What the engine sends goes on as the bytes that came: a chunk is parsed once, to see output, usage and errors, and not written
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping

import aiohttp
import orjson

from waypost._version import __version__
from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.classify import from_event, from_response
from waypost.dispatch.deadline import Deadline
from waypost.dispatch.events import Call, Event
from waypost.dispatch.patience import Patience
from waypost.dispatch.reading import as_chunks, error_in, is_answer, read_event
from waypost.dispatch.retry_after import retry_after_s
from waypost.dispatch.sse import MAX_EVENT_BYTES
from waypost.errors import (
    ConnectFailed,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from waypost.fleet.deployment import Deployment

MAX_BODY_BYTES = 64 << 20
MAX_ERROR_BYTES = 64 << 10
# uvicorn and llama.cpp drop an idle connection after 5 s; one that we drop first can never break under a request.
KEEP_ALIVE_S = 4.0
# How long a finished stream may take to close, so that its connection can serve again.
DRAIN_S = 0.05


class OpenAiLane:
    """One pool of connections for all engines of this dialect. Redirects, cookies and proxy variables are not followed."""

    def __init__(
        self,
        *,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._max_event_bytes = max_event_bytes
        self._max_body_bytes = max_body_bytes
        self._wall_clock = wall_clock
        self._session: aiohttp.ClientSession | None = None

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        """The answer, chunk by chunk for a stream and as one event otherwise. Closing it closes the connection."""
        patience = Patience(call)
        response = await self._post(call, patience)
        try:
            body = _Body(call.deployment, response, patience)
            if response.status // 100 != 2:
                raise await self._refusal(call.deployment, response, body)
            if not call.stream or response.content_type == "application/json":
                for event in self._read_whole(call, response, await body.whole(self._max_body_bytes)):
                    yield event
                return
            chunks = ChunkStream(call.deployment, self._max_event_bytes)
            while not chunks.done:
                data = await body.read()
                for event in chunks.feed(data) if data else chunks.end():
                    yield event
                if not data:
                    return
            await body.drain()
        finally:
            response.close()

    async def close(self) -> None:
        """Gives back all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, call: Call, patience: Patience) -> aiohttp.ClientResponse:
        deployment = call.deployment
        if deployment.api_base is None:
            raise ConnectFailed(f"{deployment.id} has no api_base; set it in the config", deployment=deployment.id)
        try:
            payload = orjson.dumps(call.body, default=dict)
        except orjson.JSONEncodeError as error:
            raise ProviderRejected(
                f"the request to {deployment.id} cannot be written as JSON", deployment=deployment.id
            ) from error
        try:
            return await patience.wait(
                self._open_session().post(
                    _url(deployment.api_base),
                    data=payload,
                    headers=_headers(deployment),
                    timeout=aiohttp.ClientTimeout(sock_connect=deployment.timeouts.connect_s),
                    allow_redirects=False,
                )
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _connection_error(deployment, error) from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"waypost/{__version__}"},
                trust_env=False,
            )
        return self._session

    async def _refusal(self, deployment: Deployment, response: aiohttp.ClientResponse, body: _Body) -> ProviderError:
        try:
            said = await body.whole(MAX_ERROR_BYTES)
        except ProviderError:
            said = b""
        return from_response(deployment, response.status, said, retry_after_s(response.headers, self._wall_clock()))

    def _read_whole(self, call: Call, response: aiohttp.ClientResponse, body: bytes) -> list[Event]:
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        if isinstance(parsed, dict):
            said = error_in(parsed)
            if said is not None:
                raise from_event(call.deployment, said)
        if not is_answer(parsed) or not any(isinstance(choice, dict) for choice in parsed["choices"]):
            what = f"{response.content_type} that is not a chat completion" if body else "an empty body"
            raise ProviderProtocolError(f"{call.deployment.id} answered with {what}", deployment=call.deployment.id)
        return as_chunks(parsed) if call.stream else [read_event(body, parsed)]


class _Body:
    """The bytes of a response, under the attempt's deadlines."""

    __slots__ = ("_content", "_deployment", "_patience")

    def __init__(self, deployment: Deployment, response: aiohttp.ClientResponse, patience: Patience) -> None:
        self._deployment = deployment
        self._content = response.content
        self._patience = patience

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            data = await self._patience.wait(self._content.readany())
        except (aiohttp.ClientError, OSError) as error:
            message = f"{self._deployment.id} broke the connection in the middle of its answer"
            raise ProviderProtocolError(message, deployment=self._deployment.id) from error
        self._patience.first_byte_came()
        return data

    async def whole(self, limit: int) -> bytes:
        """All of it, up to ``limit`` bytes."""
        pieces: list[bytes] = []
        size = 0
        while data := await self.read():
            pieces.append(data)
            size += len(data)
            if size > limit:
                message = f"{self._deployment.id} answered with more than {limit} bytes"
                raise ProviderProtocolError(message, deployment=self._deployment.id)
        return b"".join(pieces)

    async def drain(self) -> None:
        """Waits a moment for the end of a finished stream: then its connection can be used again."""
        with contextlib.suppress(asyncio.TimeoutError, aiohttp.ClientError, OSError), Deadline(DRAIN_S):
            while await self._content.readany():
                pass


def _url(api_base: str) -> str:
    """The address of chat completions; a query of the base, which may hold a key, stays behind the path."""
    place, mark, query = api_base.partition("?")
    return f"{place.rstrip('/')}/chat/completions{mark}{query}"


def _headers(deployment: Deployment) -> Mapping[str, str]:
    headers = {"Content-Type": "application/json"}
    if deployment.api_key is not None:
        headers["Authorization"] = f"Bearer {deployment.api_key.reveal()}"
    headers.update(deployment.headers)
    return headers


def _connection_error(deployment: Deployment, error: Exception) -> ProviderError:
    """The error for a call that got no response; it never quotes the library, whose words hold host and port."""
    seconds = deployment.timeouts.connect_s
    verdicts: tuple[tuple[type[Exception], type[ProviderError], str], ...] = (
        (
            aiohttp.ConnectionTimeoutError,
            ProviderTimeout,
            f"did not accept a connection within {seconds:g} s (connect timeout)",
        ),
        (aiohttp.ClientConnectorDNSError, ConnectFailed, "cannot be reached: the host name of its api_base is unknown"),
        (aiohttp.ClientSSLError, ConnectFailed, "cannot be reached: its TLS certificate or handshake failed"),
        (aiohttp.ClientConnectorError, ConnectFailed, "cannot be reached: the connection was refused or failed"),
        (ValueError, ConnectFailed, "cannot be called: its api_base or a header of it is not valid"),
        (aiohttp.ClientResponseError, ProviderProtocolError, "does not answer in HTTP"),
        (Exception, ProviderUnavailable, "closed the connection before it answered"),
    )
    kind, verdict = next((kind, verdict) for cause, kind, verdict in verdicts if isinstance(error, cause))
    return kind(f"{deployment.id} {verdict}", deployment=deployment.id)
