"""OpenAI's chat completions: a request's bytes to a `Turn`, and what goes back to the client.

Types and values are checked strictly, with the path of the first bad field in the error. Fields that OpenAI does not have are
kept in ``Turn.body`` for engines that do, unless they would steer where the request goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from waypost.dialects.fields import name_at
from waypost.dialects.openai_messages import read_messages
from waypost.dialects.openai_params import check_params
from waypost.dialects.openai_tools import read_response_format, read_tool_choice, read_tools
from waypost.dialects.prompt_size import prompt_tokens
from waypost.dialects.steering import refuse_steering, refuse_steering_headers
from waypost.dialects.strict_json import read_object, require_writable
from waypost.errors import InvalidRequest, WaypostError
from waypost.turn import EMPTY, Turn, channel_of

DONE = b"data: [DONE]\n\n"

SESSION_HEADERS = ("x-waypost-session", "x-openwebui-chat-id")
PRIVATE_HEADER = "x-waypost-private"
MEMORY_HEADER = "x-waypost-known-to-memory"
CHANNEL_HEADER = "x-waypost-channel"
TENANT_HEADERS = ("authorization", "x-api-key", "x-openwebui-user-id")

# A chat id is a UUID or a short name; what is longer is cut, so that the ledger's index stays small.
_SESSION_CHARS = 256


def parse(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The turn that ``raw`` asks for. ``headers`` have lower-case names; of them only Waypost's own hints are read.

    Raises `InvalidRequest` with the path of the bad field, or `ForbiddenField`. Neither repeats what the caller wrote.
    """
    return _turn(read_object(raw), turn_id, headers)


def parse_body(body: Mapping[str, Any], *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The same for a body that is already parsed, as the Python library has it. The turn keeps ``body`` itself."""
    require_writable(body)
    return _turn(body, turn_id, headers)


def error_body(error: WaypostError) -> bytes:
    """OpenAI's form of an error."""
    shown = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return orjson.dumps({"error": shown})


def frame(payload: bytes) -> bytes:
    """One server-sent event."""
    return b"data: " + payload + b"\n\n"


def wants_usage(turn: Turn) -> bool:
    """The caller asked for the usage chunk at the end of a stream."""
    options = turn.body.get("stream_options") or EMPTY
    return options.get("include_usage") is True


def _turn(body: Mapping[str, Any], turn_id: str, headers: Mapping[str, str]) -> Turn:
    refuse_steering_headers(headers)
    refuse_steering(body)
    model = name_at(body, "model", "")
    check_params(body)
    messages = read_messages(body)
    tools = read_tools(body)
    return Turn(
        id=turn_id,
        model=model,
        messages=messages,
        body=body,
        tools=tools,
        tool_choice=read_tool_choice(body, tools),
        response_format=read_response_format(body),
        stream=body.get("stream") is True,
        prompt_tokens=prompt_tokens(body, messages),
        answer_tokens=_answer_tokens(body),
        session=_session(headers),
        caller=body.get("safety_identifier") or body.get("user") or None,
        private=_flag(headers, PRIVATE_HEADER),
        known_to_memory=_flag(headers, MEMORY_HEADER),
        channel=channel_of(headers.get(CHANNEL_HEADER, "")) or None,
        tenant=tuple(map(headers.get, TENANT_HEADERS)),
        cache_control=headers.get("cache-control", ""),
    )


def _answer_tokens(body: Mapping[str, Any]) -> int | None:
    """The caller's cap under any name that engines know; a value below 1 of an engine's own name means none."""
    caps = (body.get(name) for name in ("max_completion_tokens", "max_tokens", "num_predict", "n_predict"))
    return next((cap for cap in caps if type(cap) is int and cap > 0), None)


def _session(headers: Mapping[str, str]) -> str | None:
    given = next((headers[name] for name in SESSION_HEADERS if headers.get(name)), None)
    return given and given[:_SESSION_CHARS]


def _flag(headers: Mapping[str, str], name: str) -> bool:
    """A hint that cannot be read is refused: taking it for a no would send a private prompt away."""
    given = headers.get(name, "false").strip().lower()
    if given not in ("0", "1", "false", "true"):
        raise InvalidRequest(f"The header {name} must be true or false.", param=name)
    return given in ("1", "true")
