"""What an engine's refusal means: status and body become one error of our tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from waypost.dispatch.sanitise import TRACEBACK, sentence, words_of
from waypost.errors import (
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderError,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from waypost.fleet.deployment import Deployment
from waypost.fleet.reading import tokens

# OpenAI and vLLM say it in `code`, llama.cpp in `type`; llama.cpp's embeddings and some proxies only in words, and with a 500.
_TOO_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_TOO_LONG_WORDS = re.compile(
    r"context (?:length|window|size)|maximum (?:model|context) len|max_model_len|(?:prompt|input) (?:is )?too long"
    r"|too large to process|reduce the length of the (?:messages|prompt)",
    re.IGNORECASE,
)
_MAY_BE_TOO_LONG = frozenset({400, 413, 422, 500})
_UNAVAILABLE: tuple[type[ProviderError], str] = (ProviderUnavailable, "is unavailable ({})")
_REFUSED = (ProviderRejected, "refused the request ({})")
_GAVE_UP = (ProviderTimeout, "gave up waiting ({})")
_NOT_SERVED = (ProviderProtocolError, "does not serve this ({}); check its api_base and model")
_BY_STATUS: Mapping[int, tuple[type[ProviderError], str]] = {
    404: _NOT_SERVED,
    405: _NOT_SERVED,
    408: _GAVE_UP,
    409: _UNAVAILABLE,
    410: _NOT_SERVED,
    425: _UNAVAILABLE,
    429: (ProviderRateLimited, "is rate limited ({})"),
    501: _NOT_SERVED,
    504: _GAVE_UP,
}
_KINDS = (
    ("rate_limit", 429),
    ("quota", 429),
    ("overloaded", 529),
    ("auth", 401),
    ("permission", 403),
    ("api_key", 401),
    ("context", 400),
    ("invalid", 400),
    ("bad_request", 400),
    ("not_found", 404),
)


def from_response(deployment: Deployment, status: int, body: bytes, retry_after_s: float | None = None) -> ProviderError:
    """The error behind a response that is not a 200."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    return from_status(deployment, status, said, retry_after_s)


def from_event(deployment: Deployment, said: Any) -> ProviderError:
    """The error inside an answer that began as a 200: an error event of a stream, or an error object as the body."""
    return from_status(deployment, _status_of(said), said, None)


def from_status(deployment: Deployment, status: int, said: Any, retry_after_s: float | None) -> ProviderError:
    """The error for an HTTP status and what the engine said: parsed JSON, a sentence, or nothing."""
    kind, verdict, quotes = _kind(status, said)
    words = sentence(said, deployment) if quotes else ""
    message = f"{deployment.id} {verdict}" + (f": {words}" if words else "")
    if kind is ProviderContextTooLong:
        return ProviderContextTooLong(
            message, deployment=deployment.id, upstream_status=status, window_tokens=tokens(_numbers(said)[1])
        )
    return kind(message, deployment=deployment.id, upstream_status=status, retry_after_s=retry_after_s)


def _kind(status: int, said: Any) -> tuple[type[ProviderError], str, bool]:
    """Class, verdict, and whether the engine's words may follow: about our key it says too much."""
    if status in _MAY_BE_TOO_LONG and _is_too_long(said, status):
        return ProviderContextTooLong, _too_long(said), True
    if 300 <= status < 400:
        return ProviderProtocolError, f"answered with a redirect ({status}), which is never followed; check its api_base", False
    if status in (401, 402, 403):
        return ProviderAuthFailed, f"refused our credentials ({status}); check its api_key and account", False
    kind, verdict = _UNAVAILABLE if _is_unavailable(status, said) else _BY_STATUS.get(status, _REFUSED)
    return kind, verdict.format(status), True


def _is_unavailable(status: int, said: Any) -> bool:
    """Any 5xx of its own meaning apart; and Triton, which calls a failure of a model's program a 400, and its load a 404."""
    words = words_of(said)
    passing = (status == 400 and TRACEBACK in words) or (status == 404 and "has no available versions" in words)
    return passing or (status >= 500 and status not in _BY_STATUS)


def _is_too_long(said: Any, status: int) -> bool:
    if status == 413:
        return True
    error = _error_of(said)
    if isinstance(error, dict):
        if {str(error.get("code")), str(error.get("type"))} & _TOO_LONG_CODES:
            return True
        error = error.get("message")
    return isinstance(error, str) and _TOO_LONG_WORDS.search(error) is not None


def _too_long(said: Any) -> str:
    prompt, window = _numbers(said)
    if isinstance(prompt, int) and isinstance(window, int):
        return f"has a window of {window} tokens, the prompt has {prompt}"
    return "has too small a window for this prompt"


def _numbers(said: Any) -> tuple[Any, Any]:
    """The tokens of the prompt and of the window, as llama.cpp tells them."""
    error = _error_of(said)
    return (error.get("n_prompt_tokens"), error.get("n_ctx")) if isinstance(error, dict) else (None, None)


def _error_of(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    return next((said[key] for key in ("error", "detail") if said.get(key)), said)


def _status_of(said: Any) -> int:
    """The HTTP status that an error object stands for; 500 where it does not say."""
    error = _error_of(said)
    if not isinstance(error, dict):
        return 500
    for key in ("code", "status", "status_code"):
        value = error.get(key)
        if isinstance(value, str) and len(value) == 3 and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    words = f"{error.get('type')} {error.get('code')}".lower()
    return next((status for kind, status in _KINDS if kind in words), 500)
