"""How a prompt of a kind that the training did not have is told from others, learned from kinds that were left out."""

from __future__ import annotations

import numpy as np

from waypost.decide.quality_experts import Floats
from waypost.learn.outcomes import Ints

LEAST_KINDS = 4
"""With fewer, too little is left to learn from when some are left out."""

NEW_SHARE = 0.05
"""One prompt in twenty is taken to be of a new kind, before it is read. Nothing in outcomes tells what will be asked."""

_PENALTY, _STEPS = 0.01, 30


def odds_of(known: Floats, new: Floats) -> Floats:
    """The slope and the height of the line that gives the log-odds that a prompt is of a new kind, by how well a kind fits it.

    Logistic regression with a penalty on the slope, by Newton's method, between prompts of ``known`` and of ``new`` kinds that
    count alike as groups, then moved to `NEW_SHARE`.
    """
    fits = np.concatenate((known, new)).astype(np.float64)
    is_new = np.repeat([0.0, 1.0], [len(known), len(new)])
    counted = np.repeat([0.5 / len(known), 0.5 / len(new)], [len(known), len(new)])
    centre, scale = fits.mean(), max(float(fits.std()), 1e-9)
    inputs = np.column_stack(((fits - centre) / scale, np.ones(len(fits))))
    line, penalty = np.zeros(2), np.array([_PENALTY, 0.0])
    for _ in range(_STEPS):
        share = 0.5 + 0.5 * np.tanh(0.5 * (inputs @ line))
        bend = (inputs.T * (counted * share * (1 - share))) @ inputs + np.diag(penalty + 1e-9)
        line += np.linalg.solve(bend, inputs.T @ (counted * (is_new - share)) - penalty * line)
    slope = min(0.0, float(line[0])) / scale
    return np.array([slope, line[1] - slope * centre + np.log(NEW_SHARE / (1 - NEW_SHARE))])


def means_of_kinds(scores: Floats, kinds: Ints, overall: Floats) -> Floats:
    """The mean score of each model on each kind (row) that there is; ``overall`` where nothing is known of it."""
    found = np.tile(overall.astype(np.float64), (int(kinds.max()) + 1, 1))
    for kind in np.unique(kinds):
        of_kind = scores[kinds == kind]
        known = ~np.isnan(of_kind)
        counts = known.sum(axis=0)
        np.divide(np.where(known, of_kind, 0).sum(axis=0), counts, out=found[kind], where=counts > 0)
    return found
