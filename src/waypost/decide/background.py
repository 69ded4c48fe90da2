"""Where a client's background work goes: to the smallest model that is loaded. It never has a model loaded beside another one.

Titles and tags are written between two messages of a person. An engine that loads a small model for them, and the person's own
again, is slower than one that writes them with what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from waypost.decide.policy import Policy, Route
from waypost.errors import NoDeployment, WaypostError
from waypost.fleet.view import Deployment, FleetView, Status
from waypost.turn import EMPTY, Turn
from waypost.value import value

_BIG = 1e9


@value(frozen=True, slots=True)
class NoLoad:
    """Drops deployments that would have to be loaded, while something is loaded."""

    name: ClassVar[str] = "background"
    error: ClassVar[type[WaypostError]] = NoDeployment

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Unknown stays: most engines have their model loaded, and do not say so."""
        del turn, deployment
        return "is not loaded, and background work loads nothing while something else is" if status.loaded is False else None


def no_load(turn: Turn, fleet: FleetView) -> NoLoad | None:
    """The guard, for a turn that needs it."""
    if turn.background is None or not any(deployment.local and fleet.status(deployment.id).loaded for deployment in fleet):
        return None
    return NoLoad()


def smallest_first(route: Route, fleet: FleetView, policy: Policy) -> tuple[Route, tuple[Deployment, ...], str]:
    """The route that background work takes instead of ``route``, who is asked on it, in order, and what to say of the order.

    Everybody whom some route lists may be asked: first what is loaded here, then what is here and does not say, then what would
    have to be loaded, and at last what runs elsewhere; the smaller first. Where ``route`` keeps to this machine, so does this.
    """
    everybody = fleet.roster.here
    named = {name for each in policy.routes.values() for name in each.candidates}
    listed = everybody if "*" in named else [d for d in everybody if not named.isdisjoint((d.id, d.group))]

    def order(deployment: Deployment) -> tuple[int, float, float, int]:
        status = fleet.status(deployment.id)
        here = {True: 0, None: 1, False: 2}[status.loaded]
        price = deployment.price.output_usd if deployment.price else 0.0
        return here if deployment.local else 3, deployment.parameters_b or _BIG, price, status.in_flight

    stays = route.private or _is_local(route, everybody)
    # What the route says of temperature and the like is meant for its own task.
    taken = replace(route, candidates=tuple(d.id for d in listed), settings=EMPTY, private=stays)
    return taken, tuple(sorted(listed, key=order)), "the smallest model that is loaded"


def _is_local(route: Route, everybody: Sequence[Deployment]) -> bool:
    own = [d for d in everybody if "*" in route.candidates or not {d.id, d.group}.isdisjoint(route.candidates)]
    return bool(own) and all(deployment.local for deployment in own)
