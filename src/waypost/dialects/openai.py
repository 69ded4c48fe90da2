"""OpenAI's chat completions: a request's bytes to a `Turn`, and what goes back to the client.

Types and values are checked strictly, with the path of the first bad field in the error. Fields that OpenAI does not have are
kept in ``Turn.body`` for engines that do, unless they would steer where the request goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from waypost.dialects.dialect import Card, Dialect, Piece, Timings
from waypost.dialects.fields import name_at
from waypost.dialects.openai_params import check_params
from waypost.dialects.openai_turn import turn_of
from waypost.dialects.steering import refuse_steering, refuse_steering_headers
from waypost.dialects.strict_json import read_object, require_writable
from waypost.errors import WaypostError
from waypost.turn import EMPTY, Turn

DONE = b"data: [DONE]\n\n"


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
    options = turn.body.get("stream_options")
    return isinstance(options, Mapping) and options.get("include_usage") is True


class Rendering:
    """The answer as server-sent events, or as the one completion that it is."""

    __slots__ = ("_last", "_with_usage")

    def __init__(self, turn: Turn) -> None:
        self._with_usage = wants_usage(turn)
        self._last = b""

    def ping(self, note: str) -> bytes:
        """A comment, which clients skip."""
        return f": {note}\n\n".encode()

    def piece(self, piece: Piece) -> bytes:
        """The chunk as it is; the usage only where it was asked for."""
        if piece.usage_only and not self._with_usage:
            return b""
        return self.chunk(piece.payload)

    def chunk(self, payload: bytes) -> bytes:
        """The chunk as it is."""
        self._last = payload
        return b"data: " + payload + b"\n\n"

    def end(self, card: Card | None) -> bytes:
        """The word that ends a stream; before it the card, in a chunk without choices, which every client skips."""
        if card is None:
            return DONE
        like = orjson.loads(self._last) if self._last else {}
        kept = {key: like[key] for key in ("id", "created", "model") if key in like}
        return frame(orjson.dumps({**kept, "object": "chat.completion.chunk", "choices": [], "waypost": card})) + DONE

    def broken(self, error: WaypostError) -> bytes:
        """An error event, and no ``[DONE]``."""
        return frame(error_body(error))

    def whole(self, payload: bytes, timings: Timings | None, card: Card | None) -> bytes:
        """The completion, with the card as a field."""
        del timings
        return payload if card is None else payload.rstrip()[:-1] + b',"waypost":' + orjson.dumps(card) + b"}"


CHAT = Dialect("text/event-stream", parse, Rendering, error_body)


def _turn(body: Mapping[str, Any], turn_id: str, headers: Mapping[str, str]) -> Turn:
    refuse_steering_headers(headers)
    refuse_steering(body)
    model = name_at(body, "model", "")
    check_params(body)
    return turn_of(body, model, turn_id=turn_id, headers=headers)
