"""What Ollama means by an error, which it gives as a sentence."""

from __future__ import annotations

import re
from typing import Any

import orjson

from waypost.dispatch.classify import from_event, from_status
from waypost.dispatch.events import Call
from waypost.dispatch.sanitise import sentence
from waypost.dispatch.truncation import window_that_refused
from waypost.errors import ModelLoadFailed, ProviderCannot, ProviderContextTooLong, ProviderError, ProviderRateLimited

# The sentences of server/routes.go, server/sched.go and llm/ of ollama/ollama, since 0.12.
_CANNOT = re.compile(r"does not support|not supported for this model|missing data required for image", re.IGNORECASE)
_LOAD_FAILED = re.compile(
    r"requires more (?:system |GPU )?memory|out.of.memory|(?:failed|unable) to allocate|(?:not enough|insufficient) memory"
    r"|cudaMalloc failed|(?:failed|unable) to load|error loading model|(?:runner|llama-server).{0,20}process has terminated"
    r"|timed out waiting for llama",
    re.IGNORECASE,
)
# What lies in the request, though Ollama calls it a failure of its own: no engine is to rest for it.
_WRONG_REQUEST = re.compile(
    r'option "[^"]*" must be of type|invalid format: |invalid JSON schema in format|image: unknown format', re.IGNORECASE
)
_BUSY = re.compile(r"server busy|maximum pending requests", re.IGNORECASE)


def ollama_error(call: Call, status: int | None, said: Any, retry_after_s: float | None = None) -> ProviderError:
    """The error behind ``{"error": …}``. ``status`` is that of the response; ``None``: it came in an answer that began well.

    Of one that a runner of llama.cpp gave, Ollama hands on the whole JSON as the sentence.
    """
    deployment = call.deployment
    said = _unwrapped(said)
    words = sentence(said, deployment)
    name, at = deployment.id, "in the answer" if status is None else str(status)
    if (status is None or status >= 500) and _LOAD_FAILED.search(words):
        message = f"{name} could not load its model, or keep it ({at}): {words}"
        return ModelLoadFailed(message, deployment=name, upstream_status=status or 500)
    if status == 503 and _BUSY.search(words):
        message = f"{name} is busy ({at}): its queue is full"
        return ProviderRateLimited(message, deployment=name, upstream_status=status, retry_after_s=retry_after_s)
    if status in (400, 500) and _CANNOT.search(words):
        return ProviderCannot(
            f"{name} cannot do what the request asks ({at}): {words}", deployment=name, upstream_status=status
        )
    if status in (None, 500) and _WRONG_REQUEST.search(words):
        status = 400
    error = from_event(deployment, said) if status is None else from_status(deployment, status, said, retry_after_s)
    if isinstance(error, ProviderContextTooLong) and error.window_tokens is None:
        error.window_tokens = window_that_refused(call)
    return error


def _unwrapped(said: Any) -> Any:
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, str) or not error.startswith("{"):
        return said
    try:
        inner = orjson.loads(error.partition("\n")[0])
    except orjson.JSONDecodeError:
        return said
    return inner if isinstance(inner, dict) else said
