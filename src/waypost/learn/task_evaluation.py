"""A whole evaluation: from files of labelled rows to one report."""

from __future__ import annotations

import operator
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from importlib import metadata
from typing import Any

from waypost._version import __version__
from waypost.decide.task import TaskModel
from waypost.learn.baselines import LITELLM_CLASSIFIERS, litellm_tiers
from waypost.learn.datasets import Row
from waypost.learn.task_answers import Progress, answer_rows, find_flips
from waypost.learn.task_report import Judged, report_on


@dataclass(frozen=True, slots=True)
class TaskEvaluation:
    """What is measured besides the answers. ``perturbed`` is the most rows of a file that are said in other ways."""

    perturbed: int = 1000
    seed: int = 1
    baselines: bool = True
    misses: bool = False

    def evaluate(self, model: TaskModel, files: Mapping[str, Sequence[Row]], progress: Progress) -> dict[str, Any]:
        """The report on all rows together and, of several files, on each."""
        judged = {name: self._judge(model, name, rows, progress) for name, rows in files.items()}
        reports = {name: report_on(found, misses=self.misses) for name, found in judged.items()} if len(judged) > 1 else {}
        whole = reduce(operator.add, judged.values())
        return report_on(whole, misses=self.misses) | {"files": reports, "versions": _versions(model)}

    def _judge(self, model: TaskModel, name: str, rows: Sequence[Row], progress: Progress) -> Judged:
        def show(step: str, done: int, total: int) -> None:
            progress(f"{step} {name}", done, total)

        # Two files may use the same names for their pairs.
        named = [replace(row, pair=f"{name} {row.pair}") if row.pair else row for row in rows]
        answers = answer_rows(model, named, show)
        flips = find_flips(model, answers, self.perturbed, self.seed, show)
        if not self.baselines:
            return Judged(answers, flips)
        tiers: dict[str, tuple[str, ...] | None] = {}
        for number, classifier in enumerate(LITELLM_CLASSIFIERS, 1):
            tiers_of = litellm_tiers(classifier)
            tiers[classifier] = tiers_of and tiers_of([row.text for row in rows])
            show("LiteLLM's tiers for", number, len(LITELLM_CLASSIFIERS))
        return Judged(answers, flips, tiers)


def _versions(model: TaskModel) -> dict[str, str | None]:
    return {
        "waypost": __version__,
        "task_model": model.version,
        "litellm": _installed("litellm"),
        "python": platform.python_version(),
    }


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
