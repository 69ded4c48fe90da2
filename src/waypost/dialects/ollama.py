"""Ollama's ``/api/chat`` and ``/api/generate``: a request's bytes to a `Turn` whose body is in OpenAI's form.

Types and values are checked strictly, with the path of the first bad field. Fields that are not Ollama's are left out, as
Ollama does, unless they would steer where the request goes: those are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from waypost.dialects.dialect import Dialect, Parse
from waypost.dialects.ollama_answer import Answer, Said, in_message, in_response
from waypost.dialects.ollama_messages import chat_messages, generate_messages
from waypost.dialects.ollama_params import read_params
from waypost.dialects.openai_turn import turn_of
from waypost.dialects.steering import refuse_steering, refuse_steering_headers
from waypost.dialects.strict_json import read_object
from waypost.errors import InvalidRequest, WaypostError
from waypost.turn import EMPTY, Turn


def read_body(raw: bytes, headers: Mapping[str, str] = EMPTY) -> dict[str, Any]:
    """The object in ``raw``, which names a model and steers nothing. Raises `InvalidRequest` or `ForbiddenField`."""
    if not raw.strip():
        raise InvalidRequest("missing request body")
    body = read_object(raw)
    refuse_steering_headers(headers)
    refuse_steering(body)
    model_in(body)
    return body


def model_in(body: Mapping[str, Any]) -> str:
    """The model that a body names; older clients call it ``name``."""
    model = body.get("model") or body.get("name")
    if type(model) is not str:
        raise InvalidRequest("model is required", param="model")
    return model


def parse_chat(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The turn that a body of ``/api/chat`` asks for; one without messages asks for the model to be loaded."""
    body = read_body(raw, headers)
    return _turn(body, chat_messages(body), turn_id, headers)


def parse_generate(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The same for ``/api/generate``: its prompt is the one message of a user."""
    body = read_body(raw, headers)
    return _turn(body, generate_messages(body), turn_id, headers)


def error_body(error: WaypostError) -> bytes:
    """Ollama's form of an error."""
    return orjson.dumps({"error": error.message})


def _dialect(parse: Parse, said: Said) -> Dialect:
    return Dialect("application/x-ndjson", parse, partial(Answer, said), error_body, lambda turn: Answer(said, turn).loaded())


CHAT = _dialect(parse_chat, in_message)
GENERATE = _dialect(parse_generate, in_response)


def _turn(given: Mapping[str, Any], messages: list[dict[str, Any]], turn_id: str, headers: Mapping[str, str]) -> Turn:
    model = model_in(given)
    body = {"model": model, "messages": messages, **read_params(given)}
    if not messages:
        return Turn(id=turn_id, model=model, messages=(), body=body, dialect="ollama")
    return turn_of(body, model, turn_id=turn_id, headers=headers, dialect="ollama")
