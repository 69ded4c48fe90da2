"""The lane to every server that speaks OpenAI's chat completions: vLLM, llama.cpp, TensorRT-LLM, LM Studio, clouds.

What the engine sends goes on as the bytes that came: a chunk is parsed once, to see output, usage and errors, or not at all
where only its text differs from that of the one before, and written again only where it is not in the form that OpenAI's schema
promises.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import orjson

from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.classify import from_event
from waypost.dispatch.conform import Form
from waypost.dispatch.engine_http import MAX_BODY_BYTES, EngineHttp, read_piece, read_whole
from waypost.dispatch.events import Call, Event, Events
from waypost.dispatch.once import Once
from waypost.dispatch.reading import as_chunks, error_in, is_answer
from waypost.dispatch.sse import MAX_EVENT_BYTES
from waypost.errors import ProviderProtocolError
from waypost.http.connection import HttpConnection


class OpenAiLane:
    """Calls ``/chat/completions`` below the ``api_base`` of a deployment."""

    def __init__(
        self,
        *,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._max_event_bytes = max_event_bytes
        self._max_body_bytes = max_body_bytes
        self._http = EngineHttp("/chat/completions", wall_clock)

    def events(self, call: Call) -> Events:
        """The answer, chunk by chunk for a stream and as one event otherwise. Closing it closes the connection."""
        return self._chunks(call) if call.stream else Once(partial(self._whole, call))

    async def _whole(self, call: Call) -> Event:
        connection = await self._http.answer(call, call.body)
        try:
            body = await read_whole(call.deployment, connection, self._max_body_bytes)
            parsed = _completion(call, connection, body)
        finally:
            connection.release()
        return Form(call.deployment.model).completion(body, parsed)

    async def _chunks(self, call: Call) -> AsyncGenerator[Event, None]:
        deployment = call.deployment
        finished = False
        connection = await self._http.answer(call, call.body)
        try:
            content_type = _content_type(connection)
            if content_type == "application/json":
                body = await read_whole(deployment, connection, self._max_body_bytes)
                parsed = _completion(call, connection, body)
                Form(deployment.model).completion(body, parsed)
                for event in as_chunks(parsed):
                    yield event
                return
            chunks = ChunkStream(deployment, self._max_event_bytes, content_type, call.bypass)
            connection.bypass(chunks.pass_by)
            while not chunks.done:
                data = await read_piece(deployment, connection)
                for event in chunks.feed(data) if data else chunks.end():
                    yield event
                if not data:
                    return
            finished = True
        finally:
            connection.release(finished=finished)

    async def close(self) -> None:
        """Gives back all connections."""
        await self._http.close()


def _content_type(connection: HttpConnection) -> str:
    return connection.headers.get("content-type", "").partition(";")[0].strip().lower()


def _completion(call: Call, connection: HttpConnection, body: bytes) -> dict[str, Any]:
    """The answer in a body. Raises the error that is there in its place."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    read: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    said = error_in(read)
    if said is not None:
        raise from_event(call.deployment, said)
    if not is_answer(read) or dict not in map(type, read["choices"]):
        what = f"{_content_type(connection)} that is not a chat completion" if body else "an empty body"
        raise ProviderProtocolError(f"{call.deployment.id} answered with {what}", deployment=call.deployment.id)
    return read
