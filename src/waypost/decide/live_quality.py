"""The quality that serving expects of deployments, on one scale within a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from waypost.decide.abilities import FIELDS, Abilities, Floats, Standing
from waypost.decide.known_models import Identity, identity_of, thinking_of
from waypost.decide.moved_abilities import Passed, after_outcomes
from waypost.decide.probed import ProbeResult
from waypost.decide.quality import QualityEstimate, QualityEstimator
from waypost.decide.recent import Recent
from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment
from waypost.turn import EMPTY, Turn

BOUND = 1.645
"""Nine of ten cases lie within so many standard deviations."""

PROBIT = np.pi / 8
"""The mean of a logistic curve over a normal distribution, nearly (MacKay 1992): its odds are shrunk by so much variance."""

_REMEMBERED = 256

_Arm = tuple[str, bool | None]
"""The id of a deployment, and whether it is set to think."""


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
    mixed in one decision. Where abilities speak, what is known of the pool's ``models`` moves them: by id, group or model of a
    deployment. ``probed`` are those that were probed, with the settings that they were probed with.
    """

    def __init__(
        self,
        abilities: Abilities | None,
        pool: QualityEstimator | None = None,
        models: Mapping[str, Standing] = EMPTY,
        probed: Mapping[_Arm, Standing] | None = None,
        version: str = "abilities",
    ) -> None:
        self._abilities = abilities
        self._pool = pool
        self._models = models
        self._probed = probed or {}
        self._version = version
        self._known = Recent[Identity, Standing | tuple[()]](_REMEMBERED)
        self._fleets = Recent[tuple[Identity, ...], _Fleet](_REMEMBERED)

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
        fleet = self._fleet(deployments)
        return (
            pooled if known and known >= len(fleet.places) else self._by_ability(fleet, len(deployments), task, self._abilities)
        )

    def standing(self, deployment: Deployment) -> Standing | None:
        """Where a deployment stands on the scale of abilities; ``None`` where nobody knows."""
        return self._standing(deployment, identity_of(deployment))

    def after_probes(self, results: Sequence[tuple[Deployment, ProbeResult]], version: str) -> LiveQuality:
        """The same, but that these probes count, and no others; those of one set of prompts together."""
        standings: dict[_Arm, Standing] = {}
        if self._abilities is not None:
            sets: dict[str, list[tuple[Deployment, ProbeResult]]] = {}
            for deployment, result in results:
                sets.setdefault(result.prompts, []).append((deployment, result))
            for probed in sets.values():
                before = [
                    (
                        standings.get(_arm(one)) or self._unprobed(one) or self._abilities.anybody(),
                        Passed(result.passed, result.asked),
                    )
                    for one, result in probed
                ]
                after = after_outcomes(before, self._abilities)
                standings.update((_arm(one), standing) for (one, _), standing in zip(probed, after, strict=True))
        return LiveQuality(self._abilities, self._pool, self._models, standings, version)

    def _by_ability(self, fleet: _Fleet, size: int, task: TaskScores, abilities: Abilities) -> list[QualityEstimate | None]:
        found: list[QualityEstimate | None] = [None] * size
        inputs = abilities.inputs(task)
        told = inputs @ abilities.told
        at = np.ones(1 + len(FIELDS))
        at[1:] = told[: len(FIELDS)]
        # What is not known of the prompt is the same for all: it shrinks and widens each alike.
        unsure = float(told[len(at) :] @ inputs) + abilities.traffic_sd**2
        odds = fleet.means @ at + told[len(FIELDS)]
        variance = fleet.covariances @ (at[:, None] * at).ravel() + unsure
        half = BOUND * np.sqrt(variance)
        shares = 1 / (1 + np.exp(-np.array((odds / np.sqrt(1 + PROBIT * variance), odds - half, odds + half))))
        for place, mean, lower, upper, n in zip(fleet.places, *shares.tolist(), fleet.outcomes, strict=True):
            found[place] = QualityEstimate(mean, lower, upper, n)
        return found

    def _fleet(self, deployments: Sequence[Deployment]) -> _Fleet:
        key = tuple([identity_of(deployment) for deployment in deployments])
        fleet = self._fleets.get(key)
        if fleet is None:
            standings = [self._standing(one, name) for one, name in zip(deployments, key, strict=True)]
            known = {place: standing for place, standing in enumerate(standings) if standing is not None}
            size = 1 + len(FIELDS)
            fleet = self._fleets[key] = _Fleet(
                tuple(known),
                np.array([one.mean for one in known.values()]).reshape(-1, size),
                np.array([one.covariance for one in known.values()]).reshape(-1, size * size),
                tuple(one.n for one in known.values()),
            )
        return fleet

    def _standing(self, deployment: Deployment, key: Identity) -> Standing | None:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._probed.get(_arm(deployment)) or self._unprobed(deployment) or ()
        return found or None

    def _unprobed(self, deployment: Deployment) -> Standing | None:
        for name in (deployment.id, deployment.group, deployment.model):
            if name in self._models:
                return self._models[name]
        return None if self._abilities is None else self._abilities.standing(deployment)


def _arm(deployment: Deployment) -> _Arm:
    return deployment.id, thinking_of(deployment)
