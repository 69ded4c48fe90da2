"""The numbers that a router is judged by, over many resamples at once.

``weights`` has a row for each resample, and in it how often each prompt counts; all results have an entry for each resample.
What has no value is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waypost.learn.outcomes import Floats, Ints

ARENA_BETA = 0.1
ARENA_DEAREST_USD, ARENA_CHEAPEST_USD = 200.0, 0.0044
"""RouterArena's, for a thousand questions."""

CALIBRATION_BINS = 15

GROUP_ANSWERS, GROUPS = 30, 10
"""Fewer answers than these say little of a group, and fewer groups little of intervals."""

_Z90 = 1.644854
SHARES: Floats = np.linspace(0.0, 1.0, 1001)
"""The shares of strong calls at which the recovered gap is looked at."""

_NO_GAP = 1e-12
_ROUNDING = 1e-9


def resamples(groups: Ints, count: int, seed: int) -> Floats:
    """Weights of the prompts themselves, then of ``count`` bootstrap resamples of whole groups (Efron 1979)."""
    names, member = np.unique(groups, return_inverse=True)
    rng, even = np.random.default_rng(seed), np.full(len(names), 1 / len(names))
    found = np.ones((count + 1, len(groups)))
    for row in found[1:]:
        row[:] = rng.multinomial(len(names), even)[member]
    return found


def means(weights: Floats, values: Floats) -> Floats:
    """The weighted mean of ``values``, one for each prompt, over those that are not NaN."""
    known = ~np.isnan(values)
    total = weights @ known
    found: Floats = np.divide(weights @ np.where(known, values, 0.0), total, out=np.full(len(total), np.nan), where=total > 0)
    return found


@dataclass(frozen=True, slots=True)
class Recovered:
    """RouteLLM's numbers (arXiv 2406.18665): how much of the gap between two models a share of strong calls recovers."""

    apgr: Floats
    cpt50: Floats
    cpt80: Floats
    curve: Floats
    """Of the prompts themselves: the share of the gap that is recovered at each of ``SHARES``."""


def recovered(weights: Floats, win_rates: Floats, gains: Floats, parts: Ints) -> Recovered:
    """Calls go to the strong model in the order of ``win_rates``; ``gains`` is what each of them gains by that.

    Of each part the same share goes there: what was learned from other folds rates on another scale. Prompts of the same win
    rate are taken in equal parts, so that a constant one recovers what chance does: half. NaN where the strong model is no
    better.
    """
    areas, curves = np.zeros(len(weights)), np.zeros((len(weights), len(SHARES)))
    for part in np.unique(parts):
        inside = np.flatnonzero(parts == part)
        order = inside[np.argsort(-win_rates[inside], kind="stable")]
        rates = win_rates[order]
        starts = np.flatnonzero(np.concatenate(([True], rates[1:] < rates[:-1])))
        for number, row in enumerate(weights[:, order]):
            counts = np.concatenate(([0.0], np.cumsum(np.add.reduceat(row, starts))))
            gained = np.concatenate(([0.0], np.cumsum(np.add.reduceat(row * gains[order], starts))))
            if counts[-1] > 0:
                shares = counts / counts[-1]
                areas[number] += ((gained[1:] + gained[:-1]) / 2 * np.diff(shares)).sum()
                curves[number] += np.interp(SHARES, shares, gained)
    gaps = np.where(curves[:, -1] > _NO_GAP, curves[:, -1], np.nan)
    found = curves / gaps[:, None]
    return Recovered(areas / gaps, _first_reaching(found, 0.5), _first_reaching(found, 0.8), found[0])


def _first_reaching(curves: Floats, level: float) -> Floats:
    """The least share at which each line is at ``level``; NaN where it is nowhere."""
    at = (curves >= level - _ROUNDING).argmax(axis=1)
    rows = np.flatnonzero(at > 0)
    low, high = curves[rows, at[rows] - 1], curves[rows, at[rows]]
    found = np.full(len(curves), np.nan)
    found[rows] = SHARES[at[rows] - 1] + (level - low) / (high - low) * (SHARES[1] - SHARES[0])
    return found


def frontier(costs: Floats, qualities: Floats) -> tuple[Floats, Floats]:
    """The non-decreasing convex hull of RouterBench (arXiv 2403.12031): what mixtures of the points reach at each cost.

    A point without a quality is none.
    """
    hull: list[tuple[float, float]] = []
    points = [point for point in zip(costs.tolist(), qualities.tolist(), strict=True) if not math.isnan(point[1])]
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if hull and quality <= hull[-1][1]:
            continue
        while len(hull) >= 2 and _below(hull[-2], hull[-1], (cost, quality)):
            hull.pop()
        hull.append((cost, quality))
    found = np.array(hull)
    return found[:, 0], found[:, 1]


