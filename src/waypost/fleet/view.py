"""An immutable snapshot of the fleet: all that a decision may know about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from waypost.fleet.caps import answer_cap
from waypost.fleet.deployment import Capabilities, Deployment, Mode, Price, Status
from waypost.fleet.residency import Memory, Residency, thrown_out
from waypost.turn import empty
from waypost.value import value

__all__ = [
    "UNSEEN",
    "Capabilities",
    "Deployment",
    "FleetView",
    "Memory",
    "Mode",
    "Price",
    "Residency",
    "Roster",
    "Status",
    "answer_cap",
    "thrown_out",
]

UNSEEN = Status()
"""How a deployment is at which nobody has looked."""


class Roster(tuple[Deployment, ...]):  # noqa: SLOT001 - what was found is kept in its dict
    """The deployments of a fleet, in the order of the config, with what follows from them alone: found once, on demand."""

    @cached_property
    def kept(self) -> dict[str, Any]:
        """For what others find out that holds as long as these deployments stay as they are."""
        return {}

    @cached_property
    def here(self) -> tuple[Deployment, ...]:
        """Those that answer: all but patterns."""
        return tuple([deployment for deployment in self if not deployment.is_pattern])

    @cached_property
    def by_id(self) -> Mapping[str, Deployment]:
        """Each by its id; of two with one id the first."""
        return {deployment.id: deployment for deployment in reversed(self)}

    @cached_property
    def _exact(self) -> Mapping[str, tuple[Deployment, ...]]:
        groups = _grouped((deployment.group, deployment) for deployment in self.here)
        return {**groups, **_grouped((deployment.id, deployment) for deployment in self.here)}

    @cached_property
    def _loose(self) -> Mapping[str, tuple[Deployment, ...]]:
        names = ((name, one) for one in self.here for name in {one.model, f"{one.provider}/{one.model}"})
        return _grouped(names)

    def exactly(self, name: str) -> tuple[Deployment, ...]:
        """See `FleetView.exactly`."""
        return self._exact.get(name, ())

    def loosely(self, name: str) -> tuple[Deployment, ...]:
        """See `FleetView.loosely`."""
        return self._loose.get(name, ())


def _grouped(named: Iterable[tuple[str, Deployment]]) -> dict[str, tuple[Deployment, ...]]:
    found: dict[str, list[Deployment]] = {}
    for name, deployment in named:
        found.setdefault(name, []).append(deployment)
    return {name: tuple(deployments) for name, deployments in found.items()}


@value(frozen=True, slots=True)
class FleetView:
    """Every deployment, in the order of the config, and how each is now.

    ``answered_last`` are those that answered the conversation which is to be decided on, the last one first. ``memories`` are
    those of the engines that load and unload models, by `Residency.engine`.
    """

    deployments: tuple[Deployment, ...]
    statuses: Mapping[str, Status] = field(default_factory=empty)
    answered_last: tuple[str, ...] = ()
    memories: Mapping[str, Memory] = field(default_factory=empty)
    roster: Roster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """The roster is what a fleet gives as its deployments already."""
        given = self.deployments
        object.__setattr__(self, "roster", given if isinstance(given, Roster) else Roster(given))

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.deployments)

    def status(self, deployment_id: str) -> Status:
        """How a deployment is; all unknown if nobody has looked."""
        return self.statuses.get(deployment_id, UNSEEN)

    def deployment(self, deployment_id: str) -> Deployment | None:
        """The deployment of that id."""
        return self.roster.by_id.get(deployment_id)

    def exactly(self, name: str) -> tuple[Deployment, ...]:
        """The deployment of that id, or all of that group; empty if there are none. A pattern is not what anybody names."""
        return self.roster.exactly(name)

    def loosely(self, name: str) -> tuple[Deployment, ...]:
        """The deployments whose ``provider/model`` or bare model name it is; empty if there are none."""
        return self.roster.loosely(name)
