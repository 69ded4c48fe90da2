"""How models are loaded: one value of each load-time option for a model of an engine, whoever asks for it.

An engine that gets another one loads the model again: seconds in which nobody is answered. So what routes and deployments ask
for is settled here, once: of `num_ctx` the largest, as a window that is too small cuts prompts silently, and of anything else
what stands first in the file, deployments before routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from waypost.config.names import Names
from waypost.config.report import Report, quoted
from waypost.config.schema import ConfigFile
from waypost.config.settings import wrong_type
from waypost.config.tree import Node
from waypost.fleet.deployment import Deployment
from waypost.known_settings import LOAD_TIME

Weights = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """A load-time option for one model of one engine, as a route states it, or its deployment (``route`` is ``None``)."""

    weights: Weights
    name: str
    value: Any
    where: Node
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A wish that does not come true: the model is loaded as ``used`` says."""

    wish: Wish
    used: Wish


def wishes(file: ConfigFile, root: Node, names: Names, params: Mapping[str, Node]) -> list[Wish]:
    """What all deployments and routes ask for, deployments first. Only Ollama is asked to load a model by requests.

    ``params`` is where the `litellm_params` of each deployment stand.
    """
    asked = {
        name: tuple(_members(block.candidates, file.aliases, names))
        for name, block in file.routes.items()
        if not LOAD_TIME.isdisjoint(block.settings)
    }
    found: list[Wish] = []
    for deployment in names.deployments:
        # What a reference made of a wildcard has the wildcard's settings.
        stands = (params[d.id] for d in names.deployments if d.settings is deployment.settings and d.id in params)
        found += _wishes(deployment, deployment.settings, next(stands, root), None)
    for name, members in asked.items():
        where = root.at(["routes", name, "settings"])
        for deployment in members:
            found += _wishes(deployment, file.routes[name].settings, where, name)
    return found


def settle(stated: Sequence[Wish]) -> tuple[dict[tuple[Weights, str], Wish], list[Conflict]]:
    """The one value of each option for each model, and the wishes that it leaves open."""
    settled: dict[tuple[Weights, str], Wish] = {}
    for wish in stated:
        first = settled.setdefault((wish.weights, wish.name), wish)
        if wish.name == "num_ctx" and wish.value > first.value:
            settled[wish.weights, wish.name] = wish
    used = ((wish, settled[wish.weights, wish.name]) for wish in stated)
    return settled, [Conflict(wish, one) for wish, one in used if wish.value != one.value]


def with_load_options(file: ConfigFile, root: Node, names: Names, params: Mapping[str, Node], report: Report) -> Names:
    """The deployments, each with the load-time options and the window of its model; what cannot be had is told."""
    stated = wishes(file, root, names, params)
    settled, conflicts = settle(stated)
    for one in conflicts:
        _tell(one, report)
    heard = {(wish.route, wish.name) for wish in stated}
    for route, block in file.routes.items():
        for name in LOAD_TIME & block.settings.keys():
            if (route, name) not in heard and wrong_type(name, block.settings[name]) is None:
                where = root.at(["routes", route, "settings", name])
                report.warning(where, f"{quoted(name)} is not used: no candidate of this route is a model that Ollama loads")
    windows = _windows(names)
    return Names(_loaded(deployment, settled, windows) for deployment in names.deployments)


def _tell(conflict: Conflict, report: Report) -> None:
    wish, used = conflict.wish, conflict.used
    model = quoted(wish.weights[1])
    why = "it would load the model again" if wish.name != "keep_alive" else "it is one model, and is kept for one time"
    said = f"{quoted(wish.name)}: {wish.value} is not used, as line {used.where.line} wants {used.value} for {model}"
    report.warning(wish.where, f"{said}: {why}")


def _wishes(deployment: Deployment, settings: Mapping[str, Any], where: Node, route: str | None) -> Iterator[Wish]:
    if deployment.weights is None or deployment.reads != "ollama" or deployment.is_pattern:
        return
    for name, value in settings.items():
        if name in LOAD_TIME and wrong_type(name, value) is None:
            yield Wish(deployment.weights, name, value, where.at([name]), route)


def _members(candidates: Iterable[str], aliases: Mapping[str, str], names: Names) -> Iterator[Deployment]:
    """The deployments that a route may ask."""
    for candidate in candidates:
        name, seen = candidate, {candidate}
        while name in aliases and aliases[name] not in seen:
            name = aliases[name]
            seen.add(name)
        if name == "*":
            yield from names.deployments
        elif names.find(name):
            yield from names.of(name)


def _windows(names: Names) -> dict[Weights, int]:
    """The largest window that the file states for each model: what it is loaded with if nobody states a `num_ctx` for it."""
    found: dict[Weights, int] = {}
    for one in names.deployments:
        if one.weights is not None and one.window_tokens and one.sources.get("window_tokens") == "config":
            found[one.weights] = max(one.window_tokens, found.get(one.weights, 0))
    return found


def _loaded(deployment: Deployment, settled: Mapping[tuple[Weights, str], Wish], windows: Mapping[Weights, int]) -> Deployment:
    weights = deployment.weights
    if weights is None or deployment.reads != "ollama" or deployment.is_pattern:
        return deployment
    options = {name: wish.value for (whose, name), wish in settled.items() if whose == weights}
    window = options.get("num_ctx", windows.get(weights))
    if options:
        deployment = replace(deployment, settings=MappingProxyType({**deployment.settings, **options}))
    if window is None or window == deployment.window_tokens:
        return deployment
    sources = MappingProxyType({**deployment.sources, "window_tokens": "config"})
    return replace(deployment, window_tokens=window, sources=sources)
