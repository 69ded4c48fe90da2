"""How well each deployment would answer: what a quality estimator promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment
from waypost.turn import Turn

COST_WEIGHT = 0.2
"""With the dial at 0.5, an answer that is better by this much may cost as much more as the dearest does over the cheapest.

So the middle of the dial is in the middle: there it divides mixed prompts between a large and a small model
(`benchmarks/dial.py`).
"""


# Nobody changes one. It is not frozen, as there is one for each deployment of a decision that weighs quality: making it would
# take three times as long.
@dataclass(slots=True, unsafe_hash=True)
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

    @property
    def version(self) -> str:
        """Name and hash of what it learned, for the card."""
        ...

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        """One estimate for each of ``deployments``, in their order; ``None`` of one that it knows nothing of.

        ``task`` is what the task model said of ``turn``: its grounds hold the reading of the text, which is not read again. A
        pure function of its arguments.
        """
        ...


class AnswerLengths(Protocol):
    """Tells, before anybody is asked, how long the answers of deployments would be."""

    def tokens(self, task: TaskScores, deployments: Sequence[Deployment], caps: Sequence[int | None]) -> Sequence[int | None]:
        """The mean number of tokens, thinking included, for each of ``deployments``, none above its cap; ``None``: unknown."""
        ...


class WinRates(Protocol):
    """RouteLLM's routers: how probable it is that the strong model's answer is the better one."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """From 0 to 1. Raises `ArtefactError` where it cannot tell."""
        ...


def win_rate(strong: QualityEstimate, weak: QualityEstimate) -> float:
    """How probable it is that the strong model's answer is the better one, half of the draws counted.

    For answers that are good or bad this is exact, however the two hang together: half of one plus half of the lead in the
    share of good answers.
    """
    return 0.5 + (strong.mean - weak.mean) / 2
