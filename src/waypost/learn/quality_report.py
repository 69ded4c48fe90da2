"""Everything that outcomes say about routers, as plain values with stable keys."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from waypost.learn.outcome_splits import question_of
from waypost.learn.outcomes import Floats, Ints, Outcomes
from waypost.learn.quality_metrics import (
    SHARES,
    area_under,
    arena_score,
    calibration,
    cost_at,
    coverage,
    frontier,
    means,
    quality_at,
    recovered,
    resamples,
)
from waypost.learn.quality_playing import Played, Rated
from waypost.learn.task_answers import Progress

MEASURES = (
    "quality",
    "cost_usd",
    "over_best_single",
    "oracle_gap_share",
    "apgr",
    "cpt50",
    "cpt80",
    "aiq",
    "arena_score",
    "quality_at_best_single_cost",
    "cost_at_best_single_quality",
    "ece",
    "brier",
    "coverage90",
    "interval_width",
)
"""What each policy is measured by, each a `value` with its `ci95`, or `null`."""

_CURVE_STEP = 10
_DIGITS = 4
_DOLLAR_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Player:
    """A policy, what it chose, and how steady and quick it was; the last two are ``None`` for the oracle."""

    name: str
    rated: Rated
    played: Played
    flip_rate: float | None
    latency_us: dict[str, float] | None
    bounds: tuple[Floats, Floats] | None = None
    """The lower and the upper ones of the expected scores, where it gives any."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the policies did on ``outcomes``. ``costs`` is ``None`` where not all are known.

    ``parts`` numbers the part of the division that each prompt was judged in.
    """

    outcomes: Outcomes
    parts: Ints
    costs: Floats | None
    players: Sequence[Player]
    subject: str
    resampled: int
    seed: int
    strong: str | None


def report_on(judged: Judged, progress: Progress) -> dict[str, Any]:
    """The report. What has no value, or was not measured, is ``None``."""
    outcomes = judged.outcomes
    weights = resamples(np.array(question_of(outcomes.prompts)), judged.resampled, judged.seed)
    pair = _pair(judged)
    beside = _Beside.of(judged, weights, pair)
    policies = {}
    for number, player in enumerate(judged.players, 1):
        policies[player.name] = _measured(player, beside)
        progress("resampling", number, len(judged.players))
    subject = policies[judged.subject]
    best_single = judged.outcomes.models[int(beside.player("best_single").played.shares.argmax())]
    return {
        "n": len(outcomes.prompts),
        "policy": judged.subject,
        **{name: subject[name] for name in MEASURES},
        "flip_rate": subject["flip_rate"],
        "latency_us": subject["latency_us"],
        "best_single": policies["best_single"]["quality"] | {"model": best_single},
        "oracle": policies["oracle"]["quality"],
        "random": policies["random"]["quality"],
        "pair": None if pair is None else {"strong": outcomes.models[pair[0]], "weak": outcomes.models[pair[1]]},
        "policies": policies,
        "models": _models(judged),
        "splits": _groups(judged, [prompt.split for prompt in outcomes.prompts]),
        "categories": _groups(judged, [prompt.category for prompt in outcomes.prompts]),
        "reliability": _reliability(judged, weights),
    }


@dataclass(frozen=True, slots=True)
class _Money:
    """In each resample: the mean costs of the models, the mean score of the cheapest, and what the best single one costs."""

    singles: Floats
    cheapest: Floats
    best_single: Floats


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a policy is measured against, in each resample."""

    judged: Judged
    weights: Floats
    pair: tuple[int, int] | None
    best_single: Floats
    oracle: Floats
    money: _Money | None

    @classmethod
    def of(cls, judged: Judged, weights: Floats, pair: tuple[int, int] | None) -> _Beside:
        """The measures of the best single model, the oracle, and the cheapest model."""
        named = {player.name: player.played for player in judged.players}
        best, oracle = named["best_single"], named["oracle"]
        money = None
        if judged.costs is not None and best.costs is not None:
            singles = np.stack([means(weights, column) for column in judged.costs.T], axis=1)
            cheapest = means(weights, judged.outcomes.scores[:, int(np.nanargmin(singles[0]))])
            money = _Money(singles, cheapest, means(weights, best.costs[-1]))
        return cls(judged, weights, pair, means(weights, best.scores[-1]), means(weights, oracle.scores[-1]), money)

    def player(self, name: str) -> Player:
        """The policy of that name."""
        return next(player for player in self.judged.players if player.name == name)


