"""An immutable snapshot of the fleet: all that a decision may know about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from waypost.fleet.deployment import Capabilities, Deployment, Mode, Price, Status

__all__ = ["Capabilities", "Deployment", "FleetView", "Mode", "Price", "Status"]

_UNSEEN = Status()


@dataclass(frozen=True, slots=True)
class FleetView:
    """Every deployment, in the order of the config, and how each is now."""

    deployments: tuple[Deployment, ...]
    statuses: Mapping[str, Status] = MappingProxyType({})

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.deployments)

    def status(self, deployment_id: str) -> Status:
        """How a deployment is; all unknown if nobody has looked."""
        return self.statuses.get(deployment_id, _UNSEEN)

    def named(self, name: str) -> tuple[Deployment, ...]:
        """The deployments of that id, group, or ``provider/model``; empty if there are none."""
        exact = tuple(d for d in self.deployments if d.id == name)
        if exact:
            return exact
        group = tuple(d for d in self.deployments if d.group == name)
        return group or tuple(d for d in self.deployments if name in (f"{d.provider}/{d.model}", d.model))
