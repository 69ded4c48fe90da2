"""The body that one deployment gets: its settings, the route's, and what the caller set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from waypost.decide.card import Candidate
from waypost.fleet.deployment import Deployment
from waypost.turn import Turn

# How a model is loaded, and for how long. A caller who set one of these would make Ollama load it again for everybody.
LOAD_TIME = frozenset(
    {
        "num_ctx",
        "num_gpu",
        "num_batch",
        "num_thread",
        "main_gpu",
        "low_vram",
        "f16_kv",
        "use_mmap",
        "use_mlock",
        "numa",
        "vocab_only",
        "keep_alive",
    }
)

# OpenAI's chat parameters: all that a caller may hand to LiteLLM, where an unknown name might be one of its own switches.
CHAT_FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)

_CAPS = ("max_tokens", "max_completion_tokens")


def build(turn: Turn, deployment: Deployment, candidate: Candidate) -> dict[str, Any]:
    """The body for ``deployment``: its settings, under the route's, under what the caller set.

    Two things the caller does not get: load-time options, and an answer longer than the settings allow. Nested values are
    shared with ``turn.body``, which stays as it is.
    """
    settings = {**deployment.settings, **candidate.settings}
    caller = _from_caller(turn.body, deployment)
    body = {**settings, **caller}
    _cap_answer(body, settings, caller)
    body["model"] = deployment.model
    if turn.stream:
        body["stream"] = True
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    return body


def _from_caller(body: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    """What the caller may set here; ``null`` is the same as not set."""
    caller = {name: value for name, value in body.items() if value is not None and name not in LOAD_TIME}
    if deployment.lane == "litellm":
        return {name: value for name, value in caller.items() if name in CHAT_FIELDS}
    options = caller.get("options")
    if isinstance(options, Mapping):
        caller["options"] = {name: value for name, value in options.items() if name not in LOAD_TIME}
    return caller


def _cap_answer(body: dict[str, Any], settings: Mapping[str, Any], caller: Mapping[str, Any]) -> None:
    """Leaves one cap: the smaller of the caller's and the settings', under the caller's name for it.

    Ollama's ``num_predict`` is the same cap, and beats ``max_tokens`` where an engine gets both.
    """
    asked = _caps(caller, _CAPS)
    allowed = _caps(settings, (*_CAPS, "num_predict"))
    name = next((name for name in _CAPS if caller.get(name) is not None), None)
    name = name or next((name for name in _CAPS if settings.get(name) is not None), "max_tokens")
    if not asked and not allowed:
        return
    for spelling in (*_CAPS, "num_predict"):
        body.pop(spelling, None)
    body[name] = min(asked + allowed)


def _caps(source: Mapping[str, Any], names: Iterable[str]) -> list[int]:
    """The caps that are set; zero and below mean no cap in ``num_predict``, and a wrong type is the engine's to refuse."""
    values = (source.get(name) for name in names)
    return [value for value in values if isinstance(value, int) and value > 0]
