"""The lane of embeddings, whoever makes them: engines of OpenAI's dialect, Ollama, and what LiteLLM knows.

The answer is one event in OpenAI's form, with vectors of numbers in the order of the inputs.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import orjson

from waypost.dispatch.classify import from_event
from waypost.dispatch.engine_http import MAX_BODY_BYTES, EngineHttp, read_whole
from waypost.dispatch.events import Call, Event, Usage
from waypost.dispatch.reading import error_in
from waypost.errors import ProviderProtocolError, ProviderRejected
from waypost.fleet.deployment import Deployment
from waypost.fleet.timings import Timings
from waypost.known_settings import LOAD_TIME

_BESIDE_OPTIONS = ("model", "input", "dimensions", "keep_alive")


class Embeds(Protocol):
    """Makes embeddings as LiteLLM does: the answer in OpenAI's form, as a mapping."""

    async def embedding(self, call: Call) -> Mapping[str, Any]:
        """Raises `ProviderError`."""
        ...


class EmbeddingLane:
    """Calls ``/embeddings`` below the ``api_base`` of a deployment, or Ollama's ``/api/embed``; ``library`` calls the rest."""

    def __init__(
        self, library: Embeds, *, max_body_bytes: int = MAX_BODY_BYTES, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._library = library
        self._max_body_bytes = max_body_bytes
        self._openai = EngineHttp("/embeddings", wall_clock)
        self._ollama = EngineHttp("/api/embed", wall_clock)

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        """The vectors. Closing it closes the connection."""
        lane = call.deployment.lane
        if lane == "simulated":
            message = f"{call.deployment.id} is simulated and makes no embeddings; connect a real engine for that"
            raise ProviderRejected(message, deployment=call.deployment.id)
        if lane == "litellm":
            yield read_vectors(call, dict(await self._library.embedding(call)))
        elif lane == "ollama":
            answer = await self._ask(self._ollama, call, _to_ollama(call))
            yield replace(read_vectors(call, _from_ollama(answer)), timings=_timings(answer))
        else:
            yield read_vectors(call, await self._ask(self._openai, call, call.body))

    async def close(self) -> None:
        """Gives back all connections."""
        await self._openai.close()
        await self._ollama.close()

    async def _ask(self, http: EngineHttp, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        deployment = call.deployment
        finished = False
        connection = await http.answer(call, body)
        try:
            raw: bytes = await read_whole(deployment, connection, self._max_body_bytes)
            finished = True
        finally:
            connection.release(finished=finished)
        return _parsed(deployment, raw)


def _parsed(deployment: Deployment, raw: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise _no_embedding(deployment)
    said = error_in(answer) if "data" not in answer and "embeddings" not in answer else None
    if said is not None:
        raise from_event(deployment, said)
    return answer


def read_vectors(call: Call, answer: dict[str, Any]) -> Event:
    """The event for an answer in OpenAI's form. Raises `ProviderProtocolError` unless every input has a vector of numbers."""
    found = answer.get("data")
    given = call.body["input"]
    wanted = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    if not isinstance(found, list) or len(found) != wanted or not all(isinstance(item, dict) for item in found):
        raise _no_embedding(call.deployment)
    vectors: list[Any] = [None] * wanted
    for place, item in enumerate(found):
        index = item.get("index", place)
        if type(index) is int and 0 <= index < wanted:
            vectors[index] = item.get("embedding")
    if not all(map(_is_vector, vectors)):
        raise _no_embedding(call.deployment)
    tokens = (answer.get("usage") or {}).get("prompt_tokens")
    counted = tokens if type(tokens) is int else None
    written: dict[str, Any] = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": call.deployment.model,
    }
    if counted is not None:
        written["usage"] = {"prompt_tokens": counted, "total_tokens": counted}
    usage = None if counted is None else Usage(prompt_tokens=counted, completion_tokens=0)
    return Event(orjson.dumps(written), output=True, usage=usage)


def _is_vector(value: Any) -> bool:
    try:
        return isinstance(value, list) and bool(array("d", value))
    except TypeError:
        return False


def _no_embedding(deployment: Deployment) -> ProviderProtocolError:
    message = f"{deployment.id} answered with something that is no vector for each input"
    return ProviderProtocolError(message, deployment=deployment.id)


def _to_ollama(call: Call) -> dict[str, Any]:
    """What ``/api/embed`` reads. Too long an input is an error, unless the caller has it cut: Ollama would do so unasked."""
    body = {name: call.body[name] for name in _BESIDE_OPTIONS if name in call.body}
    options = {name: value for name, value in call.body.items() if name in LOAD_TIME and name not in body}
    return {**body, "truncate": call.body.get("truncate") is True} | ({"options": options} if options else {})


def _timings(answer: Mapping[str, Any]) -> Timings | None:
    load_ns = answer.get("load_duration")
    return Timings(load_s=load_ns / 1e9) if type(load_ns) is int else None


def _from_ollama(answer: Mapping[str, Any]) -> dict[str, Any]:
    vectors = answer.get("embeddings")
    found = [{"embedding": vector} for vector in vectors] if isinstance(vectors, list) else None
    return {"data": found, "usage": {"prompt_tokens": answer.get("prompt_eval_count")}}
