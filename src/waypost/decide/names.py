"""What a model name in a request means."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Literal

from waypost.decide.policy import ORDERED, VIRTUAL_MODELS, Policy
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import share_of
from waypost.value import value

PAIRED = "router-"
"""How a name of RouteLLM's form begins."""

Kind = Literal["virtual", "route", "pair", "deployment"]


@value(frozen=True, slots=True)
class Meaning:
    """A resolved name: a virtual model, a route, a router's pair, or the deployments that the caller named.

    ``via`` is the alias used. ``number`` is what stands behind the name: of ``auto@0.3`` the dial, of ``router-mf-0.3`` the
    threshold.
    """

    kind: Kind
    name: str
    deployments: tuple[Deployment, ...] = ()
    via: str | None = None
    number: float | None = None

    @property
    def spelled(self) -> str:
        """The name, with its number."""
        if self.number is None:
            return self.name
        return f"{PAIRED}{self.name}-{self.number:g}" if self.kind == "pair" else f"{self.name}@{self.number:g}"


_VIRTUAL = {name: Meaning("virtual", name) for name in VIRTUAL_MODELS}


def resolve(name: str, fleet: FleetView, policy: Policy) -> Meaning | None:
    """What ``name`` stands for, or ``None``.

    Aliases come first, then the virtual models, then what the caller can only have meant literally (a deployment), then routes,
    then looser forms of a deployment's name, then the same with or without Ollama's tag ``:latest``, then names with a number,
    and wildcards last.
    """
    if name in _VIRTUAL and name not in policy.aliases:
        return _VIRTUAL[name]
    for asked in (name, _other_tag(name)):
        target = policy.aliases.get(asked)
        via = None if target is None else name
        for meant in (asked,) if target is None else (target, _other_tag(target)):
            found = _literally(meant, via, fleet, policy)
            if found is not None:
                return found
    target = _target(name, policy)
    via = name if target != name else None
    numbered = _numbered(target, fleet, policy)
    if numbered is not None:
        return None if isinstance(numbered, str) else replace(numbered, via=via)
    fitting = _wildcard(target, fleet)
    return Meaning("deployment", target, fitting, via) if fitting else None


def _target(name: str, policy: Policy) -> str:
    """What an alias stands for, with or without Ollama's tag; any other name is its own."""
    return policy.aliases.get(name) or policy.aliases.get(_other_tag(name), name)


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


def is_of_a_pair(name: str, policy: Policy) -> bool:
    """A name of RouteLLM's form, or an alias of one."""
    return _target(name, policy).startswith(PAIRED)


def wrong_number(name: str, fleet: FleetView, policy: Policy) -> str | None:
    """What is wrong with the number of a name that wants one; ``None`` where it wants none."""
    found = _numbered(_target(name, policy), fleet, policy)
    return found if isinstance(found, str) else None


def _numbered(name: str, fleet: FleetView, policy: Policy) -> Meaning | str | None:
    """A name of RouteLLM's form, or a virtual model or route with a dial behind it; or what is wrong with the number in it."""
    bare = name.removesuffix(":latest")
    pair = max([one for one in policy.pairs if bare.startswith(f"{PAIRED}{one}-")], key=len, default=None)
    if pair is not None:
        threshold = share_of(bare[len(f"{PAIRED}{pair}-") :])
        if threshold is None:
            return f"the threshold must be a number from 0 to 1, as in {PAIRED}{pair}-0.11593"
        return Meaning("pair", pair, number=threshold)
    base, _, text = bare.rpartition("@")
    found = _literally(policy.aliases.get(base, base), None, fleet, policy) if base else None
    if found is None or found.kind == "deployment":
        return None
    if found.kind == "virtual" and found.name in ORDERED:
        return f"{found.name} says itself what counts, and has no dial: ask for auto@0.3 or the like"
    dial = share_of(text)
    if dial is None:
        return f"the dial behind @ must be a number from 0 to 1, as in {base}@0.3"
    return replace(found, number=dial)


def _other_tag(name: str) -> str:
    """Ollama's clients may write the tag ``:latest`` or leave it out, and mean the same."""
    bare = name.removesuffix(":latest")
    return bare if bare != name else f"{name}:latest"


def closest(name: str, fleet: FleetView, policy: Policy) -> list[str]:
    """The known names most like ``name``, best first."""
    here = fleet.roster.here
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
