"""What an engine says about its failure, made safe to show."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from waypost.fleet.deployment import Deployment
from waypost.secret import Secret

MAX_CHARS = 200
SCANNED_CHARS = 4 * MAX_CHARS

# How an engine written in Python begins to tell that its own program failed.
TRACEBACK = "Traceback (most recent call last)"

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SECRETS = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|key|api|token)[-_][\w*.-]{6,}|\bBearer\s+\S+|\beyJ[\w.-]{10,}", re.IGNORECASE)
_ADDRESSES = re.compile(r"\b\w+://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b[\w-]+(?:\.[\w-]+)*:\d{2,5}\b")
_PATHS = re.compile(r"(?<![\w/])(?:/[\w.@-]+){2,}/?|\b[A-Za-z]:\\\S+")


def sentence(value: Any, deployment: Deployment) -> str:
    """The engine's own words in one short line: no key, address, host or path; empty if it said nothing usable."""
    text = _BLANKS.sub(" ", _without_traceback(words_of(value))[:SCANNED_CHARS]).strip()
    for secret in _known_secrets(deployment):
        text = text.replace(secret, "[hidden]")
    for pattern in (_SECRETS, _ADDRESSES, _PATHS):
        text = pattern.sub("[hidden]", text)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _without_traceback(text: str) -> str:
    """The last line of a traceback of Python's, which says what went wrong; any other text as it is."""
    return text.rstrip().rpartition("\n")[2] if TRACEBACK in text else text


def words_of(value: Any) -> str:
    """The message inside the shapes that engines use: ``error.message``, ``message``, ``detail`` as text or a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for key in ("message", "error", "detail", "msg"):
            if value.get(key):
                return words_of(value[key])
    if isinstance(value, list) and value and isinstance(value[0], dict):
        steps = value[0].get("loc")
        place = ".".join(map(str, steps)) if isinstance(steps, list) else ""
        return f"{place}: {words_of(value[0])}" if place else words_of(value[0])
    return ""


def _known_secrets(deployment: Deployment) -> list[str]:
    """What is sent with every call, the longest first: a part must not be hidden before the whole."""
    known = [part for value in deployment.headers.values() for part in (value, value.rpartition(" ")[2])]
    in_query = [pair.partition("=")[2] for pair in (deployment.api_base or "").partition("?")[2].split("&")]
    known += [*in_query, *map(unquote_plus, in_query)]
    sent = (deployment.api_key, *deployment.api_keys, *deployment.transport.values())
    known += [value.reveal() for value in sent if isinstance(value, Secret)]
    return sorted({secret for secret in known if len(secret) >= 4}, key=len, reverse=True)
