"""Expected scores from the prompts of training that read most alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from waypost.decide.features import read
from waypost.errors import ArtefactError
from waypost.kernel.plain import ROW_BITS, Ids
from waypost.learn.outcomes import Floats, Outcomes, Prompt

NEIGHBOURS = 50
PRIOR_SIMILARITY = 1.0
"""The mean of all training prompts counts like one neighbour with the very same text."""

MOST_SHARE = 0.05
"""N-grams that more of the training prompts have, and more than 20, tell little and would take most of the time."""

_FEW = 20

_BATCH = 512


class Vectors:
    """Reads texts into the n-grams that the task model reads too, each text once."""

    def __init__(self) -> None:
        self._known: dict[str, Ids] = {}

    def of(self, prompts: Sequence[Prompt]) -> Any:
        """A sparse matrix with a row for each prompt: 1 where it has the n-gram. Raises ArtefactError without scipy."""
        try:
            from scipy import sparse  # noqa: PLC0415  only training needs it, from an extra
        except ImportError as error:
            raise ArtefactError("comparing prompts needs scipy: pip install 'waypost[train]'") from error
        rows = [self._read(prompt.text) for prompt in prompts]
        ends = np.cumsum([0, *(row.size for row in rows)])
        columns = np.concatenate([*rows, np.empty(0, np.int64)])
        return sparse.csr_matrix((np.ones(columns.size), columns, ends), shape=(len(rows), 1 << ROW_BITS))

    def _read(self, text: str) -> Ids:
        if text not in self._known:
            self._known[text] = np.unique(read(text).rows)
        return self._known[text]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The mean score of the ``most`` nearest training prompts, weighted by cosine similarity and drawn to the overall mean."""

    vectors: Vectors
    weights: Floats
    train: Any
    scores: Floats
    overall: Floats
    most: int
    expects: bool = True

    @classmethod
    def of(cls, train: Outcomes, overall: Floats, vectors: Vectors, most: int) -> Neighbours:
        """Learns from ``train``; ``overall`` is the mean score of each model."""
        found = vectors.of(train.prompts)
        prompts = len(train.prompts)
        occurs = np.bincount(found.indices, minlength=1 << ROW_BITS)
        weights = np.where(
            (occurs > 0) & (occurs <= max(_FEW, MOST_SHARE * prompts)), np.log((1 + prompts) / (1 + occurs)), 0.0
        )
        return cls(vectors, weights, _unit(found, weights).T.tocsr(), train.scores, overall, most)

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """Expected scores; the overall means where nothing is alike."""
        found = [self._rate(prompts[at : at + _BATCH]) for at in range(0, len(prompts), _BATCH)]
        return np.vstack([np.empty((0, self.overall.size)), *found])

    def _rate(self, prompts: Sequence[Prompt]) -> Floats:
        alike = _unit(self.vectors.of(prompts), self.weights) @ self.train
        ratings = np.empty((len(prompts), self.overall.size))
        for number in range(len(prompts)):
            cells = slice(alike.indptr[number], alike.indptr[number + 1])
            near, rows = alike.data[cells], alike.indices[cells]
            if near.size > self.most:
                # Of equal ones the first in the order of the prompts' names, so that the order of the file changes nothing.
                best = np.lexsort((rows, -near))[: self.most]
                near, rows = near[best], rows[best]
            scores = self.scores[rows]
            counted = near[:, None] * ~np.isnan(scores)
            told = (counted * np.nan_to_num(scores)).sum(axis=0) + PRIOR_SIMILARITY * self.overall
            ratings[number] = told / (counted.sum(axis=0) + PRIOR_SIMILARITY)
        return ratings


def _unit(found: Any, weights: Floats) -> Any:
    """The rows weighted, each of length 1; without n-grams that weigh nothing."""
    weighted = found.multiply(weights).tocsr()
    weighted.eliminate_zeros()
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return weighted.multiply(1 / np.maximum(norms, 1e-12)[:, None]).tocsr()
