"""Quality estimates for deployments whose models are known from outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.quality import QualityEstimate
from waypost.decide.quality_experts import Arrays, Floats, Rows
from waypost.decide.quality_features import Told, told_of
from waypost.decide.quality_pool import Pool
from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment
from waypost.turn import Turn


@dataclass(frozen=True, slots=True)
class PoolQuality:
    """Estimates by the pool that knows most of the deployments, the first of such; scores of two pools are not comparable.

    A deployment is known by its id, its group or its model.
    """

    version: str
    pools: tuple[Pool, ...]
    places: Mapping[str, Mapping[int, int]]
    """For each name, its place in each pool that knows it."""

    @classmethod
    def of(cls, version: str, pools: Sequence[Pool]) -> PoolQuality:
        """On these pools."""
        places: dict[str, dict[int, int]] = {}
        for number, pool in enumerate(pools):
            for place, model in enumerate(pool.models):
                places.setdefault(model, {})[number] = place
        return cls(version, tuple(pools), places)

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        """One for each deployment, ``None`` of one that the pool does not know."""
        known = [self._places(deployment) for deployment in deployments]
        counts = [sum(number in places for places in known) for number in range(len(self.pools))]
        most = max(counts, default=0)
        if not most:
            return [None] * len(deployments)
        number = counts.index(most)
        asked = [places[number] for places in known if number in places]
        found = iter(estimates_of(self.pools[number], told_of(turn, task), asked))
        return [next(found) if number in places else None for places in known]

    def _places(self, deployment: Deployment) -> Mapping[int, int]:
        for name in (deployment.id, deployment.group, deployment.model):
            if name in self.places:
                return self.places[name]
        return {}

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        return {f"{number}.{name}": array for number, pool in enumerate(self.pools) for name, array in pool.to_arrays().items()}

    @classmethod
    def of_arrays(cls, version: str, arrays: Arrays) -> PoolQuality:
        """From what `to_arrays` gave. Raises KeyError where something is missing, ValueError where it does not fit."""
        return cls.of(version, [Pool.of_arrays(own) for own in _numbered(arrays)])


def estimates_of(pool: Pool, told: Told, asked: Sequence[int]) -> list[QualityEstimate]:
    """What ``pool`` expects of the models at the places ``asked``."""
    topics = pool.experts.topics
    directions: Floats = np.empty((1, 0), np.float32) if topics is None else topics.of(told.words)
    return pool.estimates(Rows(told.form[None], told.labels[None], directions), asked)


def _numbered(arrays: Arrays) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The arrays of each pool, without its number."""
    numbers = sorted({int(name.partition(".")[0]) for name in arrays})
    for number in numbers:
        yield {name.partition(".")[2]: arrays[name] for name in arrays if name.startswith(f"{number}.")}
