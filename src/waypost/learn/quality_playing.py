"""Letting a policy choose, at every setting of the dial between cheap and good, and seeing what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waypost.decide.quality import COST_WEIGHT
from waypost.learn.outcomes import Bools, Floats

_EQUAL = 1e-9
"""Ratings nearer than this are the same."""

_STEPS = 161
DIALS: tuple[float, ...] = (0.0, *(COST_WEIGHT / (COST_WEIGHT + np.geomspace(1e4, 1e-4, _STEPS))).tolist(), 1.0)
"""0 asks for the cheapest model, 1 for the best. In between, quality counts `dial`, and cost, as a share of the span between
the cheapest and the dearest model, `1 - dial` times `COST_WEIGHT`. Closer at the ends, as costs of models differ by factors of
hundreds."""


@dataclass(frozen=True, slots=True)
class Rated:
    """Ratings, and expected costs as shares of that span, a row for each prompt. ``costs`` is ``None`` where they are unknown.

    ``expects``: the ratings are expected scores, and can be weighed against costs. Nothing else has a dial.
    """

    ratings: Floats
    costs: Floats | None
    expects: bool

    @property
    def dials(self) -> tuple[float, ...]:
        """The settings at which it chooses differently, the last one being the best quality."""
        return DIALS if self.expects and self.costs is not None else DIALS[-1:]

    def chosen(self, answered: Bools, dial: float) -> Floats:
        """For each prompt, the share of each model in the choice: 1 for one, or equal parts for those that are rated alike.

        Only a model that ``answered`` can be chosen. Of those with the same expected score the cheapest is.
        """
        utility = self.ratings
        if self.expects and self.costs is not None:
            utility = dial * self.ratings - (1 - dial) * COST_WEIGHT * self.costs
        best = _highest(np.where(answered, utility, -np.inf))
        if self.expects and self.costs is not None:
            best = _highest(np.where(best, -self.costs, -np.inf))
        shares: Floats = best / best.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True, slots=True)
class Played:
    """For each setting of the dial, a row: the score and the cost of each prompt. ``shares``: each model's, at best quality."""

    dials: tuple[float, ...]
    scores: Floats
    costs: Floats | None
    shares: Floats


def play(rated: Rated, scores: Floats, costs: Floats | None) -> Played:
    """What the choices scored and cost.

    ``scores`` are NaN where a model did not answer; ``costs`` is ``None`` if any is unknown.
    """
    answered = ~np.isnan(scores)
    real_scores, real_costs = np.nan_to_num(scores), None if costs is None else np.nan_to_num(costs)
    got = np.empty((len(rated.dials), len(scores)))
    paid = np.empty_like(got)
    shares = np.empty(0)
    for number, dial in enumerate(rated.dials):
        chosen = rated.chosen(answered, dial)
        got[number] = (chosen * real_scores).sum(axis=1)
        if real_costs is not None:
            paid[number] = (chosen * real_costs).sum(axis=1)
        shares = chosen.mean(axis=0)
    return Played(rated.dials, got, None if costs is None else paid, shares)


def _highest(values: Floats) -> Bools:
    found: Bools = values >= values.max(axis=1, keepdims=True) - _EQUAL
    return found
