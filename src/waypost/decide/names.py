"""What a model name in a request means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from waypost.decide.policy import VIRTUAL_MODELS, Policy
from waypost.fleet.view import Deployment, FleetView

Kind = Literal["virtual", "route", "deployment"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A resolved name: a virtual model, a route, or the deployments that the caller named. ``via`` is the alias used."""

    kind: Kind
    name: str
    deployments: tuple[Deployment, ...] = ()
    via: str | None = None


def resolve(name: str, fleet: FleetView, policy: Policy) -> Meaning | None:
    """What ``name`` stands for, or ``None``.

    Aliases come first, then the virtual models, then what the caller can only have meant literally (a deployment), then routes,
    then looser forms of a deployment's name, and wildcards last.
    """
    target = policy.aliases.get(name, name)
    via = name if target != name else None
    if target in VIRTUAL_MODELS:
        return Meaning("virtual", target, via=via)
    exact = fleet.exactly(target)
    if exact:
        return Meaning("deployment", target, exact, via)
    if target in policy.routes:
        return Meaning("route", target, via=via)
    found = fleet.loosely(target) or _wildcard(target, fleet)
    return Meaning("deployment", target, found, via) if found else None


def closest(name: str, fleet: FleetView, policy: Policy) -> list[str]:
    """The known names most like ``name``, best first."""
    here = [deployment for deployment in fleet if not deployment.is_pattern]
    known = {*VIRTUAL_MODELS, *policy.routes, *policy.aliases, *(d.group for d in here), *(d.id for d in here)}
    by_lower = {known_name.lower(): known_name for known_name in sorted(known)}
    return [by_lower[match] for match in difflib.get_close_matches(name[:200].lower(), by_lower, n=3, cutoff=0.4)]


def _wildcard(name: str, fleet: FleetView) -> tuple[Deployment, ...]:
    """Deployments whose group is a pattern that fits, as LiteLLM's ``openai/*``, each with the name filled in.

    The longest pattern is the one that was meant, as in LiteLLM: beside ``anthropic/*``, ``*`` is for everything else.
    """
    fitting = [made for deployment in fleet if deployment.is_pattern and (made := deployment.meant_by(name)) is not None]
    longest = max((deployment.group for deployment in fitting), key=len, default="")
    return tuple(deployment for deployment in fitting if deployment.group == longest)
