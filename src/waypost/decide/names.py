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
    then looser forms of a deployment's name, then the same with or without Ollama's tag ``:latest``, and wildcards last.
    """
    for asked in (name, _other_tag(name)):
        target = policy.aliases.get(asked)
        via = None if target is None else name
        for meant in (asked,) if target is None else (target, _other_tag(target)):
            found = _literally(meant, via, fleet, policy)
            if found is not None:
                return found
    target = policy.aliases.get(name)
    fitting = _wildcard(target or name, fleet)
    return Meaning("deployment", target or name, fitting, target and name) if fitting else None


def _literally(name: str, via: str | None, fleet: FleetView, policy: Policy) -> Meaning | None:
    if name in VIRTUAL_MODELS:
        return Meaning("virtual", name, via=via)
    exact = fleet.exactly(name)
    if exact:
        return Meaning("deployment", name, exact, via)
    if name in policy.routes:
        return Meaning("route", name, via=via)
    found = fleet.loosely(name)
    return Meaning("deployment", name, found, via) if found else None


def _other_tag(name: str) -> str:
    """Ollama's clients may write the tag ``:latest`` or leave it out, and mean the same."""
    bare = name.removesuffix(":latest")
    return bare if bare != name else f"{name}:latest"


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
