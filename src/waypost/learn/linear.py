"""Multinomial logistic regression by AdaGrad over sparse rows: small, exact about its randomness, and fast on one core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.errors import ArtefactError
from waypost.learn.task_matrix import Floats, TaskMatrix

FLAG_SCALE = np.float32(0.3)
"""Flags enter training smaller than they are, so that n-grams are learned first and a flag only tips the balance."""

FlagNoise = Callable[[Floats, npt.NDArray[np.int64], np.random.Generator], None]
"""Changes the flags of a batch in place, given the numbers of its rows."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to train. ``l2`` pulls every weight to zero at each step; ``smoothing`` is the share of a label spread evenly."""

    l2: float = 2e-6
    epochs: int = 4
    rate: float = 0.3
    batch: int = 1024
    smoothing: float = 0.05


@dataclass(frozen=True, slots=True)
class LinearFit:
    """Weights by table row, by flag, and for each class alone."""

    table: Floats
    flags: Floats
    bias: Floats

    def scores(self, matrix: TaskMatrix) -> Floats:
        """Unnormalised scores, a row each."""
        found: Floats = sparse(matrix, self.table.shape[0]) @ self.table + matrix.flags @ self.flags + self.bias
        return found


def sparse(matrix: TaskMatrix, width: int) -> Any:
    """The n-grams of ``matrix`` as a SciPy matrix with ``width`` columns."""
    try:
        from scipy.sparse import csr_matrix  # noqa: PLC0415  only training needs it, from an extra
    except ImportError as error:
        raise ArtefactError("training needs scipy: pip install 'waypost[train]'") from error
    return csr_matrix((matrix.values, matrix.rows, matrix.starts), shape=(len(matrix), width))


def fit(
    matrix: TaskMatrix,
    width: int,
    allowed: Floats,
    weights: Floats,
    chosen: npt.NDArray[np.int64],
    settings: FitSettings,
    rng: np.random.Generator,
    noise: FlagNoise = lambda _flags, _rows, _rng: None,
    advance: Callable[[int], None] = lambda _: None,
) -> LinearFit:
    """Learns from the ``chosen`` rows of ``matrix``, each with its weight.

    ``allowed`` holds, for each row, how much of a label each class may be: a 1 for one class names it; several 1s say that it
    is one of them, and the likelihood of their sum is what is raised, so that the classes share the rows out among themselves.
    """
    grams = sparse(matrix, width)
    classes = allowed.shape[1]
    table = np.zeros((width, classes), np.float32)
    seen = np.full_like(table, 1e-8)
    facts = np.zeros((matrix.flags.shape[1] + 1, classes), np.float32)
    facts_seen = np.full_like(facts, 1e-8)
    even = np.float32(settings.smoothing / classes)
    for _ in range(settings.epochs):
        order = chosen[rng.permutation(chosen.size)]
        for start in range(0, order.size, settings.batch):
            rows = order[start : start + settings.batch]
            grams_here = grams[rows]
            flags = matrix.flags[rows]
            noise(flags, rows, rng)
            flags = np.concatenate((flags, np.ones((rows.size, 1), np.float32)), axis=1) * FLAG_SCALE
            said = _softmax(grams_here @ table + flags @ facts)
            wanted = said * allowed[rows]
            wanted *= (1 - np.float32(settings.smoothing)) / wanted.sum(axis=1, keepdims=True)
            slope = (said - wanted - even) * (weights[rows, None] / np.float32(rows.size))
            step = grams_here.T @ slope
            step += np.float32(settings.l2) * table
            seen += step * step
            table -= np.float32(settings.rate) * step / np.sqrt(seen)
            step = flags.T @ slope
            facts_seen += step * step
            facts -= np.float32(settings.rate) * FLAG_SCALE * step / np.sqrt(facts_seen)
            advance(rows.size)
    return LinearFit(table, facts[:-1] * FLAG_SCALE, facts[-1] * FLAG_SCALE)


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found
