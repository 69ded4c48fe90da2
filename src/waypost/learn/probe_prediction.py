"""How well a new model would do on a whole file of outcomes, after it has answered a few of its prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waypost.decide.quality import QualityEstimate
from waypost.learn.ability_curves import AbilityCurves
from waypost.learn.outcomes import Floats, Ints, Outcomes

# Of what the prompts say beyond the curves, half is believed (tinyBenchmarks' gp-IRT).
_BELIEVED = 0.5
# The quantile of a normal distribution that nine of ten values lie within.
_NINE_OF_TEN = 1.645
# Models are not good or bad at everything alike: with it, bounds hold 9 of 10 truths on six public files (docs/benchmarks.md).
_WIDER = 1.3
# Agreement with a known model is drawn towards the mean one as if by so many prompts.
_AGREEMENT_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A known model, the share of its outcomes that the new model has as well (shrunk), and its mean score on the file."""

    model: str
    agreement: float
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The mean score to expect on the whole file, and the known models that are most like the new one, the closest first."""

    expected: QualityEstimate
    nearest: tuple[Neighbour, ...]


def predict(outcomes: Outcomes, curves: AbilityCurves, rows: Ints, scores: Sequence[float], *, nearest: int = 3) -> Prediction:
    """What ``scores`` on the prompts ``rows`` say of the mean score over all prompts of ``outcomes``.

    Where a prompt was asked its score counts; for all others the score that the curves expect at each ability, weighted by how
    probable that ability is after the answers (p-IRT), moved by half of what the answers miss on average (gp-IRT of
    tinyBenchmarks, arXiv 2402.14992). The bounds are of 9 in 10, from the spread of that ability and the luck of the prompts
    that were not asked, a little wider for what one ability does not tell.
    """
    seen = np.asarray(scores, float)
    mean, variance = _forecast(curves, rows, seen[:, None])
    spread = _WIDER * np.sqrt(variance[0])
    expected = float(np.clip(mean[0], 0, 1))
    lower, upper = (float(np.clip(mean[0] + side * _NINE_OF_TEN * spread, 0, 1)) for side in (-1, 1))
    return Prediction(QualityEstimate(expected, lower, upper, len(seen)), _nearest(outcomes, rows, seen, nearest))


def _forecast(curves: AbilityCurves, rows: Ints, scores: Floats) -> tuple[Floats, Floats]:
    """The expected mean score over all prompts of each model (column of ``scores``), and its variance."""
    total = len(curves.expected)
    asked = ~np.isnan(scores)
    abilities = curves.posterior(rows, scores)
    rest = curves.expected.sum(axis=0) - asked.T @ curves.expected[rows]
    luck = (curves.expected * (1 - curves.expected)).sum(axis=0)
    means = (abilities * rest).sum(axis=1)
    spread = (abilities * rest**2).sum(axis=1) - means**2
    counts = np.maximum(asked.sum(axis=0), 1)
    missed = np.where(asked, np.nan_to_num(scores) - curves.expected[rows] @ abilities.T, 0.0).sum(axis=0) / counts
    found = (means + np.nansum(scores, axis=0)) / total + _BELIEVED * missed * (1 - counts / total)
    return found, (spread + abilities @ luck) / total**2


def _nearest(outcomes: Outcomes, rows: Ints, seen: Floats, count: int) -> tuple[Neighbour, ...]:
    known = outcomes.scores[rows]
    shared = ~np.isnan(known)
    counts = shared.sum(axis=0)
    agreed = np.where(shared, 1 - np.abs(np.nan_to_num(known) - seen[:, None]), 0.0).sum(axis=0)
    typical = agreed.sum() / max(counts.sum(), 1)
    shrunk = (agreed + _AGREEMENT_WEIGHT * typical) / (counts + _AGREEMENT_WEIGHT)
    order = np.argsort(-shrunk, kind="stable")[:count].tolist()
    return tuple(Neighbour(outcomes.models[at], float(shrunk[at]), float(outcomes.mean_scores[at])) for at in order)
