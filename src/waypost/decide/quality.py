"""How well each deployment would answer: what a quality estimator promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from waypost.turn import Turn


@dataclass(frozen=True, slots=True)
class QualityEstimate:
    """The expected score of an answer, from 0 to 1, and the bounds between which the true expectation lies in 9 of 10 cases.

    ``n`` is how many outcomes speak for it; 0 where it is a guess.
    """

    mean: float
    lower: float
    upper: float
    n: int


class QualityEstimator(Protocol):
    """Tells, before anybody is asked, how good the answers of deployments would be."""

    def estimate(self, turn: Turn, deployments: Sequence[str]) -> Sequence[QualityEstimate]:
        """One estimate for each of ``deployments``, in their order. A pure function of its arguments."""
        ...