def _measured(player: Player, beside: _Beside) -> dict[str, Any]:
    weights, played, scores = beside.weights, player.played, beside.judged.outcomes.scores
    quality = means(weights, played.scores[-1])
    found: dict[str, Floats] = {"quality": quality, "over_best_single": quality - beside.best_single}
    gap = beside.oracle - beside.best_single
    found["oracle_gap_share"] = np.divide(quality - beside.best_single, gap, out=np.full(len(gap), math.nan), where=gap > 0)
    gap_curve = None
    if beside.pair is not None:
        strong, weak = beside.pair
        both = beside.judged.outcomes.answered.all(axis=1)
        rates, gains = player.rated.ratings[:, strong] - player.rated.ratings[:, weak], scores[:, strong] - scores[:, weak]
        of_gap = recovered(weights[:, both], rates[both], gains[both], beside.judged.parts[both])
        found |= {"apgr": of_gap.apgr, "cpt50": of_gap.cpt50, "cpt80": of_gap.cpt80}
        gap_curve = _points(SHARES[::_CURVE_STEP], of_gap.curve[::_CURVE_STEP])
    curve = None
    if played.costs is not None and beside.money is not None:
        found |= _costs(played.scores, played.costs, beside, beside.money)
        points = zip(played.dials, played.costs.mean(axis=1).tolist(), played.scores.mean(axis=1).tolist(), strict=True)
        curve = [
            {"dial": round(d, 6), "cost_usd": round(c, _DOLLAR_DIGITS), "quality": round(q, _DIGITS)} for d, c, q in points
        ]
    if player.rated.expects and player.name != "oracle":
        told = calibration(weights, player.rated.ratings, scores)
        found |= {"ece": told.ece, "brier": told.brier}
    if player.bounds is not None:
        held = coverage(
            player.rated.ratings, player.bounds, scores, [prompt.category for prompt in beside.judged.outcomes.prompts]
        )
        found |= {
            "coverage90": np.array([held]),
            "interval_width": np.array([float(np.mean(np.subtract(*player.bounds[::-1])))]),
        }
    shares = zip(beside.judged.outcomes.models, played.shares.tolist(), strict=True)
    return {
        **{name: _interval(found.get(name), _DOLLAR_DIGITS if "cost" in name.split("_")[0] else _DIGITS) for name in MEASURES},
        "flip_rate": None if player.flip_rate is None else round(player.flip_rate, _DIGITS),
        "latency_us": player.latency_us,
        "calls": {model: round(share, _DIGITS) for model, share in sorted(shares, key=lambda one: -one[1]) if share > 0},
        "curve": curve,
        "gap_curve": gap_curve,
    }


def _costs(scores: Floats, paid: Floats, beside: _Beside, money: _Money) -> dict[str, Floats]:
    """What has to do with costs. Every policy may also be mixed with the cheapest model: that point is on its hull, too."""
    weights = beside.weights
    total = weights.sum(axis=1, keepdims=True)
    qualities, costs = weights @ scores.T / total, weights @ paid.T / total
    aiq, quality_then, cost_then = [], [], []
    for one in range(len(weights)):
        low, high = float(np.nanmin(money.singles[one])), float(np.nanmax(money.singles[one]))
        hull = frontier(np.append(costs[one], low), np.append(qualities[one], money.cheapest[one]))
        aiq.append(area_under(hull, low, high))
        quality_then.append(quality_at(hull, float(money.best_single[one])))
        cost_then.append(cost_at(hull, float(beside.best_single[one])))
    return {
        "cost_usd": costs[:, -1],
        "aiq": np.array(aiq),
        "arena_score": arena_score(qualities[:, -1], costs[:, -1]),
        "quality_at_best_single_cost": np.array(quality_then),
        "cost_at_best_single_quality": np.array(cost_then),
    }


def _pair(judged: Judged) -> tuple[int, int] | None:
    """The columns of the strong and of the weak one of two models; ``None`` of more, or where both answered no prompt."""
    models = judged.outcomes.models
    if len(models) != 2 or not judged.outcomes.answered.all(axis=1).any():
        return None
    strong = judged.outcomes.best_model if judged.strong is None else models.index(judged.strong)
    return strong, 1 - strong


def _models(judged: Judged) -> dict[str, Any]:
    outcomes = judged.outcomes
    columns = zip(outcomes.models, outcomes.mean_scores, outcomes.mean_costs, outcomes.answered.sum(axis=0), strict=True)
    rows = sorted(columns, key=lambda row: -row[1])
    return {
        model: {"n": int(n), "quality": _rounded(float(score)), "cost_usd": _rounded(float(cost), _DOLLAR_DIGITS)}
        for model, score, cost, n in rows
    }


def _groups(judged: Judged, names: Sequence[str]) -> dict[str, Any]:
    """For each group of prompts, the quality of each policy: over all prompts, and as the mean over categories."""
    categories = np.array([prompt.category for prompt in judged.outcomes.prompts])
    member, found = np.array(names), {}
    for name, n in sorted(Counter(names).items()):
        inside = member == name
        kinds = [inside & (categories == kind) for kind in np.unique(categories[inside])]
        scores = {player.name: player.played.scores[-1] for player in judged.players}
        found[name] = {
            "n": n,
            "quality": {policy: _rounded(float(one[inside].mean())) for policy, one in scores.items()},
            "mean_over_categories": {
                policy: _rounded(float(np.mean([one[kind].mean() for kind in kinds]))) for policy, one in scores.items()
            },
        }
    return found


def _reliability(judged: Judged, weights: Floats) -> list[dict[str, float]] | None:
    """The bins of the policy on trial; ``None`` where its ratings are no expected scores."""
    player = next(player for player in judged.players if player.name == judged.subject)
    if not player.rated.expects:
        return None
    told = calibration(weights[:1], player.rated.ratings, judged.outcomes.scores)
    return [{"expected": round(expected, _DIGITS), "score": round(score, _DIGITS), "n": n} for expected, score, n in told.bins]


def _interval(values: Floats | None, digits: int) -> dict[str, Any] | None:
    """The value, and between which values 95 % of the resamples lie. Those without one do not count.

    The interval holds the value itself: resampling only adds to a calibration error near 0.
    """
    if values is None or math.isnan(values[0]):
        return None
    drawn = values[1:][~np.isnan(values[1:])]
    value = float(values[0])
    low, high = np.percentile(drawn, (2.5, 97.5)).tolist() if drawn.size else (value, value)
    bounds = (min(low, value), max(high, value)) if drawn.size else None
    return {
        "value": round(value, digits),
        "ci95": None if bounds is None else [round(one, digits) for one in bounds],
    }


def _points(x: Floats, y: Floats) -> list[list[float]] | None:
    if np.isnan(y).any():
        return None
    return [[round(one, _DIGITS), round(other, _DIGITS)] for one, other in zip(x.tolist(), y.tolist(), strict=True)]


def _rounded(value: float, digits: int = _DIGITS) -> float | None:
    return None if math.isnan(value) else round(value, digits)
