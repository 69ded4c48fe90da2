"""Trains the task model: rows in, weights and a report out. The same data, seed and versions give the same weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.features import FLAGS
from waypost.decide.task import TASKS
from waypost.decide.task_model import IMAGE_CERTAINTY
from waypost.learn.augmentation import DERIVED, OWN_LICENCE, OWN_SOURCE, noise_texts, polite_rows, quoted_rows, template_rows
from waypost.learn.calibration import Probabilities, action_threshold, best_temperature, probabilities_of
from waypost.learn.datasets import Row
from waypost.learn.linear import FitSettings, LinearFit, fit
from waypost.learn.sources import assign_folds, capped
from waypost.learn.task_judging import ACTION, expected_calibration_error, judge
from waypost.learn.task_matrix import Floats, TaskMatrix, balance, encode

NOISE_SOURCE = "waypost_noise"
NOISE_WEIGHT = 0.3
OWN_WEIGHT = 2.0
"""Rows from templates count double, because they are few. Not measured apart from other changes."""

IMAGELESS_VISION = 0.05
JUDGED_EACH = 400
"""Rows of one source and task that cross-validation judges, so that no large source decides for all."""

Progress = Callable[[str, int, int], None]
"""Hears of a step's name, what is done of it, and its total."""


@dataclass(frozen=True, slots=True)
class TaskTraining:
    """Every choice of a training run."""

    seed: int = 1
    bits: int = 18
    rows_each: int = 2400
    templates: bool = True
    derived_rows: int = 1500
    folds: int = 5
    fit: FitSettings = field(default_factory=FitSettings)
    l2_tried: tuple[float, ...] = (1e-6, 3e-6)
    most_false_actions: float = 0.03
    least_probability: float = 0.35


@dataclass(frozen=True, slots=True)
class Corpus:
    """Encoded training rows. ``folds`` is -1 for rows of our own, which are never judged."""

    rows: Sequence[Row]
    matrix: TaskMatrix
    truth: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    judged: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrainedTask:
    """Weights, the numbers that turn their scores into answers, and what cross-validation said of them."""

    weights: LinearFit
    temperature: float
    thresholds: tuple[float, ...]
    l2: float
    unseen_sources: dict[str, Any]
    tried: tuple[dict[str, Any], ...]


def train_task(rows: Sequence[Row], training: TaskTraining, progress: Progress) -> tuple[TrainedTask, Corpus]:
    """Chooses the regularisation by leaving sources out, calibrates on what was left out, and trains on everything."""
    corpus = prepare(rows, training, progress)
    tried = []
    for l2 in training.l2_tried:
        scores = _left_out_scores(corpus, replace(training, fit=replace(training.fit, l2=l2)), progress)
        report = judge([TASKS[i] for i in _answers(corpus, scores)], _records(corpus))
        tried.append((report["macro_f1"], l2, scores, report))
    _, l2, scores, report = max(tried, key=lambda found: found[0])
    judged = np.flatnonzero(corpus.judged)
    free = judged[corpus.matrix.flags[judged, 0] == 0]
    temperature = best_temperature(scores[free], corpus.truth[free])
    probabilities = probabilities_of(scores, temperature)
    threshold = action_threshold(
        probabilities[free],
        corpus.truth[free],
        TASKS.index(ACTION),
        training.most_false_actions,
        training.least_probability,
    )
    thresholds = tuple(threshold if task == ACTION else training.least_probability for task in TASKS)
    settings = replace(training.fit, l2=l2)
    weights = _fit(corpus, np.arange(len(corpus.rows)), training, settings, progress, "training on everything")
    tried_report = tuple({"l2": each[1], "macro_f1": each[0], "accuracy": each[3]["accuracy"]} for each in tried)
    unseen = _with_thresholds(corpus, probabilities, thresholds) | {"macro_f1_without_abstaining": report["macro_f1"]}
    return TrainedTask(weights, temperature, thresholds, l2, unseen, tried_report), corpus


def prepare(rows: Sequence[Row], training: TaskTraining, progress: Progress) -> Corpus:
    """Caps the sources, adds rows of our own, encodes everything and deals the sources to the folds."""
    rng = random.Random(training.seed)  # noqa: S311  reproducible, not secret
    data = capped(rows, training.rows_each)
    own = template_rows(rng) if training.templates else []
    derived = quoted_rows(data, training.derived_rows, rng) + polite_rows(data, training.derived_rows, rng)
    noise = [
        Row(text=text, task="chat", accept=("chat",), source=NOISE_SOURCE, licence=OWN_LICENCE)
        for text in noise_texts(training.derived_rows, rng)
    ]
    every = [*data, *derived, *own, *noise]
    done = [0]

    def advance(count: int) -> None:
        done[0] += count
        progress("reading", done[0], len(every))

    matrix = encode(every, training.bits, advance)
    placed = assign_folds(data, training.folds)
    seen: dict[tuple[str, str], int] = {}
    judged = np.zeros(len(every), np.bool_)
    for number, row in enumerate(data):
        seen[row.task, row.source] = seen.get((row.task, row.source), 0) + 1
        judged[number] = seen[row.task, row.source] <= JUDGED_EACH
    return Corpus(
        rows=every,
        matrix=matrix,
        truth=np.array([TASKS.index(row.task) for row in every], np.int64),
        folds=np.array([placed.get(row.source, -1) for row in every], np.int64),
        judged=judged,
    )


