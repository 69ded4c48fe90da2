"""How well a new model would do on a whole file of outcomes, after it has answered a few of its prompts."""

from __future__ import annotations

import math
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
    mean, variance = _forecast(curves, rows, seen)
    half = _WIDER * _NINE_OF_TEN * math.sqrt(variance)
    expected, lower, upper = (float(np.clip(mean + off, 0, 1)) for off in (0, -half, half))
    return Prediction(QualityEstimate(expected, lower, upper, len(seen)), _nearest(outcomes, rows, seen, nearest))


def _forecast(curves: AbilityCurves, rows: Ints, scores: Floats) -> tuple[float, float]:
    """The expected mean score over all prompts, and its variance."""
    total = len(curves.expected)
    ability = curves.posterior(rows, scores[:, None])[0]
    rest = np.delete(curves.expected, rows, axis=0)
    sums = rest.sum(axis=0)
    mean = ability @ sums
    missed = (scores - curves.expected[rows] @ ability).mean()
    found = (mean + scores.sum()) / total + _BELIEVED * missed * (1 - len(rows) / total)
    spread, luck = ability @ (sums - mean) ** 2, ability @ (rest * (1 - rest)).sum(axis=0)
    return float(found), float(spread + luck) / total**2


def _nearest(outcomes: Outcomes, rows: Ints, seen: Floats, count: int) -> tuple[Neighbour, ...]:
    known = outcomes.scores[rows]
    shared = ~np.isnan(known)
    counts = shared.sum(axis=0)
    agreed = np.where(shared, 1 - np.abs(np.nan_to_num(known) - seen[:, None]), 0.0).sum(axis=0)
    typical = agreed.sum() / max(counts.sum(), 1)
    shrunk = (agreed + _AGREEMENT_WEIGHT * typical) / (counts + _AGREEMENT_WEIGHT)
    order = np.argsort(-shrunk, kind="stable")[:count].tolist()
    return tuple(Neighbour(outcomes.models[at], float(shrunk[at]), float(outcomes.mean_scores[at])) for at in order)
