"""The body that one deployment gets: its settings, the route's, and what the caller set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from waypost.decide.card import Candidate
from waypost.fleet.caps import CAP_NAMES, OPENAI_CAP_NAMES, answer_cap
from waypost.fleet.deployment import Deployment
from waypost.known_settings import CHAT_FIELDS, KNOWN, LOAD_TIME, SYSTEM_PREFIX, layered
from waypost.turn import EMPTY, Turn

_NOT_THE_CALLERS = LOAD_TIME | {SYSTEM_PREFIX}
_NOT_IN_OPTIONS = _NOT_THE_CALLERS.union(CAP_NAMES)


def build(turn: Turn, deployment: Deployment, candidate: Candidate) -> dict[str, Any]:
    """The body for ``deployment``: its settings, under the route's, under what the caller set, each in its engine's own words.

    What its engine has no word for is left out. Two things the caller does not get: load-time options, unless the decision put
    them among the candidate's settings, and an answer longer than the settings allow. Nested values are shared with
    ``turn.body``, which stays as it is.
    """
    if turn.mode == "embedding":
        return _for_embedding(turn, deployment)
    caller = _from_caller(turn.body, deployment)
    body = layered((deployment.settings, candidate.settings), deployment.reads, caller)
    cap = answer_cap(turn, deployment.settings, candidate.settings)
    if cap is not None:
        _set_cap(body, cap, caller)
    prefix = body.pop(SYSTEM_PREFIX, None)
    if prefix:
        body["messages"] = _prefixed(prefix, turn.body["messages"])
    body["model"] = deployment.model
    if turn.stream:
        body["stream"] = True
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    return body


def _for_embedding(turn: Turn, deployment: Deployment) -> dict[str, Any]:
    """Vectors are asked for as numbers, whatever the caller will get: not every engine knows base64."""
    caller = {name: value for name, value in turn.body.items() if value is not None and name not in _NOT_THE_CALLERS}
    caller.pop("encoding_format", None)
    if turn.dialect == "ollama" and deployment.lane != "ollama":  # nobody else has this word for it
        caller.pop("truncate", None)
    # What is set of temperature and the like is for chats.
    settings = {name: value for name, value in deployment.settings.items() if name in LOAD_TIME or name not in KNOWN}
    return {**layered((settings,), deployment.reads, EMPTY), **caller, "model": deployment.model}


def _from_caller(body: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    """What the caller may set here; ``null`` is the same as not set."""
    caller = {name: value for name, value in body.items() if value is not None and name not in _NOT_THE_CALLERS}
    if deployment.lane == "litellm":
        return {name: value for name, value in caller.items() if name in CHAT_FIELDS}
    options = caller.get("options")
    if isinstance(options, Mapping):
        kept = {name: value for name, value in options.items() if name not in _NOT_IN_OPTIONS}
        if deployment.lane == "ollama":  # which has them beside the other fields
            return {**kept, **{name: value for name, value in caller.items() if name != "options"}}
        caller["options"] = kept
    return caller


def _prefixed(prefix: str, messages: Sequence[Any]) -> list[Any]:
    """The messages with ``prefix`` before the system message, or as one where the caller sent none."""
    first = messages[0] if messages else None
    if not isinstance(first, Mapping) or first.get("role") not in ("system", "developer"):
        return [{"role": "system", "content": prefix}, *messages]
    said = first.get("content")
    content = f"{prefix}\n\n{said}" if isinstance(said, str) else [{"type": "text", "text": prefix}, *(said or ())]
    return [{**first, "content": content}, *messages[1:]]


def _set_cap(body: dict[str, Any], cap: int, caller: Mapping[str, Any]) -> None:
    """Leaves one cap, under OpenAI's name for it that the caller uses, else the settings."""
    names = [name for source in (caller, body) for name in OPENAI_CAP_NAMES if source.get(name) is not None]
    for name in CAP_NAMES:
        body.pop(name, None)
    body[next(iter(names), "max_tokens")] = cap
