"""Who may make an embedding: only deployments of one model, always the same one.

Vectors of two models have nothing to do with each other. A store that was filled by one of them and is asked with the other's
finds nonsense, and nothing in it says so. So nothing here depends on who is up: a name means the first embedding model that it
lists, for ever, and nobody stands in for it but replicas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from waypost.decide.guards import Guard, Health, Privacy
from waypost.decide.names import Meaning
from waypost.decide.policy import Policy
from waypost.errors import MissingCapability, WaypostError
from waypost.fleet.view import Deployment, FleetView, Status
from waypost.turn import Turn
from waypost.value import value


@value(frozen=True, slots=True)
class MakesEmbeddings:
    """Drops deployments that answer chats: a chat model's vectors are not made for comparing texts."""

    name: ClassVar[str] = "mode"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Only ``embedding`` deployments stay."""
        del turn, status
        return None if deployment.mode == "embedding" else "does not make embeddings"


@value(frozen=True, slots=True)
class SameModel:
    """Drops deployments whose vectors are another model's."""

    model: str | None
    name: ClassVar[str] = "same_model"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Fallbacks are no exception."""
        del turn, status
        return None if _bare(deployment) == self.model else f"its vectors are not those of {self.model}"


def guards_for_vectors(meaning: Meaning, fleet: FleetView, policy: Policy, *, private: bool) -> tuple[Guard, ...]:
    """The guards of a request for an embedding, in the order of the card."""
    found = policy.routes[meaning.name].candidates if meaning.kind == "route" else None
    listed = meaning.deployments if found is None else _in_order(found, fleet)
    guards: tuple[Guard, ...] = (MakesEmbeddings(), SameModel(_model_of(listed)))
    return (*guards, Privacy(), Health()) if private else (*guards, Health())


def names_for_embeddings(fleet: FleetView, policy: Policy) -> list[str]:
    """Names that a request for an embedding may ask for: groups first, then routes that list some."""
    groups = dict.fromkeys(d.group for d in fleet if d.mode == "embedding" and not d.is_pattern)
    listing = {name: route.candidates for name, route in policy.routes.items() if "*" not in route.candidates}
    return [*groups, *(name for name, listed in sorted(listing.items()) if _model_of(_in_order(listed, fleet)))]


def _model_of(deployments: Iterable[Deployment]) -> str | None:
    """The model that these make embeddings with: the first one's; ``None`` if none makes any."""
    return next((_bare(deployment) for deployment in deployments if deployment.mode == "embedding"), None)


def _in_order(candidates: Iterable[str], fleet: FleetView) -> list[Deployment]:
    """The deployments of a route in an order that is the same whoever is up, busy or loaded."""
    everybody = [deployment for deployment in fleet if not deployment.is_pattern]
    return [d for name in candidates for d in (everybody if name == "*" else fleet.exactly(name) or fleet.loosely(name))]


def _bare(deployment: Deployment) -> str:
    return deployment.model.removesuffix(":latest")
