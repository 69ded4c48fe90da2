"""Views of fleets whose engines load and unload models, for tests."""

from __future__ import annotations

from typing import Any

from samples import deployment
from waypost.decide.card import Decision
from waypost.fleet.deployment import Status
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.view import Deployment, FleetView


def one_slot(
    resident: str | tuple[str, ...] | None,
    *deployments: Deployment,
    answered_last: tuple[str, ...] = (),
    load_s: float | None = 20.0,
    memory: dict[str, Any] | None = None,
    **changes: dict[str, Any],
) -> FleetView:
    """All local ones on one engine that holds one model at a time, and takes ``load_s`` for a load.

    Weights have the deployment's model as their name. ``changes`` are fields of `Status` and `Residency`, by deployment.
    """
    loaded = (resident,) if isinstance(resident, str) else resident or ()
    statuses = {}
    for one in deployments:
        given = changes.get(one.id, {})
        of_status = {name: value for name, value in given.items() if name in Status.__slots__}
        residency = {"load_s": load_s, **{name: value for name, value in given.items() if name not in Status.__slots__}}
        known = Residency("ollama", one.model, **residency) if one.local else None
        statuses[one.id] = Status(**{"residency": known, **of_status})
    held = Memory(loaded, **{"max_models": 1, **(memory or {})})
    return FleetView(deployments, statuses, answered_last, {"ollama": held})


def local(name: str, **fields: Any) -> Deployment:
    """A deployment on that engine."""
    return deployment(name, **fields)


def cloud(name: str = "cloud", **fields: Any) -> Deployment:
    """A deployment that is not local."""
    return deployment(name, local=False, **fields)


def order(made: Decision) -> list[str]:
    """Who is asked, in order."""
    return [candidate.deployment for candidate in made.candidates]
