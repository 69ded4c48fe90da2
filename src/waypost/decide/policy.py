"""The rules of the house, compiled from the config: routes, aliases, fallbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

    def fallbacks_of(self, groups: Iterable[str], *, only_longer: bool = False) -> tuple[str, ...]:
        """Who is to be asked when these groups fail: their chains, then the default chain.

        With ``only_longer``, those for prompts that are too long; ``*`` stands for every group without a chain of its own.
        """
        longer, names = self.context_fallbacks, list[str]()
        for group in dict.fromkeys(groups):
            names += [*(() if only_longer else self.fallbacks.get(group, ())), *longer.get(group, longer.get("*", ()))]
        return tuple(dict.fromkeys([*names, *(() if only_longer else self.default_fallbacks)]))