def _below(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    """Whether the middle point lies on or under the line between the two others."""
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (middle[0] - first[0])


def area_under(hull: tuple[Floats, Floats], cheapest: float, dearest: float) -> float:
    """AIQ, RouterBench's: the mean height of the hull from ``cheapest`` to ``dearest``."""
    if not dearest > cheapest:
        return math.nan
    costs, _ = hull
    inside = costs[(costs > cheapest) & (costs < dearest)]
    at = np.concatenate(([cheapest], inside, [dearest]))
    heights = np.interp(at, *hull)
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(at)).sum() / (dearest - cheapest))


def quality_at(hull: tuple[Floats, Floats], cost: float) -> float:
    """What the hull reaches for this cost; NaN where even its cheapest point costs more."""
    return float(np.interp(cost, *hull)) if cost >= hull[0][0] else math.nan


def cost_at(hull: tuple[Floats, Floats], quality: float) -> float:
    """The least cost at which the hull reaches this quality; NaN where it never does."""
    costs, qualities = hull
    return float(np.interp(quality, qualities, costs)) if quality <= qualities[-1] else math.nan


def arena_score(qualities: Floats, costs: Floats) -> Floats:
    """RouterArena's (arXiv 2510.00202): the weighted harmonic mean of accuracy and of cheapness on a logarithmic scale.

    ``costs`` are dollars of one question; what is outside of the scale counts as its end.
    """
    thousand = np.clip(costs * 1000, ARENA_CHEAPEST_USD, ARENA_DEAREST_USD)
    cheapness = np.log2(ARENA_DEAREST_USD / thousand) / math.log2(ARENA_DEAREST_USD / ARENA_CHEAPEST_USD)
    below = ARENA_BETA * qualities + cheapness
    score: Floats = np.divide((1 + ARENA_BETA) * qualities * cheapness, below, out=np.zeros(len(below)), where=below > 0)
    return score


@dataclass(frozen=True, slots=True)
class Calibration:
    """``ece`` and ``brier`` of each resample.

    ``bins`` are of the prompts themselves: expected score, score, and how many answers.
    """

    ece: Floats
    brier: Floats
    bins: tuple[tuple[float, float, int], ...]


def calibration(weights: Floats, expected: Floats, scores: Floats) -> Calibration:
    """How far expected scores, cut to 0..1, lie from real ones, over all answers that there are.

    The error is that of equal-width bins, weighted by their answers (Naeini, Cooper and Hauskrecht 2015), and the mean square
    (Brier 1950).
    """
    answered = ~np.isnan(scores)
    told, real = np.clip(expected, 0.0, 1.0), np.where(answered, scores, 0.0)
    bin_of = np.minimum((told * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    masks = [(bin_of == one) & answered for one in range(CALIBRATION_BINS)]
    counts, sums, hits = (
        weights @ np.stack([np.where(mask, value, 0.0).sum(axis=1) for mask in masks], axis=1)
        for value in (np.ones_like(told), told, real)
    )
    totals = counts.sum(axis=1)
    squares = weights @ np.where(answered, (told - real) ** 2, 0.0).sum(axis=1)
    bins = tuple(
        (float(told_sum / n), float(hit / n), int(n)) for n, told_sum, hit in zip(counts[0], sums[0], hits[0], strict=True) if n
    )
    return Calibration(np.abs(sums - hits).sum(axis=1) / totals, squares / totals, bins)


def coverage(expected: Floats, bounds: tuple[Floats, Floats], scores: Floats, categories: Sequence[str]) -> float:
    """The share of groups, the answers of one model in one category, whose mean score lies within the bounds.

    The mean of the bounds of a group is widened by how far the mean of so few answers strays by chance (their standard error,
    as of a normal distribution), so that intervals that hold the true expectation in 9 of 10 cases hold 0.9 of the means. NaN
    where there are too few groups.
    """
    kinds, held = np.array(categories), []
    for model in range(scores.shape[1]):
        for kind in np.unique(kinds):
            rows = np.flatnonzero((kinds == kind) & ~np.isnan(scores[:, model]))
            if len(rows) < GROUP_ANSWERS:
                continue
            real, told = scores[rows, model], float(expected[rows, model].mean())
            lower, upper = (float(side[rows, model].mean()) for side in bounds)
            # Where all answers are alike their variance is not really 0: one more answer is counted, half right.
            error = math.sqrt((real.var() * len(rows) + 0.25) / (len(rows) + 1) / len(rows))
            off = float(real.mean()) - told
            held.append(abs(off) <= math.hypot(upper - told if off > 0 else told - lower, _Z90 * error))
    return float(np.mean(held)) if len(held) >= GROUPS else math.nan
