"""Bundles: the settings of a deployment, under a route's, as they reach its engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waypost.config.report import Report, quoted
from waypost.config.tree import Node
from waypost.decide.policy import Policy, Route
from waypost.fleet.deployment import Deployment
from waypost.known_settings import TITLES, fitted, layered


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a route makes of a deployment; ``route`` is empty for who is asked by name.

    ``sent`` are the fields that the engine gets, ``renamed`` gives its name for a setting that has another one there, and
    ``dropped`` are those that it does not have.
    """

    route: str
    deployment: Deployment
    sent: Mapping[str, Any]
    renamed: Mapping[str, str]
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, deployment: Deployment, route: Route | None = None) -> Bundle:
        """The bundle of a deployment, on a route."""
        layers = (deployment.settings, {} if route is None else route.settings)
        became = {name: tuple(fitted({name: value}, deployment.reads)) for layer in layers for name, value in layer.items()}
        return cls(
            route="" if route is None else route.name,
            deployment=deployment,
            sent=layered(layers, deployment.reads),
            renamed={name: names[0] for name, names in became.items() if names and names[0] != name},
            dropped=tuple(name for name, names in became.items() if not names),
        )


def bundles(deployments: Iterable[Deployment], policy: Policy) -> Iterator[Bundle]:
    """Every deployment by itself, and then every route with each of its candidates."""
    here = [deployment for deployment in deployments if not deployment.is_pattern]
    yield from map(Bundle.of, here)
    for route in policy.routes.values():
        yield from (Bundle.of(deployment, route) for deployment in here if _is_candidate(deployment, route))


def drops(deployments: Sequence[Deployment], policy: Policy) -> Iterator[tuple[str, Deployment, str]]:
    """Every setting that an engine does not have: of a route (empty: of the deployment itself), for a deployment, its name."""
    for deployment in deployments:
        yield from (("", deployment, name) for name in _lacks(deployment, deployment.settings))
    for route in policy.routes.values():
        for deployment in deployments if route.settings else ():
            if _is_candidate(deployment, route):
                yield from ((route.name, deployment, name) for name in _lacks(deployment, route.settings))


def lacking(deployment: Deployment, name: str) -> str:
    """Says that a deployment does not get a setting, and why."""
    title = TITLES[deployment.reads] if deployment.reads else "its engine"
    return f"{quoted(name)} does not go to {quoted(deployment.id)}: {title} has no such setting"


def tell_dropped(
    deployments: Sequence[Deployment], policy: Policy, params: Mapping[str, Node], root: Node, report: Report
) -> None:
    """A warning for every setting that an engine does not have, where the setting stands."""
    for route, deployment, name in drops(deployments, policy):
        block = root.at(["routes", route, "settings"]) if route else params.get(deployment.id, root)
        report.warning(block.at([name]), lacking(deployment, name))


def _lacks(deployment: Deployment, settings: Mapping[str, Any]) -> Iterator[str]:
    return (name for name, value in settings.items() if not fitted({name: value}, deployment.reads))


def _is_candidate(deployment: Deployment, route: Route) -> bool:
    names = (deployment.id, deployment.group, deployment.model, f"{deployment.provider}/{deployment.model}", "*")
    return not set(route.candidates).isdisjoint(names)
