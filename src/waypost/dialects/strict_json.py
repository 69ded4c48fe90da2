"""From bytes to a JSON object, or a clean 400: no byte order mark, no NaN, valid UTF-8, bounded depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from waypost.errors import InvalidRequest

# Deeper than any schema seen in the wild, and half of what orjson can write again.
MAX_DEPTH = 128

# What orjson would otherwise turn into an object could hide a field from the checks.
_NOTHING_CONVERTED = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def read_object(raw: bytes) -> dict[str, Any]:
    """The object in ``raw``. Of two equal keys the last counts, and only that one is ever sent on."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The body is not valid JSON in UTF-8 (at {place}).") from None
    if type(body) is not dict:
        raise InvalidRequest("The body must be a JSON object.")
    return body


def require_writable(body: Mapping[str, Any]) -> None:
    """Refuses what JSON cannot hold: objects of Python, lone surrogates, integers beyond 64 bits, endless nesting."""
    try:
        orjson.dumps(body, option=_NOTHING_CONVERTED)
    except TypeError:
        raise InvalidRequest("The request holds a value that JSON cannot: use strings, numbers, lists and dicts.") from None
