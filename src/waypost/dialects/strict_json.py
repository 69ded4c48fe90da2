"""From bytes to a JSON object, or a clean 400: no byte order mark, no NaN, valid UTF-8, bounded depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from waypost.errors import InvalidRequest

# Deeper than any schema seen in the wild, and half of what orjson can write again.
MAX_DEPTH = 128

# What orjson would otherwise turn into an object could hide a field from the checks.
_NOTHING_CONVERTED = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


# A pair of escaped surrogates, or an escaped backslash: these stay. Else half a pair.
_HALF_PAIR = re.compile(rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def read_object(raw: bytes) -> dict[str, Any]:
    """The object in ``raw``. Of two equal keys the last counts, and only that one is ever sent on.

    Half a surrogate pair, which clients send that cut a text inside an emoji, is read as U+FFFD.
    """
    try:
        body = orjson.loads(_HALF_PAIR.sub(_mended, raw) if b"\\ud" in raw or b"\\uD" in raw else raw)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The body is not valid JSON in UTF-8 (at {place}).") from None
    if type(body) is not dict:
        raise InvalidRequest("The body must be a JSON object.")
    return body


def _mended(found: re.Match[bytes]) -> bytes:
    return found[1] or b"\\ufffd"


def require_writable(body: Mapping[str, Any]) -> None:
    """Refuses what JSON cannot hold: objects of Python, lone surrogates, integers beyond 64 bits, endless nesting."""
    try:
        orjson.dumps(body, option=_NOTHING_CONVERTED)
    except TypeError:
        raise InvalidRequest("The request holds a value that JSON cannot: use strings, numbers, lists and dicts.") from None