def hide_flags(truth: npt.NDArray[np.int64]) -> Callable[[Floats, npt.NDArray[np.int64], np.random.Generator], None]:
    """Draws the flags of a batch anew, so that none of them becomes the label.

    In the data, tools are offered with nearly every command and seldom else; real clients offer them with everything. An image
    in the last message decides by itself, so the text learns without it; an image further back only leans to vision.
    """
    column = {name: FLAGS.index(name) for name in FLAGS}
    vision, action = TASKS.index("vision"), TASKS.index(ACTION)

    def noise(flags: Floats, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        def chance(odds: float | npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
            drawn: npt.NDArray[np.bool_] = rng.random(rows.size) < odds
            return drawn

        here = truth[rows]
        flags[:, column["image_in_last_message"]] = 0
        flags[:, column["image_in_context"]] = chance(np.where(here == vision, 0.97, 0.05))
        flags[:, column["tools_offered"]] = chance(np.where(here == action, 0.65, 0.35))
        follows = flags[:, column["follow_up"]]
        follows[:] = (follows > 0) & chance(0.5) | chance(0.15)
        flags[:, column["long_conversation"]] *= follows
        long = flags[:, column["long_context"]]
        long[:] = (long > 0) & chance(0.5) | chance(0.15)

    return noise


def _fit(
    corpus: Corpus,
    chosen: npt.NDArray[np.int64],
    training: TaskTraining,
    settings: FitSettings,
    progress: Progress,
    step: str,
) -> LinearFit:
    weights = np.zeros(len(corpus.rows), np.float32)
    weights[chosen] = balance([corpus.rows[i] for i in chosen], TASKS)
    targets = np.eye(len(TASKS), dtype=np.float32)[corpus.truth]
    noise = np.array([row.source == NOISE_SOURCE for row in corpus.rows])
    targets[noise] = 1 / len(TASKS)
    weights[noise & (weights > 0)] = NOISE_WEIGHT
    weights[[row.source == OWN_SOURCE for row in corpus.rows]] *= OWN_WEIGHT
    done = [0]

    def advance(count: int) -> None:
        done[0] += count
        progress(step, done[0], chosen.size * settings.epochs)

    rng = np.random.default_rng(training.seed)
    width = 1 << training.bits
    fitted = fit(corpus.matrix, width, targets, weights, chosen, settings, rng, hide_flags(corpus.truth), advance)
    return _lean_on_images(fitted)


def _lean_on_images(fitted: LinearFit) -> LinearFit:
    """Makes a text that sounds like vision one in twenty as likely where no image is in the conversation.

    In the data every picture question has its picture, so the rate of those without one cannot be learned from it.
    """
    vision, doubt = TASKS.index("vision"), np.float32(np.log(IMAGELESS_VISION))
    flags, bias = fitted.flags.copy(), fitted.bias.copy()
    bias[vision] += doubt
    flags[FLAGS.index("image_in_context"), vision] -= doubt
    return LinearFit(fitted.table, flags, bias)


def _left_out_scores(corpus: Corpus, training: TaskTraining, progress: Progress) -> Floats:
    scores = np.zeros((len(corpus.rows), len(TASKS)), np.float32)
    for fold in range(training.folds):
        step = f"l2 {training.fit.l2:g}, without fold {fold + 1} of {training.folds}"
        left = np.flatnonzero((corpus.folds == fold) & corpus.judged)
        if left.size:
            model = _fit(corpus, np.flatnonzero(corpus.folds != fold), training, training.fit, progress, step)
            scores[left] = model.scores(corpus.matrix.take(left))
    return scores


def _answers(corpus: Corpus, scores: Floats | Probabilities) -> list[int]:
    judged = np.flatnonzero(corpus.judged)
    image = corpus.matrix.flags[judged, 0] > 0
    return [int(i) for i in np.where(image, TASKS.index("vision"), scores[judged].argmax(axis=1))]


def _records(corpus: Corpus) -> list[dict[str, Any]]:
    return [{"task": corpus.rows[i].task} for i in np.flatnonzero(corpus.judged).tolist()]


def _with_thresholds(corpus: Corpus, probabilities: Probabilities, thresholds: Sequence[float]) -> dict[str, Any]:
    judged = np.flatnonzero(corpus.judged)
    answers = _answers(corpus, probabilities)
    image = corpus.matrix.flags[judged, 0] > 0
    sure = np.where(image, IMAGE_CERTAINTY, probabilities[judged, answers])
    said = [TASKS[i] if p >= thresholds[i] else None for i, p in zip(answers, sure, strict=True)]
    report = judge(said, _records(corpus))
    right = [answer == truth for answer, truth in zip(answers, corpus.truth[judged].tolist(), strict=True)]
    ece = expected_calibration_error(sure.tolist(), right)
    return report | {"ece": round(ece, 4) if ece is not None else None}


def data_report(corpus: Corpus) -> list[dict[str, Any]]:
    """Each source with its licences and how many of its rows were used."""
    found: dict[str, dict[str, Any]] = {}
    for row in corpus.rows:
        entry = found.setdefault(row.source, {"source": row.source, "rows": 0, "derived_rows": 0, "licences": set()})
        entry["derived_rows" if row.fine == DERIVED else "rows"] += 1
        entry["licences"].add(row.licence)
    return [entry | {"licences": sorted(entry["licences"])} for _, entry in sorted(found.items())]
