"""Trains the task model: rows in, weights and a report out. The same data, seed and versions give the same weights."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.labels import ACTION, LABEL_NAMES, LABELS, TASKS, labels_of
from waypost.decide.reading import FLAGS
from waypost.decide.task_model import CERTAINTY
from waypost.kernel.plain import ROW_BITS
from waypost.learn.augmentation import (
    DERIVED,
    NOISE_SOURCE,
    acknowledging_rows,
    mistyped_rows,
    noise_rows,
    offered_rows,
    padded_rows,
    polite_rows,
    quoted_rows,
    reply_rows,
)
from waypost.learn.calibration import Probabilities, action_threshold, best_temperature, probabilities_of
from waypost.learn.datasets import Row
from waypost.learn.fine_labels import label_of
from waypost.learn.linear import FitSettings, LinearFit, fit
from waypost.learn.own_prompts import OWN_SOURCE, own_rows
from waypost.learn.sources import assign_folds, capped
from waypost.learn.task_judging import expected_calibration_error, judge
from waypost.learn.task_matrix import Floats, TaskMatrix, balance, encode

NOISE_WEIGHT = 1.0
OWN_WEIGHT = 2.0
"""All fills of a prompt of our own count as this many rows of the data, because each stands for many; one without slots
counts half."""

TOOLS_WITH_ACTION = 0.75
"""How often tools are offered with a request for an action, in training; with other requests, the rest of the times."""

IMAGELESS_VISION = 0.05
JUDGED_EACH = 400
"""Rows of one source and task that cross-validation judges, so that no large source decides for all."""

_TOOLS = FLAGS.index("tools_offered")

Progress = Callable[[str, int, int], None]
"""Hears of a step's name, what is done of it, and its total."""


@dataclass(frozen=True, slots=True)
class TaskTraining:
    """Every choice of a training run."""

    seed: int = 1
    rows_each: int = 2400
    own_prompts: bool = True
    derived_rows: int = 1500
    restated_rows: int = 20_000
    offered_rows: int = 2_000
    folds: int = 5
    fit: FitSettings = field(default_factory=FitSettings)
    most_false_actions: float = 0.025
    most_false_actions_with_tools: float = 0.05
    least_probability: float = 0.35


@dataclass(frozen=True, slots=True)
class Corpus:
    """Encoded training rows. ``allowed`` holds the labels that each row may have. ``folds`` is -1 for rows of our own.

    ``judged`` holds the places of the rows that cross-validation judges: none of our own.
    """

    rows: Sequence[Row]
    matrix: TaskMatrix
    truth: npt.NDArray[np.int64]
    allowed: Floats
    folds: npt.NDArray[np.int64]
    judged: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainedTask:
    """Weights, the numbers that turn their scores into answers, and what cross-validation said of them."""

    weights: LinearFit
    temperature: float
    thresholds: tuple[float, ...]
    tools_threshold: float
    unseen_sources: dict[str, Any]


def train_task(rows: Sequence[Row], training: TaskTraining, progress: Progress) -> tuple[TrainedTask, Corpus]:
    """Judges by leaving sources out, calibrates on what was left out, and trains on everything."""
    corpus = prepare(rows, training, progress)
    scores, offered, bare = _left_out_scores(corpus, training, progress)
    truth = corpus.truth[corpus.judged]
    free = np.flatnonzero(corpus.matrix.flags[corpus.judged, 0] == 0)
    temperature = best_temperature(scores[free], truth[free])
    thresholds = [training.least_probability] * len(TASKS)
    thresholds[TASKS.index(ACTION)], tools_threshold = (
        action_threshold(probabilities_of(found[free], temperature), truth[free], most, training.least_probability)
        for found, most in (
            (bare, training.most_false_actions),
            (offered, training.most_false_actions_with_tools),
        )
    )
    weights = _fit(corpus, np.arange(len(corpus.rows)), training, progress, "training on everything")
    least = np.tile(thresholds, (corpus.judged.size, 1))
    least[corpus.matrix.flags[corpus.judged, _TOOLS] > 0, TASKS.index(ACTION)] = tools_threshold
    report = _report(corpus, probabilities_of(scores, temperature), least)
    least[:, TASKS.index(ACTION)] = tools_threshold
    report["with_tools_everywhere"] = _report(corpus, probabilities_of(offered, temperature), least)
    return TrainedTask(weights, temperature, tuple(thresholds), tools_threshold, report), corpus


