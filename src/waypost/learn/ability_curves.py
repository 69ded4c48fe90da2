"""How the chance of a good answer rises with a model's ability, for each prompt of a table of outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waypost.learn.outcomes import Floats, Ints

# Abilities of the known models have mean 0 and standard deviation 1: nobody is expected beyond four of them.
GRID: Floats = np.linspace(-4.0, 4.0, 81)
_PRIOR: Floats = -GRID * GRID / 2
# A prompt that few models answered has the slope 1, and this many answers count against that.
_SLOPE, _SLOPE_WEIGHT, _OFFSET_WEIGHT = 1.0, 4.0, 0.25
_ROUNDS, _STEPS = 3, 12
_LARGEST_STEP, _LARGEST_LOGIT = 1.0, 12.0
_LEAST_VARIANCE = 1e-4
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class AbilityCurves:
    """The two-parameter logistic model of item response theory: at ability ``a`` a score is ``slope * a + offset``, in logits.

    ``expected`` is the expected score of each prompt (rows) at each ability of ``GRID`` (columns). Scores between 0 and 1 count
    as shares (Birnbaum, in Lord and Novick 1968; for language models Polo et al., tinyBenchmarks, arXiv 2402.14992).
    """

    slopes: Floats
    offsets: Floats
    expected: Floats

    @classmethod
    def fit(cls, scores: Floats) -> AbilityCurves:
        """Curves for a table of outcomes: a row for each prompt, a column for each model, NaN where there is none."""
        known = (~np.isnan(scores)).astype(float)
        filled = np.nan_to_num(scores)
        means = np.clip((filled.sum(axis=0) + 1) / (known.sum(axis=0) + 2), 0.02, 0.98)
        abilities = _standardised(_logit(means))
        slopes, offsets = _regressed(filled, known, abilities)
        for _ in range(_ROUNDS):
            abilities = _standardised(_posterior(filled, known, slopes, offsets) @ GRID)
            slopes, offsets = _regressed(filled, known, abilities)
        return cls(slopes, offsets, _sigmoid(slopes[:, None] * GRID + offsets[:, None]))

    @property
    def information(self) -> Floats:
        """What one answer to each prompt tells of the ability of a model nobody knows yet (Fisher's information)."""
        found: Floats = self.slopes**2 * ((self.expected * (1 - self.expected)) @ _normalised(_PRIOR))
        return found

    def posterior(self, rows: Ints, scores: Floats) -> Floats:
        """For each model (column of ``scores``, NaN where it has none), how probable each ability of ``GRID`` is.

        ``rows`` are the prompts that the rows of ``scores`` belong to.
        """
        known = (~np.isnan(scores)).astype(float)
        return _posterior(np.nan_to_num(scores), known, self.slopes[rows], self.offsets[rows])


def _posterior(scores: Floats, known: Floats, slopes: Floats, offsets: Floats) -> Floats:
    logits = np.clip(slopes[:, None] * GRID + offsets[:, None], -_LARGEST_LOGIT, _LARGEST_LOGIT)
    good, bad = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return _normalised(scores.T @ good + (known - scores).T @ bad + _PRIOR)


def _regressed(scores: Floats, known: Floats, abilities: Floats) -> tuple[Floats, Floats]:
    """The slope and the offset of each prompt, by Newton's method with a ridge that draws slopes to 1."""
    slopes = np.full(len(scores), _SLOPE)
    offsets = _logit((scores.sum(axis=1) + 0.5) / (known.sum(axis=1) + 1))
    for _ in range(_STEPS):
        logits = np.clip(slopes[:, None] * abilities + offsets[:, None], -_LARGEST_LOGIT, _LARGEST_LOGIT)
        expected = _sigmoid(logits)
        missed = (scores - expected) * known
        weights = np.maximum(expected * (1 - expected), _LEAST_VARIANCE) * known
        up_slope = missed @ abilities - _SLOPE_WEIGHT * (slopes - _SLOPE)
        up_offset = missed.sum(axis=1) - _OFFSET_WEIGHT * offsets
        bend = weights @ abilities**2 + _SLOPE_WEIGHT, weights @ abilities, weights.sum(axis=1) + _OFFSET_WEIGHT
        determinant = bend[0] * bend[2] - bend[1] ** 2
        slopes = slopes + _bounded((bend[2] * up_slope - bend[1] * up_offset) / determinant)
        offsets = offsets + _bounded((bend[0] * up_offset - bend[1] * up_slope) / determinant)
    return slopes, offsets


def _standardised(values: Floats) -> Floats:
    found: Floats = (values - values.mean()) / max(float(values.std()), _LEAST_SPREAD)
    return found


def _normalised(logs: Floats) -> Floats:
    odds = np.exp(logs - logs.max(axis=-1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=-1, keepdims=True)
    return shares


def _bounded(step: Floats) -> Floats:
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)


def _logit(share: Floats) -> Floats:
    found: Floats = np.log(share / (1 - share))
    return found


def _sigmoid(logits: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-logits))
    return found
