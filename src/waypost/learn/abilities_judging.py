"""How well abilities tell what models do on sources that were left out, beside simpler guesses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from waypost.decide.abilities import IN_FIELD, Abilities, Floats, Standing
from waypost.decide.live_quality import BOUND, PROBIT
from waypost.decide.model_kinds import billions_of, kind_of
from waypost.learn.abilities import train_abilities
from waypost.learn.answers import Answers

LEAST_MODELS = 8
"""Of fewer models, an order tells nothing."""

_HALVINGS = 40
_REACH = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A model on the source that was left out: its mean score, the log-odds of each prompt, and the variance of the model's.

    ``others`` is how much better it was than the mean model of its other sources; ``None`` where it has none.
    """

    scored: float
    odds: Floats
    variance: float
    by_kind: float | None
    billions: float | None
    others: float | None


def judge_abilities(answers: Sequence[Answers], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Leaves out one source after the other, and tells the order and the scores of its models by the rest.

    For each source with at least ``LEAST_MODELS`` models: ``spearman`` of models with outcomes elsewhere, by their abilities,
    by the ``mean`` of their other outcomes, by ``size`` and by ``kind`` alone; ``spearman_new`` of models without, by kind.
    ``error`` is the mean distance of expected and real mean scores, once the level of the source is known, and
    ``error_of_mean`` that of expecting the same of all; ``coverage`` is the share of real means within the intervals.
    """
    found = {}
    for done, left in enumerate(answers):
        rest = [source for source in answers if source is not left]
        if len(set(left.models)) >= LEAST_MODELS and rest:
            found[left.source] = _judged(left, rest)
        progress(done + 1, len(answers))
    return found


def _judged(left: Answers, rest: Sequence[Answers]) -> dict[str, Any]:
    abilities = train_abilities(rest)
    seen = {model for source in rest for model in source.models}
    judged = {model: _model(model, left, rest, abilities) for model in sorted(set(left.models))}
    known = [one for model, one in judged.items() if one is not None and model in seen]
    new = [one for model, one in judged.items() if one is not None and model not in seen]
    every = known + new
    level = _level(every)
    scored = np.array([one.scored for one in every])
    said = np.array([_share(one, level) for one in every])
    half = [BOUND * math.sqrt(one.variance) for one in every]
    lower = np.array([_mean_share(one.odds + level - by) for one, by in zip(every, half, strict=True)])
    upper = np.array([_mean_share(one.odds + level + by) for one, by in zip(every, half, strict=True)])
    return {
        "models": len(known),
        "spearman": {
            "abilities": _order(known, lambda one: float(one.odds.mean())),
            "mean": _order(known, lambda one: one.others),
            "size": _order(known, lambda one: one.billions),
            "kind": _order(known, lambda one: one.by_kind),
        },
        "new_models": len(new),
        "spearman_new": {
            "kind": _order(new, lambda one: one.by_kind),
            "size": _order(new, lambda one: one.billions),
        },
        "error": _rounded(np.abs(said - scored).mean()),
        "error_of_mean": _rounded(np.abs(scored - scored.mean()).mean()),
        "coverage": _rounded(np.mean((lower <= scored) & (scored <= upper))),
        "width": _rounded((upper - lower).mean()),
        "level": _rounded(level),
    }


def _model(model: str, left: Answers, rest: Sequence[Answers], abilities: Abilities) -> _Judged | None:
    columns = [column for column, name in enumerate(left.models) if name == model]
    spelled = left.spelled[columns[0]]
    kind = kind_of(model, spelled)
    by_kind = None if kind is None else abilities.by_kind(kind)
    standing = by_kind
    if model in abilities.names:
        row = abilities.names.index(model)
        standing = Standing(abilities.means[row], abilities.covariances[row], int(abilities.outcomes[row]), model)
    scores = left.scores[:, columns]
    answered = ~np.isnan(scores).all(axis=1)
    if standing is None or not answered.any():
        return None
    inputs = left.inputs[answered] - abilities.centre
    at = np.hstack((np.ones((len(inputs), 1)), inputs @ IN_FIELD))
    middle = at.mean(axis=0)
    return _Judged(
        float(np.nanmean(scores)),
        at @ standing.mean + inputs @ abilities.ease,
        float(middle @ standing.covariance @ middle) + abilities.traffic_sd**2,
        None if by_kind is None else float(by_kind.mean[0]),
        billions_of(model, spelled),
        _lead(model, rest),
    )


def _lead(model: str, sources: Sequence[Answers]) -> float | None:
    """How much better than the mean of its sources' models it was, on the mean over sources."""
    leads = []
    for source in sources:
        known = ~np.isnan(source.scores).all(axis=0)
        means = np.nanmean(source.scores[:, known], axis=0)
        own = np.array(source.models)[known] == model
        if own.any():
            leads.append(float(means[own].mean() - means.mean()))
    return float(np.mean(leads)) if leads else None


def _share(one: _Judged, level: float) -> float:
    return _mean_share((one.odds + level) / math.sqrt(1 + PROBIT * one.variance))


def _mean_share(odds: Floats) -> float:
    return float(np.mean(1 / (1 + np.exp(-odds))))


def _level(judged: Sequence[_Judged]) -> float:
    """How much easier than the average the source is: with it, expected scores have the mean of the real ones."""
    goal = np.mean([one.scored for one in judged])
    low, high = -_REACH, _REACH
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean([_share(one, middle) for one in judged]) < goal else (low, middle)
    return low


def _order(judged: Sequence[_Judged], told: Callable[[_Judged], float | None]) -> float | None:
    """Spearman's rank correlation of what is told with the real scores, of the models of which something is told."""
    pairs = [(value, one.scored) for one in judged if (value := told(one)) is not None]
    if len(pairs) < LEAST_MODELS:
        return None
    table = np.array([_ranks(np.array(column)) for column in zip(*pairs, strict=True)])
    return _rounded(np.corrcoef(table)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _rounded(value: Any) -> float:
    return round(float(value), 3)