def prepare(rows: Sequence[Row], training: TaskTraining, progress: Progress) -> Corpus:
    """Caps the sources, adds our own rows and rows said in other ways, encodes everything, deals the sources to the folds."""
    rng = random.Random(training.seed)  # noqa: S311  reproducible, not secret
    data = capped(rows, training.rows_each)
    own = own_rows(rng) if training.own_prompts else []
    every = [
        *data,
        *own,
        *quoted_rows(data, training.derived_rows, rng),
        *polite_rows(data, training.derived_rows, rng),
        *padded_rows([*data, *own], training.restated_rows, rng),
        *mistyped_rows([*data, *own], training.restated_rows, rng),
        *reply_rows([*own, *offered_rows(own, training.offered_rows, rng)], rng),
        *(acknowledging_rows(rng) if own else ()),
        *noise_rows(data, training.derived_rows, rng),
    ]
    done = [0]

    def advance(count: int) -> None:
        done[0] += count
        progress("reading", done[0], len(every))

    placed = assign_folds(data, training.folds)
    seen: dict[tuple[str, str], int] = {}
    judged = []
    for number, row in enumerate(data):
        seen[row.task, row.source] = seen.get((row.task, row.source), 0) + 1
        if seen[row.task, row.source] <= JUDGED_EACH:
            judged.append(number)
    return Corpus(
        rows=every,
        matrix=encode(every, advance),
        truth=np.array([TASKS.index(row.task) for row in every], np.int64),
        allowed=np.array([allowed_labels(row) for row in every], np.float32),
        folds=np.array([placed.get(row.source, -1) for row in every], np.int64),
        judged=np.array(judged, np.int64),
    )


def allowed_labels(row: Row) -> list[float]:
    """How much of each label a row may be: noise is a little of all, a known label is that one, a task is any of its labels."""
    if row.source == NOISE_SOURCE:
        sizes = {task: sum(1 for _ in labels_of(task)) for task in TASKS}
        return [1 / sizes[label.task] for label in LABELS]
    known = label_of(row)
    places = (LABEL_NAMES.index(known),) if known else tuple(labels_of(row.task))
    return [float(place in places) for place in range(len(LABELS))]


