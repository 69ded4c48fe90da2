"""An immutable snapshot of the fleet: all that a decision may know about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from waypost.fleet.caps import answer_cap
from waypost.fleet.deployment import Capabilities, Deployment, Mode, Price, Status
from waypost.fleet.residency import Memory, Residency, thrown_out
from waypost.turn import empty
from waypost.value import value

__all__ = [
    "Capabilities",
    "Deployment",
    "FleetView",
    "Memory",
    "Mode",
    "Price",
    "Residency",
    "Status",
    "answer_cap",
    "thrown_out",
]

_UNSEEN = Status()


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

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.deployments)

    def status(self, deployment_id: str) -> Status:
        """How a deployment is; all unknown if nobody has looked."""
        return self.statuses.get(deployment_id, _UNSEEN)

    def deployment(self, deployment_id: str) -> Deployment | None:
        """The deployment of that id."""
        for deployment in self.deployments:
            if deployment.id == deployment_id:
                return deployment
        return None

    def exactly(self, name: str) -> tuple[Deployment, ...]:
        """The deployment of that id, or all of that group; empty if there are none. A pattern is not what anybody names."""
        named = [d for d in self.deployments if d.id == name and not d.is_pattern]
        return tuple(named or [d for d in self.deployments if d.group == name and not d.is_pattern])

    def loosely(self, name: str) -> tuple[Deployment, ...]:
        """The deployments whose ``provider/model`` or bare model name it is; empty if there are none."""
        return tuple(d for d in self.deployments if name in (f"{d.provider}/{d.model}", d.model) and not d.is_pattern)
