"""The rules of the house, compiled from the config: routes, aliases, fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waypost.turn import empty

VIRTUAL_MODELS = ("auto", "auto-fast", "auto-cheap", "auto-best", "auto-private")


@dataclass(frozen=True, slots=True)
class Route:
    """Where turns of one kind go: candidates in order (group names or deployment ids; ``*`` is everything), and the settings
    laid over the request. ``private`` keeps the route on local deployments.
    """

    name: str
    candidates: tuple[str, ...] = ("*",)
    settings: Mapping[str, Any] = field(default_factory=empty)
    private: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of a decision. ``version`` is a hash of the config they come from."""

    version: str
    routes: Mapping[str, Route]
    aliases: Mapping[str, str] = field(default_factory=empty)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    context_fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    default_fallbacks: tuple[str, ...] = ()
    default_route: str = "chat"
    answer_tokens: int = 512
    headroom_tokens: int = 256
