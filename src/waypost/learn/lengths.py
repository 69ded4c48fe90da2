"""Fits how long answers are: a habit of each model, and what the prompt tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import INPUTS, Floats
from waypost.decide.labels import LABELS
from waypost.decide.lengths import LengthForecast
from waypost.decide.model_kinds import thinks_by_itself
from waypost.learn.answers import Answers

HABIT_SD, SOURCE_SD, WEIGHT_SD = 0.35, 0.7, 0.1
"""Of models, of sources and of the weight of an input, in logarithms of tokens: those that told most of sources left out."""

FIRST_SPREAD = 0.65
"""Of single answers; it is then measured."""

LEAST_SHARE, LEAST_SOURCES = 0.1, 2
"""A label counts where it has such a share of the prompts in so many sources: one source alone tells its own form of answer
(CRUX asks what a program returns, and who asks for a program gets four times as much)."""


def train_lengths(answers: Sequence[Answers]) -> LengthForecast | None:
    """Ridge regression of logarithms, with a constant for each source that is left out of forecasts.

    ``None`` where the sources count no tokens. Models that think before they answer are left out.
    """
    sources = [source for source in answers if _counted(source)]
    if not sources:
        return None
    models = tuple(sorted({source.models[column] for source in sources for column in _counted(source)}))
    rows = {model: 1 + row for row, model in enumerate(models)}
    centre = np.mean([source.inputs.mean(axis=0) for source in sources], axis=0)
    spreads = [HABIT_SD] * len(models) + [SOURCE_SD] * len(sources) + [WEIGHT_SD] * len(INPUTS)
    curve = np.diag([1e-6, *((FIRST_SPREAD / spread) ** 2 for spread in spreads)])
    slope, square, count = np.zeros(len(curve)), 0.0, 0
    ease = np.arange(len(curve) - len(INPUTS), len(curve))
    for place, source in enumerate(sources):
        for column in _counted(source):
            counted, logs = _logs(source, column)
            places = np.array([0, rows[source.models[column]], 1 + len(models) + place, *ease])
            seen = np.hstack((np.ones((logs.size, 3)), source.inputs[counted] - centre))
            curve[np.ix_(places, places)] += seen.T @ seen
            slope[places] += seen.T @ logs
            square, count = square + float(logs @ logs), count + logs.size
    found: Floats = np.linalg.solve(curve, slope).astype(np.float64)
    shares = np.array([source.inputs[:, : len(LABELS)].mean(axis=0) for source in sources])
    return LengthForecast(
        names=models,
        habits=found[1 : 1 + len(models)],
        constant=float(found[0]),
        weights=found[ease],
        centre=centre,
        spread=float(np.sqrt(max(square - float(slope @ found), 1e-6) / count)),
        spoken=(shares >= LEAST_SHARE).sum(axis=0) >= LEAST_SOURCES,
    )


def judge_lengths(answers: Sequence[Answers], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Leaves out one source after the other: how far the mean length of each model is from the forecast, as a logarithm, and
    how far from the constant that it is on the others (``error_of_constant``). ``prompts`` is the mean correlation, over
    models, of logarithms of single answers with their forecast.
    """
    found = {}
    for done, left in enumerate(answers):
        rest = [source for source in answers if source is not left]
        forecast = train_lengths(rest)
        if forecast is not None and _counted(left):
            found[left.source] = _judged(left, rest, forecast)
        progress(done + 1, len(answers))
    return found


def _judged(left: Answers, rest: Sequence[Answers], forecast: LengthForecast) -> dict[str, Any]:
    lines = forecast.constant + (left.inputs - forecast.centre) @ forecast.weights
    habits = dict(zip(forecast.names, forecast.habits.tolist(), strict=True))
    errors, constants, together = [], [], []
    for column in _counted(left):
        counted, logs = _logs(left, column)
        model, real = left.models[column], float(np.exp(logs).mean())
        said = float(np.exp(lines[counted] + habits.get(model, 0.0) + forecast.spread**2 / 2).mean())
        errors.append(abs(np.log(said / real)))
        constants.append(abs(np.log(_constant(model, rest) / real)))
        if logs.std() and lines[counted].std():
            together.append(np.corrcoef(lines[counted], logs)[0, 1])
    return {
        "models": len(errors),
        "error": round(float(np.mean(errors)), 3),
        "error_of_constant": round(float(np.mean(constants)), 3),
        "prompts": round(float(np.mean(together)), 3) if together else None,
    }


def _constant(model: str, sources: Sequence[Answers]) -> float:
    """The mean length of a model's answers, over the sources that it is in; of all models, where it is in none."""
    means = [float(np.exp(_logs(source, column)[1]).mean()) for source in sources for column in _counted(source, model)]
    every = means or [float(np.exp(_logs(source, column)[1]).mean()) for source in sources for column in _counted(source)]
    return float(np.mean(every))


def _counted(source: Answers, model: str | None = None) -> list[int]:
    """The columns with counts, of models that do not think."""
    known = (~np.isnan(source.tokens)).sum(axis=0) > 0
    return [
        column
        for column, name in enumerate(source.models)
        if known[column] and model in (None, name) and not thinks_by_itself(name)
    ]


def _logs(source: Answers, column: int) -> tuple[npt.NDArray[np.bool_], Floats]:
    counted = ~np.isnan(source.tokens[:, column])
    logs: Floats = np.log(np.maximum(source.tokens[counted, column], 1))
    return counted, logs
