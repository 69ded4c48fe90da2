"""A whole training of quality estimates: from files of outcomes to an artefact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from waypost.decide.quality_pools import PoolQuality
from waypost.decide.quality_weights import POOLS
from waypost.decide.task import TaskModel
from waypost.errors import ArtefactError
from waypost.learn.general_quality import LEAST_SOURCES, Pieces, general_lines, train_general
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcome_splits import cross_validated, question_of
from waypost.learn.outcomes import Outcomes
from waypost.learn.quality_artefact import write_artefact
from waypost.learn.quality_ensemble import learn_pool
from waypost.learn.quality_evaluation import QualityEvaluation
from waypost.learn.quality_learned import LEARNED, learned_policies
from waypost.learn.quality_policies import baselines
from waypost.learn.quality_rows import PromptReader
from waypost.learn.task_answers import Progress

FOLDS = 5
LIMITS = (
    "scores are of benchmark prompts of the time of their source, mostly English, with one question each; what they say of "
    "conversations, of tools and of later versions of a model is not known"
)


@dataclass(frozen=True, slots=True)
class QualityRun:
    """What was written, and where."""

    out: Path
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class QualityTraining:
    """How estimates are trained. ``resampled`` is how many resamples the intervals of the card are from.

    With ``general``, what is true of models on any prompts is learned too (docs/quality.md), of three files at least.
    ``licences`` are those of the data by the names of their files, for the card; ``today`` is the day that it tells.
    """

    seed: int = 1
    resampled: int = 1000
    drop_flags: tuple[str, ...] = ()
    general: bool = False
    licences: Mapping[str, str] | None = None
    today: Callable[[], date] = date.today


def run(files: Sequence[Path], out: Path, task_model: TaskModel, training: QualityTraining, progress: Progress) -> QualityRun:
    """Learns a pool from each group of files with the same models, judges the learner on it, and writes weights and card.

    A prompt and model that a file tells twice of counts once, with the mean score. The same files and seed give the same
    weights. Raises ArtefactError where a file cannot be used, or extras are missing.
    """
    if training.general and len(files) < LEAST_SOURCES:
        raise ArtefactError(f"what is true of models on any prompts is learned from {LEAST_SOURCES} files at least")
    reader = PromptReader(task_model)
    pools, told = [], []
    loaded = {file: _load([file], training) for file in files}
    groups = _groups(loaded, training)
    for number, (names, outcomes) in enumerate(groups):
        progress("learning", number, len(groups))
        pool = learn_pool(outcomes, reader, training.seed)
        pools.append(pool)
        told.append(
            {
                "files": names,
                "models": list(pool.models),
                "experts": [round(weight, 3) for weight in pool.weights],
                "lead": None if np.isinf(pool.lead) else pool.lead,
                "strength": round(pool.strength, 1),
                "scores": _scores(outcomes, task_model, training),
            }
        )
    progress("learning", len(groups), len(groups))
    general, of_general = _general(files, task_model, training, progress)
    dropped = [f"--drop-flag {flag}" for flag in training.drop_flags]
    options = [f"--seed {training.seed}", *dropped, *(["--general"] if general else [])]
    report = {
        "command": " ".join(["waypost train quality", *(file.name for file in files), *options]),
        "seed": training.seed,
        "date": training.today().isoformat(),
        "limits": LIMITS,
        "data": _data(loaded, training),
        "pools": told,
        **of_general,
    }
    pieces = {POOLS: PoolQuality.of("", pools).to_arrays(), **general}
    return QualityRun(out, write_artefact(out, pieces, report, general_lines(of_general)))


def _general(
    files: Sequence[Path], task_model: TaskModel, training: QualityTraining, progress: Progress
) -> tuple[Pieces, dict[str, Any]]:
    if not training.general:
        return {}, {}

    def learned(done: int, of: int) -> None:
        progress("learning what is true anywhere", done, of)

    return train_general(files, task_model, learned, training.drop_flags)


def _load(files: Sequence[Path], training: QualityTraining) -> Outcomes:
    return load_outcomes(files, mend=True).without(training.drop_flags)


def _groups(loaded: Mapping[Path, Outcomes], training: QualityTraining) -> list[tuple[list[str], Outcomes]]:
    """Files whose models are the same are one data set."""
    by_models: dict[tuple[str, ...], list[Path]] = {}
    for file, outcomes in loaded.items():
        by_models.setdefault(outcomes.models, []).append(file)
    return [
        ([file.name for file in group], _load(group, training) if len(group) > 1 else loaded[group[0]])
        for group in by_models.values()
    ]


def _data(loaded: Mapping[Path, Outcomes], training: QualityTraining) -> list[dict[str, Any]]:
    licences, found = training.licences or {}, []
    for file, outcomes in loaded.items():
        told = {"prompts": len(outcomes.prompts), "models": len(outcomes.models), "outcomes": int(outcomes.answered.sum())}
        found.append({"file": file.name, **told, "licence": licences.get(file.name)})
    return found


def _scores(outcomes: Outcomes, task_model: TaskModel, training: QualityTraining) -> dict[str, Any]:
    """What was learned in the same way from other folds says of each fold; nothing, where there are too few questions."""
    names = (
        "n",
        "quality",
        "over_best_single",
        "best_single",
        "oracle",
        "random",
        "ece",
        "brier",
        "apgr",
        "coverage90",
        "interval_width",
    )
    if len(set(question_of(outcomes.prompts))) < FOLDS:
        return dict.fromkeys(names)
    division = cross_validated(outcomes, FOLDS, training.seed)
    judged = learned_policies(task_model, training.seed, None) | baselines(task_model)
    makers = {name: judged[name] for name in (LEARNED, "best_single", "random")}
    evaluation = QualityEvaluation(training.resampled, perturbed=0, seed=training.seed)
    report = evaluation.evaluate(outcomes, division, makers, LEARNED, lambda *_: None)
    return {name: report[name] for name in names}
