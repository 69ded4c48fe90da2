"""How long an answer may get: one rule for what is sent and for what must fit into a window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from waypost.turn import Turn

# OpenAI's names for the cap, the newer first; then Ollama's and llama.cpp's, which beat OpenAI's where an engine gets both.
OPENAI_CAP_NAMES = ("max_completion_tokens", "max_tokens")
CAP_NAMES = (*OPENAI_CAP_NAMES, "num_predict", "n_predict")
_CAPS = frozenset(CAP_NAMES)


def answer_cap(turn: Turn, deployment_settings: Mapping[str, Any], route_settings: Mapping[str, Any]) -> int | None:
    """The cap in tokens: the smaller of the caller's and the settings', or the one there is; ``None`` where nobody sets one.

    A route's cap replaces the deployment's, under whichever names they stand.
    """
    if not route_settings and not deployment_settings:
        return turn.answer_tokens
    allowed = _smallest(route_settings) or _smallest(deployment_settings)
    if allowed is None or turn.answer_tokens is None:
        return turn.answer_tokens if allowed is None else allowed
    return min(turn.answer_tokens, allowed)


def _smallest(settings: Mapping[str, Any]) -> int | None:
    """Zero and below mean no cap in an engine's own name for it, and a wrong type is the engine's to refuse."""
    if _CAPS.isdisjoint(settings):
        return None
    smallest = None
    for name in CAP_NAMES:
        cap = settings.get(name)
        if isinstance(cap, int) and not isinstance(cap, bool) and 0 < cap < (smallest or math.inf):
            smallest = cap
    return smallest