def hide_flags(rows: Sequence[Row]) -> Callable[[Floats, npt.NDArray[np.int64], np.random.Generator], None]:
    """Draws the flags of a batch anew, so that none of them becomes the label.

    In the data, tools are offered with nearly every command and seldom else; real clients offer them with everything. An image
    in the last message decides by itself, so the text learns without it; an image further back only leans to vision. What the
    caller's memory knows is in no data: it is drawn as a caller would say it of questions about the user's own life.
    """
    column = {name: FLAGS.index(name) for name in FLAGS}
    vision = np.array([row.task == "vision" for row in rows])
    action = np.array([row.task == ACTION for row in rows])
    own_past = np.array([row.task == "memory" and label_of(row) in (None, "recall", "conversation_recall") for row in rows])

    def noise(flags: Floats, batch: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        def chance(odds: float | npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
            drawn: npt.NDArray[np.bool_] = rng.random(batch.size) < odds
            return drawn

        flags[:, column["image_in_last_message"]] = 0
        flags[:, column["image_in_context"]] = chance(np.where(vision[batch], 0.97, 0.05))
        flags[:, column["tools_offered"]] = chance(np.where(action[batch], TOOLS_WITH_ACTION, 1 - TOOLS_WITH_ACTION))
        flags[:, column["known_to_memory"]] = chance(np.where(own_past[batch], 0.35, 0.03))
        follows = flags[:, column["follow_up"]]
        follows[:] = (follows > 0) & chance(0.5) | chance(0.15)
        flags[:, column["long_conversation"]] *= follows
        long = flags[:, column["long_context"]]
        long[:] = (long > 0) & chance(0.5) | chance(0.15)

    return noise


def row_weights(rows: Sequence[Row], chosen: npt.NDArray[np.int64]) -> Floats:
    """How much each row counts; those that are not ``chosen`` count nothing."""
    weights = np.zeros(len(rows), np.float32)
    own = np.array([row.source == OWN_SOURCE for row in rows])[chosen]
    noise = np.array([row.source == NOISE_SOURCE for row in rows])[chosen]
    data = chosen[~own & ~noise]
    weights[data] = balance([rows[i] for i in data], TASKS)
    prompts = [rows[i].pair.removeprefix(DERIVED) for i in chosen[own]]
    fills = Counter(prompts)
    weights[chosen[own]] = [OWN_WEIGHT / max(fills[prompt], 2) for prompt in prompts]
    weights[chosen[noise]] = NOISE_WEIGHT
    return weights


def _fit(corpus: Corpus, chosen: npt.NDArray[np.int64], training: TaskTraining, progress: Progress, step: str) -> LinearFit:
    weights = row_weights(corpus.rows, chosen)
    done = [0]

    def advance(count: int) -> None:
        done[0] += count
        progress(step, done[0], chosen.size * training.fit.epochs)

    rng = np.random.default_rng(training.seed)
    noisy = hide_flags(corpus.rows)
    fitted = fit(corpus.matrix, 1 << ROW_BITS, corpus.allowed, weights, chosen, training.fit, rng, noisy, advance)
    return _lean_on_images(fitted)


def _lean_on_images(fitted: LinearFit) -> LinearFit:
    """Makes a text that sounds like vision one in twenty as likely where no image is in the conversation.

    In the data every picture question has its picture, so the rate of those without one cannot be learned from it.
    """
    vision, doubt = LABEL_NAMES.index("image_question"), np.float32(np.log(IMAGELESS_VISION))
    flags, bias = fitted.flags.copy(), fitted.bias.copy()
    bias[vision] += doubt
    flags[FLAGS.index("image_in_context"), vision] -= doubt
    return LinearFit(fitted.table, flags, bias)


def _left_out_scores(corpus: Corpus, training: TaskTraining, progress: Progress) -> tuple[Floats, Floats, Floats]:
    """Label scores of the judged rows, each by a model that saw nothing of its source.

    The same again as if tools had come with every row, and as if with none: many clients offer theirs with every request, so
    what the data says of tools must not decide how they are judged.
    """
    scores = np.zeros((3, corpus.judged.size, len(LABELS)), np.float32)
    for fold in range(training.folds):
        left = np.flatnonzero(corpus.folds[corpus.judged] == fold)
        if left.size:
            step = f"without fold {fold + 1} of {training.folds}"
            model = _fit(corpus, np.flatnonzero(corpus.folds != fold), training, progress, step)
            matrix = corpus.matrix.take(corpus.judged[left])
            found, had = model.scores(matrix), matrix.flags[:, _TOOLS, None]
            scores[0, left] = found
            scores[1, left] = found + (1 - had) * model.flags[_TOOLS]
            scores[2, left] = found - had * model.flags[_TOOLS]
    return scores[0], scores[1], scores[2]


def _report(corpus: Corpus, probabilities: Probabilities, least: Probabilities) -> dict[str, Any]:
    """What the left-out rows were taken for. ``least`` holds the least probability of each task, a row each."""
    image = corpus.matrix.flags[corpus.judged, 0] > 0
    truth = corpus.truth[corpus.judged]
    answers = np.where(image, TASKS.index("vision"), probabilities.argmax(axis=1))
    sure = np.where(image, CERTAINTY, probabilities.max(axis=1))
    enough = sure >= least[np.arange(answers.size), answers]
    said = [TASKS[i] if found else None for i, found in zip(answers.tolist(), enough.tolist(), strict=True)]
    records = [{"task": TASKS[i]} for i in truth.tolist()]
    found = judge(said, records)
    ece = expected_calibration_error(sure.tolist(), (answers == truth).tolist())
    unsure = judge([TASKS[i] for i in answers.tolist()], records)
    curve = _action_curve(np.where(image, 0, probabilities[:, TASKS.index(ACTION)]), answers, truth)
    return found | {
        "ece": None if ece is None else round(ece, 4),
        "macro_f1_without_abstaining": unsure["macro_f1"],
        "action_curve": curve,
        "per_source": _per_source(corpus, said),
    }


def _per_source(corpus: Corpus, said: Sequence[str | None]) -> dict[str, dict[str, int]]:
    """For each source and task of it, how often each task was answered; ``unclear`` where none was."""
    found: dict[str, Counter[str]] = {}
    for place, task in zip(corpus.judged.tolist(), said, strict=True):
        row = corpus.rows[place]
        found.setdefault(f"{row.source} {row.task}", Counter())[task or "unclear"] += 1
    return {name: dict(counts.most_common()) for name, counts in sorted(found.items())}


def _action_curve(
    probabilities: Probabilities, answers: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]
) -> list[dict[str, float]]:
    """False actions and found actions for each threshold."""
    action = TASKS.index(ACTION)
    sure = np.where(answers == action, probabilities, 0)
    points = []
    for threshold in np.arange(0.3, 1.0, 0.05):
        taken = sure >= threshold
        false, found = taken[truth != action].mean(), taken[truth == action].mean()
        points.append(
            {"threshold": round(float(threshold), 2), "false": round(float(false), 4), "found": round(float(found), 4)}
        )
    return points


def data_report(corpus: Corpus) -> list[dict[str, Any]]:
    """Each source with its licences and how many of its rows were used."""
    found: dict[str, dict[str, Any]] = {}
    for row in corpus.rows:
        entry = found.setdefault(row.source, {"source": row.source, "rows": 0, "derived_rows": 0, "licences": set()})
        entry["derived_rows" if row.pair.startswith(DERIVED) else "rows"] += 1
        entry["licences"].add(row.licence)
    return [entry | {"licences": sorted(entry["licences"])} for _, entry in sorted(found.items())]
