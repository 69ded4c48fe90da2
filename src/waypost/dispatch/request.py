"""The body that one deployment gets: its settings, the route's, and what the caller set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.decide.card import Candidate
from waypost.fleet.caps import CAP_NAMES, OPENAI_CAP_NAMES, answer_cap
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


def build(turn: Turn, deployment: Deployment, candidate: Candidate) -> dict[str, Any]:
    """The body for ``deployment``: its settings, under the route's, under what the caller set.

    Two things the caller does not get: load-time options, and an answer longer than the settings allow. Nested values are
    shared with ``turn.body``, which stays as it is.
    """
    caller = _from_caller(turn.body, deployment)
    body = {**deployment.settings, **candidate.settings, **caller}
    cap = answer_cap(turn, deployment.settings, candidate.settings)
    if cap is not None:
        _set_cap(body, cap, caller)
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
        ours = LOAD_TIME.union(CAP_NAMES)
        caller["options"] = {name: value for name, value in options.items() if name not in ours}
    return caller


def _set_cap(body: dict[str, Any], cap: int, caller: Mapping[str, Any]) -> None:
    """Leaves one cap, under OpenAI's name for it that the caller uses, else the settings."""
    names = [name for source in (caller, body) for name in OPENAI_CAP_NAMES if source.get(name) is not None]
    for name in CAP_NAMES:
        body.pop(name, None)
    body[next(iter(names), "max_tokens")] = cap
