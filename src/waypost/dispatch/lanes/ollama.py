"""The lane to Ollama, in Ollama's own words: ``/api/chat``, where every parameter of it takes effect.

What it was written from, and how that can be checked against an Ollama: docs/local-engines.md.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from functools import partial

import orjson

from waypost.dispatch.engine_http import MAX_BODY_BYTES, EngineHttp, read_piece, read_whole
from waypost.dispatch.events import Call, Event
from waypost.dispatch.ollama_answer import OllamaAnswer
from waypost.dispatch.ollama_errors import ollama_error
from waypost.dispatch.ollama_request import ollama_request
from waypost.dispatch.sse import MAX_EVENT_BYTES
from waypost.errors import ProviderError


class OllamaLane:
    """Calls ``/api/chat`` below the ``api_base`` of a deployment, which is the address of the Ollama without ``/v1``."""

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
        self._http = EngineHttp("/api/chat", wall_clock)

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        """The answer, line by line for a stream and as one event otherwise. Closing it closes the connection."""
        deployment = call.deployment
        sent = ollama_request(call)
        finished = False
        connection = await self._http.answer(call, sent, partial(_refusal, call))
        try:
            answer = OllamaAnswer(call, sent, self._max_event_bytes, clock=self._wall_clock)
            if not call.stream:
                yield answer.whole(await read_whole(deployment, connection, self._max_body_bytes))
                return
            while not answer.done:
                data = await read_piece(deployment, connection)
                for event in answer.feed(data) if data else answer.end():
                    yield event
                if not data:
                    return
            finished = True
        finally:
            connection.release(finished=finished)

    async def close(self) -> None:
        """Gives back all connections."""
        await self._http.close()


def _refusal(call: Call, status: int, said: bytes, retry_after: float | None) -> ProviderError:
    try:
        parsed = orjson.loads(said)
    except orjson.JSONDecodeError:
        parsed = None
    return ollama_error(call, status, parsed, retry_after)
