"""How good are task predictions? One function, used by the trainer, the command line and the tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waypost.decide.labels import ACTION, DEFAULT_TASK, TASKS


def judge(predictions: Sequence[str | None], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Scores of ``predictions`` against ``rows``, each with ``task`` or ``label`` and perhaps ``accept``.

    ``None`` is an abstention and counts as the default route. A prediction in ``accept`` counts as the label in every score.
    ``false_action_rate`` is the share of turns that must not become an action and did; ``action_recall`` the share of
    actions that were found. A rate over no row is ``None``.
    """
    truth: list[str] = []
    said: list[str] = []
    accepts: list[Sequence[str]] = []
    for row, prediction in zip(rows, predictions, strict=True):
        label = str(row.get("task") or row.get("label"))
        accept = row.get("accept") or (label,)
        answer = DEFAULT_TASK if prediction is None else prediction
        truth.append(label)
        accepts.append(accept)
        said.append(label if answer in accept else answer)
    per_class = {task: _class_scores(task, truth, said) for task in TASKS if task in truth}
    right = [t == s for t, s in zip(truth, said, strict=True)]
    false_actions = [s == ACTION for s, accept in zip(said, accepts, strict=True) if ACTION not in accept]
    actions = [s == ACTION for t, s in zip(truth, said, strict=True) if t == ACTION]
    return {
        "n": len(truth),
        "accuracy": _mean(right),
        "macro_f1": _mean([scores["f1"] for scores in per_class.values()]),
        "per_class": per_class,
        "false_action_rate": _mean(false_actions),
        "false_actions": sum(false_actions),
        "action_recall": _mean(actions),
        "abstain_rate": _mean([prediction is None for prediction in predictions]),
    }


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """What was said with a confidence from ``low`` to ``high``: how often, how surely, and how often rightly."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def calibration_bins(confidences: Sequence[float], right: Sequence[bool], bins: int = 15) -> list[CalibrationBin]:
    """Bins of equal width, without those that are empty."""
    inside: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, hit in zip(confidences, right, strict=True):
        inside[min(int(confidence * bins), bins - 1)].append((confidence, hit))
    found = []
    for index, answers in sorted(inside.items()):
        n = len(answers)
        sure, hits = sum(confidence for confidence, _ in answers), sum(hit for _, hit in answers)
        found.append(CalibrationBin(index / bins, (index + 1) / bins, n, sure / n, hits / n))
    return found


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int = 15) -> float | None:
    """How far confidence and accuracy lie apart, over equal-width bins weighted by their rows; ``None`` without rows."""
    if not confidences:
        return None
    gaps = (found.n * abs(found.confidence - found.accuracy) for found in calibration_bins(confidences, right, bins))
    return sum(gaps) / len(confidences)


def _class_scores(task: str, truth: Sequence[str], said: Sequence[str]) -> dict[str, float | int]:
    hits = sum(t == s == task for t, s in zip(truth, said, strict=True))
    wanted, given = truth.count(task), said.count(task)
    return {
        "n": wanted,
        "precision": round(hits / given, 4) if given else 0.0,
        "recall": round(hits / wanted, 4),
        "f1": round(2 * hits / (wanted + given), 4),
    }


def _mean(values: Sequence[float | int | bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
