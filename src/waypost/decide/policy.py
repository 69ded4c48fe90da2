"""The rules of the house, compiled from the config: routes, aliases, fallbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from waypost.decide.labels import DEFAULT_TASK
from waypost.turn import Turn, empty

Balancing = Literal["least_busy", "weighted", "latency"]
Verify = Literal["off", "tools"]
"""What of an answer is checked before it goes out: nothing, or its tool calls."""

ClientLoadOptions = Literal["ignore", "allow"]
"""What becomes of load-time options, such as ``num_ctx``, that a client sends."""

WinRateSource = Literal["waypost", "routellm"]
"""Who says how probable it is that the strong model's answer is the better one."""

ORDERED = ("auto-fast", "auto-cheap", "auto-best")
"""The virtual models whose names say by what to order."""

VIRTUAL_MODELS = ("auto", "auto-fast", "auto-cheap", "auto-best", "auto-private")


@dataclass(frozen=True, slots=True)
class Route:
    """Where turns of one kind go: candidates in order (group names or deployment ids; ``*`` is everything), and the settings
    laid over the request. ``private`` keeps the route on local deployments. With ``needs_context``, turns of more tokens than
    that come here, whatever their text asks for. With ``examples``, turns that are like them come here, and like the
    ``description``. ``cache_s`` is for how many seconds its answers are kept for who asks the same; ``None`` keeps none.
    ``verify`` says what of an answer is checked before it goes out; ``None``: what the policy says. ``band`` is how much worse
    than the best a model may be that is asked first because it is loaded; ``None``: what the policy says. ``cost_quality`` and
    ``quality_floor`` are the policy's, for this route. ``explore`` is the share of its turns whose first candidate is drawn.
    """

    name: str
    candidates: tuple[str, ...] = ("*",)
    settings: Mapping[str, Any] = field(default_factory=empty)
    private: bool = False
    needs_context: int | None = None
    description: str | None = None
    examples: tuple[str, ...] = ()
    cache_s: float | None = None
    verify: Verify | None = None
    band: float | None = None
    cost_quality: float | None = None
    quality_floor: float | None = None
    explore: float = 0.0


@dataclass(frozen=True, slots=True)
class RouterPair:
    """Two groups between which a model name of RouteLLM's form chooses: ``router-NAME-0.11593`` asks the strong one where its
    win rate is at least 0.11593. ``checkpoint`` is the folder of RouteLLM's router, where that one says the win rate.
    """

    strong: str
    weak: str
    router: WinRateSource = "waypost"
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class ResidencyRules:
    """What quality, a share from 0 to 1, is given up for not waiting until a model is loaded.

    ``band``: a loaded model whose quality is within this of the best is asked first; ``chat_band`` is that of the route `chat`
    and of the channel `voice`. ``order_step`` is what a place down a route's list counts where nobody states a quality.
    ``quality_per_s`` is what a second of waiting is worth, and ``margin`` what a load has to gain besides. Where every local
    candidate is expected to take longer than ``spill_s``, one that is not local is asked first; ``None``: never. Whoever has
    waited for a load for ``batch_s`` is not overtaken any more by calls to what has to leave for it.
    """

    band: float = 0.03
    chat_band: float = 0.06
    order_step: float = 0.02
    quality_per_s: float = 0.002
    margin: float = 0.02
    spill_s: float | None = None
    batch_s: float = 10.0

    def band_of(self, turn: Turn, route: Route) -> float:
        """How much worse than the best a model may be that is asked first because it is loaded."""
        if route.band is not None:
            return route.band
        return self.chat_band if route.name == DEFAULT_TASK or turn.channel == "voice" else self.band


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of a decision. ``version`` is a hash of the config they come from.

    ``last_resort`` names who is asked although it is down or cools, when everybody is. ``residency`` says how much it counts
    what is loaded; ``None``: not at all. ``cost_quality`` is the dial from 0 (the cheapest) to 1 (the best), and
    ``quality_floor`` how much worse than the best may be who is asked first because it is cheaper; ``None``: the order is that
    of the routes. ``pairs`` are those that model names of RouteLLM's form choose from.
    """

    version: str
    routes: Mapping[str, Route]
    aliases: Mapping[str, str] = field(default_factory=empty)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    context_fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=empty)
    default_fallbacks: tuple[str, ...] = ()
    last_resort: tuple[str, ...] = ()
    default_route: str = DEFAULT_TASK
    channel_routes: Mapping[str, str] = field(default_factory=empty)
    answer_tokens: int = 512
    headroom_tokens: int = 256
    balancing: Balancing = "least_busy"
    group_balancing: Mapping[str, Balancing] = field(default_factory=empty)
    session_affinity: bool = True
    verify: Verify = "off"
    residency: ResidencyRules | None = ResidencyRules()
    client_load_options: ClientLoadOptions = "ignore"
    cost_quality: float | None = None
    quality_floor: float | None = None
    pairs: Mapping[str, RouterPair] = field(default_factory=empty)

    @property
    def estimates(self) -> bool:
        """Some turns want to know how good answers would be, whatever their callers say."""
        dialled: tuple[Policy | Route, ...] = (self, *self.routes.values())
        weighed = any(rules.cost_quality or rules.quality_floor is not None for rules in dialled)
        return weighed or bool(self.pairs) or any(route.explore for route in self.routes.values())

    @property
    def batch_s(self) -> float | None:
        """`ResidencyRules.batch_s`; ``None`` where it does not count what is loaded."""
        return None if self.residency is None else self.residency.batch_s

    def balancing_of(self, group: str) -> Balancing:
        """How the replicas of a group share its requests."""
        return self.group_balancing.get(group, self.balancing)

    def default_route_of(self, turn: Turn) -> str:
        """Where a turn of this channel goes when it is not clear what it asks for."""
        return self.channel_routes.get(turn.channel or "", self.default_route)

    def verify_of(self, turn: Turn, route: Route) -> Verify:
        """What of the answer to a turn is checked before it goes out: nothing, where no tool may be called."""
        if not turn.tools or turn.tool_choice == "none":
            return "off"
        return self.verify if route.verify is None else route.verify

    def answer_tokens_of(self, turn: Turn) -> int:
        """The length to expect of an answer: the caller's cap, or what is assumed without one."""
        return self.answer_tokens if turn.answer_tokens is None else turn.answer_tokens

    def long_route(self, tokens: int) -> Route | None:
        """The route for turns of this many tokens: of those whose ``needs_context`` is less, the one with the largest."""
        found, most = None, -1
        for route in self.routes.values():
            if route.needs_context is not None and most < route.needs_context < tokens:
                found, most = route, route.needs_context
        return found

    def fallbacks_of(self, groups: Iterable[str], *, only_longer: bool = False) -> tuple[str, ...]:
        """Who is to be asked when these groups fail: their chains, then the default chain.

        With ``only_longer``, those for prompts that are too long; ``*`` stands for every group without a chain of its own.
        """
        longer = self.context_fallbacks
        last = () if only_longer else self.default_fallbacks
        if not longer and not self.fallbacks:
            return last
        names: list[str] = []
        for group in dict.fromkeys(groups):
            names += () if only_longer else self.fallbacks.get(group, ())
            names += longer.get(group, longer.get("*", ()))
        return tuple(dict.fromkeys([*names, *last]))
