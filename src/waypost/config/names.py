"""The names that a config may refer to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from waypost.fleet.deployment import Deployment


class Names:
    """Deployments by every name that they have. A name under a wildcard group becomes a deployment when it is first used."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        self._deployments = list(deployments)
        self._known = {name for deployment in self._deployments for name in _names_of(deployment)}

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All of them, with those that references made of wildcards at the end."""
        return tuple(self._deployments)

    @property
    def known(self) -> frozenset[str]:
        """Every name, for suggestions."""
        return frozenset(self._known)

    def exactly(self, name: str) -> bool:
        """It is a group or an id."""
        return any(name in (deployment.group, deployment.id) for deployment in self._deployments)

    def of(self, name: str) -> tuple[Deployment, ...]:
        """The deployments that have this name."""
        return tuple(deployment for deployment in self._deployments if name in _names_of(deployment))

    def find(self, name: str) -> bool:
        """There is a deployment of that name, or a wildcard that stands for one."""
        if name in self._known:
            return True
        for pattern in [deployment for deployment in self._deployments if deployment.is_pattern]:
            made = concrete(pattern, name)
            if made is not None:
                self._deployments.append(made)
                self._known |= _names_of(made)
                return True
        return False


def concrete(pattern: Deployment, name: str) -> Deployment | None:
    """The deployment that ``name`` means under a wildcard group such as ``openai/*``; ``None`` if it does not fit."""
    made = pattern.meant_by(name)
    return None if made is None else replace(made, id=name, group=name)


def _names_of(deployment: Deployment) -> set[str]:
    return {deployment.id, deployment.group, deployment.model, f"{deployment.provider}/{deployment.model}"}
