"""Where deployments stand after outcomes of their own, on prompts whose ease is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from waypost.decide.abilities import Abilities, Standing

_PSEUDO = 0.5
"""Added to the passed and to the failed, so that all and none have odds (Haldane's correction)."""

_NO_WEIGHT = 1e6


class Passed(NamedTuple):
    """How many prompts a model answered well, in parts where answers have parts of a score, and how many it was asked."""

    passed: float
    asked: int


def after_outcomes(known: Sequence[tuple[Standing, Passed]], abilities: Abilities) -> list[Standing]:
    """The standings of models that were asked the same prompts.

    How hard the prompts are is not known beforehand: they are one more source of outcomes, whose ease is learned from all the
    models together. So the outcomes of one alone move little, and those of several tell who is better than whom. All is normal
    in log-odds, so the posterior is exact. Who was asked nothing stays where it was.
    """
    if not known:
        return []
    before = np.array([standing.mean[0] for standing, _ in known])
    variances = np.array([standing.covariance[0, 0] for standing, _ in known])
    seen = np.array([_log_odds(outcomes) for _, outcomes in known])
    # What is seen differs by the model's own ability, by the prompts' ease, which is the same for all, and by chance.
    total = np.diag(variances + seen[:, 1] + abilities.traffic_sd**2) + abilities.source_sd**2
    gain = variances[:, None] * np.linalg.inv(total)
    means = before + gain @ (seen[:, 0] - before)
    left = variances - np.diag(gain) * variances
    return [
        standing if not outcomes.asked else standing.at(float(mean), float(variance), standing.n + outcomes.asked)
        for (standing, outcomes), mean, variance in zip(known, means, left, strict=True)
    ]


def _log_odds(outcomes: Passed) -> tuple[float, float]:
    """Of passing, with their variance; nearly without weight where nothing was asked."""
    if not outcomes.asked:
        return 0.0, _NO_WEIGHT
    passed, failed = outcomes.passed + _PSEUDO, outcomes.asked - outcomes.passed + _PSEUDO
    return math.log(passed / failed), 1 / passed + 1 / failed
