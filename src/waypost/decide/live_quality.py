"""The quality that serving expects of deployments, on one scale within a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from waypost.decide.abilities import FIELDS, IN_FIELD, Abilities, Floats, Standing
from waypost.decide.known_models import thinking_of
from waypost.decide.quality import QualityEstimate, QualityEstimator
from waypost.decide.recent import Recent
from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment
from waypost.turn import Turn

BOUND = 1.645
"""Nine of ten cases lie within so many standard deviations."""

PROBIT = np.pi / 8
"""The mean of a logistic curve over a normal distribution, nearly (MacKay 1992): its odds are shrunk by so much variance."""

_REMEMBERED = 256

_Key = tuple[str, str, float | None, bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Fleet:
    """Deployments in an order: which of them are known, and the standings of these, one row each."""

    places: tuple[int, ...]
    means: Floats
    covariances: Floats
    outcomes: tuple[int, ...]


class LiveQuality:
    """A `QualityEstimator` for whatever deployments there are.

    ``pool`` knows a set of models by outcomes on the same prompts; it speaks where it knows as many of the deployments as
    ``abilities`` do. Its scores are of its own prompts, and abilities are of an average over sources, so the two are never
    mixed in one decision. ``standings`` are deployments, by id, that are better known than by their names: they were probed.
    """

    def __init__(
        self,
        abilities: Abilities | None,
        pool: QualityEstimator | None = None,
        standings: Mapping[str, Standing] | None = None,
        version: str = "abilities",
    ) -> None:
        self._abilities = abilities
        self._pool = pool
        self._standings = standings or {}
        self._version = version
        self._known = Recent[_Key, Standing | tuple[()]](_REMEMBERED)
        self._fleets = Recent[tuple[_Key, ...], _Fleet](_REMEMBERED)

    @property
    def version(self) -> str:
        """Name and hash of what it learned, for the card."""
        return self._version

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        """One estimate for each of ``deployments``, all of one kind; ``None`` of one that is not known that way."""
        pooled = () if self._pool is None else self._pool.estimate(turn, deployments, task)
        known = sum(one is not None for one in pooled)
        if self._abilities is None or (known and known == len(deployments)):
            return pooled or (None,) * len(deployments)
        fleet = self._fleet(deployments, self._abilities)
        return (
            pooled if known and known >= len(fleet.places) else self._by_ability(fleet, len(deployments), task, self._abilities)
        )

    def standing(self, deployment: Deployment) -> Standing | None:
        """Where a deployment stands on the scale of abilities; ``None`` where nobody knows."""
        if self._abilities is None:
            return None
        return self._standing(deployment, _key(deployment), self._abilities)

    def _by_ability(self, fleet: _Fleet, size: int, task: TaskScores, abilities: Abilities) -> list[QualityEstimate | None]:
        found: list[QualityEstimate | None] = [None] * size
        inputs = abilities.inputs(task)
        at = np.ones(1 + len(FIELDS))
        at[1:] = inputs @ IN_FIELD
        # What is not known of the prompt is the same for all: it shrinks and widens each alike.
        unsure = float(inputs @ abilities.ease_covariance @ inputs) + abilities.traffic_sd**2
        odds = fleet.means @ at + float(inputs @ abilities.ease)
        variance = fleet.covariances @ np.outer(at, at).ravel() + unsure
        half = BOUND * np.sqrt(variance)
        shares = 1 / (1 + np.exp(-np.array((odds / np.sqrt(1 + PROBIT * variance), odds - half, odds + half))))
        for place, mean, lower, upper, n in zip(fleet.places, *shares.tolist(), fleet.outcomes, strict=True):
            found[place] = QualityEstimate(mean, lower, upper, n)
        return found

    def _fleet(self, deployments: Sequence[Deployment], abilities: Abilities) -> _Fleet:
        key = tuple([_key(deployment) for deployment in deployments])
        fleet = self._fleets.get(key)
        if fleet is None:
            standings = [self._standing(one, name, abilities) for one, name in zip(deployments, key, strict=True)]
            known = {place: standing for place, standing in enumerate(standings) if standing is not None}
            size = 1 + len(FIELDS)
            fleet = self._fleets[key] = _Fleet(
                tuple(known),
                np.array([one.mean for one in known.values()]).reshape(-1, size),
                np.array([one.covariance for one in known.values()]).reshape(-1, size * size),
                tuple(one.n for one in known.values()),
            )
        return fleet

    def _standing(self, deployment: Deployment, key: _Key, abilities: Abilities) -> Standing | None:
        probed = self._standings.get(deployment.id)
        if probed is not None:
            return probed
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = abilities.standing(deployment) or ()
        return found or None


def _key(deployment: Deployment) -> _Key:
    """What a standing depends on, for one config: a deployment's id, and what discovery and the request may change."""
    return deployment.id, deployment.model, deployment.parameters_b, thinking_of(deployment)
