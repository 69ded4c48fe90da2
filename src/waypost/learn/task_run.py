"""A whole training run: from a folder of data to a folder of artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.errors import ArtefactError
from waypost.learn.datasets import Row, load_rows, turn_of
from waypost.learn.language_training import judge_languages, train_languages
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


def run(data: Path, out: Path, seed: int, progress: Progress, training: TaskTraining | None = None) -> TaskRun:
    """Trains on ``data`` and writes weights and card into ``out``. Raises ArtefactError where data or extras are missing."""
    if not (data / TRAIN_FILE).is_file():
        raise ArtefactError(f"there is no {TRAIN_FILE} in the data folder; name the folder that holds it with --data")
    training = training or TaskTraining(seed=seed)
    rows = load_rows(data / TRAIN_FILE)
    trained, corpus = train_task(rows, training, progress)
    languages = train_languages(rows, seed)
    packed = pack(trained.weights, trained.temperature, trained.thresholds, vocabulary_of(corpus.rows), languages)
    report: dict[str, Any] = {
        "command": f"waypost train task --seed {seed}",
        "seed": seed,
        "temperature": trained.temperature,
        "thresholds": list(trained.thresholds),
        "l2": trained.l2,
        "tried": list(trained.tried),
        "scores": {"unseen sources": trained.unseen_sources},
        "languages": {},
        "data": data_report(corpus),
    }
    write(out, packed, report)
    model = load_task_model(out)
    for name, file in JUDGED_FILES.items():
        if (data / file).is_file():
            judged = load_rows(data / file)
            report["scores"][name] = judge_model(model, judged, name, progress)
            if file.endswith(".parquet"):
                found = judge_languages(languages, judged)
                report["languages"] = {lang: asdict(scores) for lang, scores in sorted(found.items())}
    return TaskRun(out, write(out, packed, report))


def judge_model(model: LinearTaskModel, rows: Sequence[Row], name: str, progress: Progress) -> dict[str, Any]:
    """The scores of ``model`` on ``rows``, as a server would answer them, with the calibration error of its confidence."""
    said: list[str | None] = []
    confidences: list[float] = []
    right: list[bool] = []
    for number, row in enumerate(rows, 1):
        scores = model.predict(turn_of(row))
        best = max(scores.probabilities, key=scores.probabilities.__getitem__)
        said.append(scores.task)
        confidences.append(scores.confidence)
        right.append(best in row.accept)
        progress(f"judging {name}", number, len(rows))
    ece = expected_calibration_error(confidences, right)
    records = [{"task": row.task, "accept": row.accept} for row in rows]
    return judge(said, records) | {"ece": round(ece, 4) if ece is not None else None}
