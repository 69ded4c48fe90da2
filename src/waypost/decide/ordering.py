"""Who is asked first: the order of the deployments that may answer."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from waypost.decide.balancing import balanced
from waypost.decide.policy import Policy, Route
from waypost.fleet.view import Deployment, FleetView, Roster
from waypost.turn import Turn

# Names that model makers use for models built for one task. Used only where no route says who serves it.
_MADE_FOR = {
    "coding": re.compile("code|devstral", re.IGNORECASE),
    "reasoning": re.compile("reason|think|-r1|qwq|math|magistral", re.IGNORECASE),
    "vision": re.compile("vision|-vl|llava|pixtral|moondream", re.IGNORECASE),
    "tool_calling": re.compile("tool|function|hermes|action", re.IGNORECASE),
    "memory": re.compile("memory|long", re.IGNORECASE),
}
# Small talk should be quick; everything else is answered better by the larger of two models.
_SMALL_FIRST = frozenset({"chat"})
_BIG = 1e9


def expand(route: Route, turn: Turn, fleet: FleetView, policy: Policy) -> tuple[Deployment, ...]:
    """The deployments of a route, in the route's order; ``*`` adds the whole fleet, best guess first. One may come twice."""
    fixed = _fixed(route.candidates, fleet.roster)
    if fixed is not None:
        return fixed
    found: list[Deployment] = []
    for name in route.candidates:
        if name == "*":
            found += guessed_order(route.name, turn, fleet, policy)
        else:
            found += balanced(fleet.exactly(name) or fleet.loosely(name), turn, fleet, policy)
    return tuple(found)


def _fixed(names: tuple[str, ...], roster: Roster) -> tuple[Deployment, ...] | None:
    """The deployments that these names mean, where each means one; ``None`` where their order is for the moment to say."""
    kept: dict[tuple[str, ...], tuple[Deployment, ...] | None] = roster.kept.setdefault("fixed", {})
    if names not in kept:
        meant = [roster.exactly(name) or roster.loosely(name) for name in names]
        moves = "*" in names or any(len(deployments) > 1 for deployments in meant)
        kept[names] = None if moves else tuple([deployment for deployments in meant for deployment in deployments])
    return kept[names]


def guessed_order(task: str, turn: Turn, fleet: FleetView, policy: Policy) -> tuple[Deployment, ...]:
    """All deployments, for a task that no config speaks of: local first, then made for the task, then loaded, then by size.

    Replicas of a group that are alike in all of that share the places that they hold.
    """
    here = fleet.roster.here
    loaded = tuple([fleet.status(deployment.id).loaded is True for deployment in here])
    kept: dict[str, _Guess] = fleet.roster.kept.setdefault("guesses", {})
    guess = kept.get(task)
    if guess is None or guess.loaded != loaded:
        guess = kept[task] = _guess(task, here, loaded)
    if not guess.alike:
        return guess.order
    order = list(guess.order)
    for places in guess.alike:
        for place, deployment in zip(places, balanced([order[at] for at in places], turn, fleet, policy), strict=True):
            order[place] = deployment
    return tuple(order)


class _Guess(NamedTuple):
    """An order, with the places that are shared by replicas; it holds while these are ``loaded``."""

    loaded: tuple[bool, ...]
    order: tuple[Deployment, ...]
    alike: tuple[tuple[int, ...], ...]


def _guess(task: str, here: Sequence[Deployment], loaded: tuple[bool, ...]) -> _Guess:
    keys = []
    for deployment, is_loaded in zip(here, loaded, strict=True):
        size = deployment.parameters_b
        rank = _BIG if size is None else (size if task in _SMALL_FIRST else -size)
        keys.append((not deployment.local, not made_for(task, deployment), not is_loaded, rank))
    ranked = sorted(range(len(here)), key=keys.__getitem__)
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, at in enumerate(ranked):
        alike.setdefault((here[at].group, keys[at]), []).append(place)
    shared = [tuple(places) for places in alike.values() if len(places) > 1]
    return _Guess(loaded, tuple([here[at] for at in ranked]), tuple(shared))


def reorder(
    virtual: str, deployments: Sequence[Deployment], turn: Turn, fleet: FleetView, answer_tokens: int
) -> tuple[Deployment, ...]:
    """The order that ``auto-fast``, ``auto-cheap`` and ``auto-best`` ask for; ties keep the route's order.

    Until quality and speed are measured, fast means loaded, with a short queue, and small; best means the dearest, then the
    largest.
    """

    def fast(deployment: Deployment) -> tuple[bool, int, float]:
        status = fleet.status(deployment.id)
        return status.loaded is False, status.in_flight, deployment.parameters_b or _BIG

    def cheap(deployment: Deployment) -> tuple[float, bool]:
        cost = expected_cost_usd(deployment, turn.prompt_tokens, answer_tokens)
        return (0.0 if deployment.local else _BIG) if cost is None else cost, not deployment.local

    def best(deployment: Deployment) -> tuple[float, float]:
        price = deployment.price.output_usd if deployment.price else 0.0
        return -price, -(deployment.parameters_b or 0.0)

    if virtual == "auto-fast":
        return tuple(sorted(deployments, key=fast))
    if virtual == "auto-cheap":
        return tuple(sorted(deployments, key=cheap))
    if virtual == "auto-best":
        return tuple(sorted(deployments, key=best))
    return tuple(deployments)


def expected_cost_usd(deployment: Deployment, prompt_tokens: int, answer_tokens: int) -> float | None:
    """What a call would cost; ``None`` where no price is known."""
    return None if deployment.price is None else deployment.price.cost_usd(prompt_tokens, answer_tokens)


def made_for(task: str, deployment: Deployment) -> bool:
    """Its name says that it was built for this task."""
    return task in _MADE_FOR and _is_marked(task, deployment.group, deployment.model)


@functools.lru_cache(4096)
def _is_marked(task: str, group: str, model: str) -> bool:
    return _MADE_FOR[task].search(f"{group} {model}") is not None
