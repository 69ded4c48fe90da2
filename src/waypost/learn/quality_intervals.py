"""How wide the intervals around expected scores must be, and whether they hold what they should."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from waypost.decide.quality_experts import Floats
from waypost.decide.quality_pool import IN_NINE_OF_TEN, PRIOR_OUTCOMES
from waypost.learn.outcomes import Ints

SHARE_INSIDE = 0.9
LEAST_STRENGTH, MOST_STRENGTH = 5.0, 5000.0
LEAST_REACH, MOST_REACH = 0.1, 50.0
_STEPS = 61

OF_A_CELL = 50
"""Prompts that read alike; half as many are enough for a mean."""

Cells = Floats
"""A row for each cell: how far its mean score is from what was expected, the square of the standard error of that mean, the
variance of a good or bad answer, how many outcomes speak for it, and how far models stray on new kinds, as probable as it is
one."""


def cells_of(means: Floats, counts: Floats, scores: Floats, kinds: Ints, stray: Floats, size: int = OF_A_CELL) -> Cells:
    """Cells are prompts of one kind for which one model is expected to score alike: their mean is what an interval is about.

    ``means`` and ``counts`` are those of estimates, ``scores`` what they did not know (NaN where nothing is known). The
    standard error is that of good and bad answers as many as expected, less where scores spread less: those of a cell may all
    be alike. ``size`` is how many prompts are in one.
    """
    spread = np.nansum((scores - means) ** 2) / max(np.nansum(np.where(np.isnan(scores), 0, means * (1 - means))), 1e-9)
    found = []
    for cell, model in _alike(means, scores, kinds, size):
        expected = means[cell, model]
        variance = float((expected * (1 - expected)).mean())
        off = abs(float(scores[cell, model].mean() - expected.mean()))
        around = float(counts[cell, model].mean()), float(stray[cell, model].mean())
        found.append((off, spread * variance / len(cell), variance, *around))
    return np.array(found).reshape(-1, 5)


def strength_of(cells: Cells) -> float:
    """How many outcomes the kind of a prompt is worth at most: so many that nine of ten intervals hold their mean."""
    for strength in np.geomspace(MOST_STRENGTH, LEAST_STRENGTH, _STEPS).tolist() if len(cells) else ():
        if inside(cells, strength).mean() >= SHARE_INSIDE:
            return float(strength)
    return LEAST_STRENGTH


def reach_of(cells: Cells, strength: float) -> float:
    """How many times as far as models stray intervals must reach on new kinds, so that nine of ten hold their mean.

    Once where all kinds are too small for a mean.
    """
    if not len(cells):
        return 1.0
    for reach in np.geomspace(LEAST_REACH, MOST_REACH, _STEPS).tolist():
        if inside(cells, strength, reach).mean() >= SHARE_INSIDE:
            return float(reach)
    return MOST_REACH


def inside(cells: Cells, strength: float, reach: float = 0.0) -> Floats:
    """1 for each cell whose interval holds its mean, but for the standard error of the mean itself; else 0."""
    off, error, variance, counts, stray = cells.T
    spread = np.sqrt(variance * (1 / (counts + PRIOR_OUTCOMES) + 1 / strength) + error + (reach * stray) ** 2)
    held: Floats = (off <= IN_NINE_OF_TEN * spread).astype(np.float64)
    return held


def _alike(means: Floats, scores: Floats, kinds: Ints, size: int) -> Iterator[tuple[Ints, int]]:
    for kind in np.unique(kinds):
        of_kind = np.flatnonzero(kinds == kind)
        for model in range(means.shape[1]):
            known = of_kind[~np.isnan(scores[of_kind, model])]
            if len(known) >= OF_A_CELL // 2:
                order = known[np.argsort(means[known, model], kind="stable")]
                yield from ((cell, model) for cell in np.array_split(order, max(1, len(order) // size)))
