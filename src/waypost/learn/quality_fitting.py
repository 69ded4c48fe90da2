"""Fitting what experts know of a pool: words of kinds, tables, and regressions on similarity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from waypost.decide.quality_experts import Experts, Floats, Landmarks, Rows, Topics, weighted
from waypost.learn.outcomes import Bools, Ints

LEVELS = 127
LANDMARKS = 500
"""More tell nothing more on any source; each costs a microsecond in ten at serving."""

_RARE = 2
"""Words of fewer prompts are nobody's."""

_TOPIC_RIDGE, _TOPIC_STEPS = 5.0, 10
_KIND_RIDGE = 300.0
_HEAD_RIDGE = 5.0
_JITTER = 1e-3
_TOPIC_GAIN = 8.0
_CONSTANT = 1e-4
"""What spreads less in training tells nothing, and must not matter where it is different in serving."""

_DRAWN = (10.0, 100.0)
"""How many outcomes the mean counts for that a kind's mean is drawn to, in each of the tables."""


def fit_topics(words: Any, kinds: Ints, count: int) -> Topics:
    """Ridge regression of the kind on the words, weighted by how rare they are; all kinds count alike.

    By conjugate gradients (Hestenes and Stiefel 1952), a fixed number of steps.
    """
    from scipy import sparse  # noqa: PLC0415  only training needs it, from an extra

    sizes = np.maximum(np.bincount(kinds, minlength=count), 1)
    target = np.zeros((len(kinds), count), np.float32)
    target[np.arange(len(kinds)), kinds] = 1 / np.sqrt(sizes[kinds])
    target -= target.mean(axis=0)
    occurs = np.asarray(words.sum(axis=0)).ravel()
    rarity = np.where(occurs >= _RARE, np.log((len(kinds) + 1) / (occurs + 1)), 0.0).astype(np.float32)
    scaled = words @ sparse.diags(rarity)
    lengths = np.maximum(np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel()), 1e-6)
    rows = (sparse.diags((1 / lengths).astype(np.float32)) @ scaled).tocsr()
    columns = rows.T.tocsr()
    found = np.zeros((rows.shape[1], count), np.float32)
    rest = columns @ target
    way, left = rest.copy(), np.einsum("ij,ij->j", rest, rest)
    for _ in range(_TOPIC_STEPS):
        bent = columns @ (rows @ way) + np.float32(_TOPIC_RIDGE) * way
        step = left / np.maximum(np.einsum("ij,ij->j", way, bent), 1e-12)
        found += step * way
        rest -= step * bent
        now = np.einsum("ij,ij->j", rest, rest)
        way, left = rest + (now / np.maximum(left, 1e-12)) * way, now
    table = found * rarity[:, None]
    scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / LEVELS
    return Topics(np.rint(table / scale).astype(np.int8), scale.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Known:
    """What experts are fitted to: prompts, their kinds (``count`` of them; 0 where labels are the kinds), and scores."""

    rows: Rows
    kinds: Ints
    count: int
    scores: Floats

    def taking(self, rows: Ints) -> Known:
        """Only these prompts."""
        told = Rows(self.rows.form[rows], self.rows.labels[rows], self.rows.topics[rows])
        return Known(told, self.kinds[rows], self.count, self.scores[rows])


def fit_experts(known: Known, topics: Topics | None, rng: np.random.Generator) -> Experts:
    """Experts on these outcomes, of which the rows have ``topics``. A missing score is no score: nothing is filled in."""
    answered = ~np.isnan(known.scores)
    real = np.where(answered, known.scores, 0).astype(np.float32)
    plain = known.rows.plain
    centre, spread = plain.mean(axis=0), plain.std(axis=0)
    scale = np.where(spread > _CONSTANT, 1 / np.maximum(spread, _CONSTANT), 0).astype(np.float32)
    overall = _means(real.sum(axis=0), answered.sum(axis=0))
    none = np.empty((0, 0), np.float32)
    bare = Experts(centre, scale, topics, none, none, none, Landmarks(none, none), none, none, none, overall, none)
    view = bare.view(known.rows)
    shares = known.rows.labels if topics is None else np.eye(known.count, dtype=np.float32)[known.kinds]
    tables, counts = _fit_tables(shares, real, answered.astype(np.float32), overall)
    measured = weighted(view)
    chosen = np.sort(rng.permutation(len(measured))[:LANDMARKS])
    landmarks = Landmarks.of(measured[chosen])
    own_by_form, own_both = landmarks.similar(measured[chosen])
    pairs = zip(landmarks.similar(measured), (own_by_form, own_both), strict=True)
    by_form, both = (_fit_head(similar, own, real, answered, overall) for similar, own in pairs)
    few = len(measured) <= LANDMARKS
    return replace(
        bare,
        kinds=_fit_kinds(view, plain.shape[1], known),
        tables=tables,
        counts=counts,
        landmarks=landmarks,
        heads=np.stack((both, by_form)),
        near=real[chosen] if few else none,
        known=answered[chosen].astype(np.float32) if few else none,
        usual=_usual(own_both),
    )


def _usual(own: Floats) -> Floats:
    """The similarity that nine of ten have to the next one of them; 0 where there is no other."""
    to_others = np.where(np.eye(len(own), dtype=np.bool_), 0.0, own).max(axis=1)
    return np.array(np.percentile(to_others, 10), np.float32)


def _fit_tables(shares: Floats, real: Floats, answered: Floats, overall: Floats) -> tuple[Floats, Floats]:
    """Both tables, and how many outcomes there are of each kind and model."""
    sums, counts = shares.T @ real, shares.T @ answered
    seen = counts >= 1
    kinds = seen.sum(axis=0)
    alike = np.where(kinds, np.where(seen, sums / np.maximum(counts, 1), 0).sum(axis=0) / np.maximum(kinds, 1), overall)
    drawn_to = zip(_DRAWN, (overall, alike), strict=True)
    return np.stack([(sums + drawn * mean) / (counts + drawn) for drawn, mean in drawn_to]).astype(np.float32), counts


def _fit_kinds(view: Floats, form: int, known: Known) -> Floats:
    """Ridge regression of the kind on the view, whose topics count more; all kinds count alike, however rare."""
    if not known.count:
        return np.empty((0, 0), np.float32)
    inputs = view.copy()
    inputs[:, form:] *= _TOPIC_GAIN
    sizes = np.bincount(known.kinds, minlength=known.count)
    counted = (len(known.kinds) / known.count / np.maximum(sizes, 1))[known.kinds].astype(np.float32)
    found = _ridge(inputs, np.eye(known.count, dtype=np.float32)[known.kinds], _KIND_RIDGE, counted)
    found[form:-1] *= _TOPIC_GAIN
    return found


def _fit_head(similar: Floats, own: Floats, real: Floats, answered: Bools, overall: Floats) -> Floats:
    """Nyström's approximation of kernel ridge regression (Williams and Seeger 2000), models with the same gaps at once."""
    values, vectors = np.linalg.eigh(own.astype(np.float64) + _JITTER * np.eye(len(own)))
    spread = (vectors / np.sqrt(np.maximum(values, _JITTER))).astype(np.float32)
    mapped = similar @ spread
    found = np.zeros((len(own) + 1, real.shape[1]), np.float32)
    patterns, pattern_of = np.unique(answered, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        models = np.flatnonzero(pattern_of.ravel() == number)
        if pattern.any():
            solved = _ridge(mapped[pattern], real[pattern][:, models], _HEAD_RIDGE)
            found[:-1, models], found[-1, models] = spread @ solved[:-1], solved[-1]
        else:
            found[-1, models] = overall[models]
    return found


def _ridge(inputs: Floats, target: Floats, penalty: float, counted: Floats | None = None) -> Floats:
    """Weights, and in the last row what is added. ``counted`` is how much each row counts."""
    centre, mean = np.average(inputs, axis=0, weights=counted), np.average(target, axis=0, weights=counted)
    moved = (inputs - centre).astype(np.float32)
    held = moved.T if counted is None else moved.T * counted
    gram = (held @ moved).astype(np.float64) + penalty * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, (held @ (target - mean).astype(np.float32)).astype(np.float64))
    return np.vstack((weights, mean - centre @ weights)).astype(np.float32)


def _means(sums: Floats, counts: Ints) -> Floats:
    """The mean of each column; of one that has no outcome, the mean of the others."""
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    found: Floats = np.where(np.isnan(means), np.nanmean(means), means).astype(np.float32)
    return found
