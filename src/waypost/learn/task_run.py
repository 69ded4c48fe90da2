"""A whole training run: from a folder of data to a folder of artefacts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from waypost.decide.labels import LABEL_NAMES
from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.errors import ArtefactError
from waypost.learn.background import write_background
from waypost.learn.datasets import Row, load_rows
from waypost.learn.difficulty import train_difficulty
from waypost.learn.language_training import judge_languages, train_languages
from waypost.learn.task_answers import answer_rows
from waypost.learn.task_artefact import pack, vocabulary_of, write
from waypost.learn.task_judging import expected_calibration_error, judge
from waypost.learn.task_training import Progress, TaskTraining, data_report, train_task

TRAIN_FILE = "train.parquet"
JUDGED_FILES = {"dev (same sources)": "dev.parquet", "hundred prompts": "prompts_100.jsonl"}


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What was written, and where."""

    out: Path
    card: dict[str, Any]


def run(
    data: Path,
    out: Path,
    seed: int,
    progress: Progress,
    *,
    outcomes: Path | None = None,
    training: TaskTraining | None = None,
) -> TaskRun:
    """Trains on ``data`` and writes weights, card and background into ``out``.

    Raises ArtefactError where data or extras are missing. Without ``outcomes`` the weights know nothing of difficulty.
    """
    if not (data / TRAIN_FILE).is_file():
        raise ArtefactError(f"there is no {TRAIN_FILE} in the data folder; name the folder that holds it with --data")
    training = training or TaskTraining(seed=seed)
    rows = load_rows(data / TRAIN_FILE)
    trained, corpus = train_task(rows, training, progress)
    languages = train_languages(rows, seed)
    vocabulary = vocabulary_of(corpus.rows)
    report: dict[str, Any] = {
        "command": f"waypost train task --seed {seed}",
        "seed": seed,
        "temperature": trained.temperature,
        "thresholds": list(trained.thresholds),
        "tools_threshold": trained.tools_threshold,
        "scores": {"unseen sources": trained.unseen_sources},
        "difficulty": None,
        "languages": {},
        "data": data_report(corpus),
    }
    packed = pack(trained, vocabulary, languages)
    write(out, packed, report)
    write_background(out, seed)
    if outcomes is not None:
        difficulty = train_difficulty(load_task_model(out), outcomes)
        known = [label for label, known in zip(LABEL_NAMES, difficulty.labels.tolist(), strict=True) if known]
        report["difficulty"] = {"prompts": difficulty.prompts, "labels": known, "spearman": difficulty.spearman}
        packed = pack(trained, vocabulary, languages, difficulty)
        write(out, packed, report)
    model = load_task_model(out)
    for name, file in JUDGED_FILES.items():
        if (data / file).is_file():
            judged = load_rows(data / file)
            report["scores"][name] = _judged(model, judged, name, progress)
            if file.endswith(".parquet"):
                found = judge_languages(languages, judged)
                report["languages"] = {lang: asdict(scores) for lang, scores in sorted(found.items())}
    return TaskRun(out, write(out, packed, report))


def _judged(model: LinearTaskModel, rows: list[Row], name: str, progress: Progress) -> dict[str, Any]:
    """The scores of ``model`` on ``rows``, as a server would answer them, with the calibration error of its confidence."""
    answers = answer_rows(model, rows, lambda _, done, total: progress(f"judging {name}", done, total))
    ece = expected_calibration_error([a.scores.confidence for a in answers], [a.best_is_right for a in answers])
    records = [{"task": row.task, "accept": row.accept} for row in rows]
    scores = judge([answer.scores.task for answer in answers], records)
    return scores | {"ece": None if ece is None else round(ece, 4)}
