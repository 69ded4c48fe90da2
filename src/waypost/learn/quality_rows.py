"""Prompts as quality estimators see them, each read once however many folds it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from waypost.decide.labels import LABELS
from waypost.decide.quality_experts import Floats, Rows, Topics
from waypost.decide.quality_features import STRUCTURE, WORD_BITS, Told, told_of
from waypost.decide.task import TaskModel
from waypost.errors import ArtefactError
from waypost.kernel.plain import Ids
from waypost.learn.outcomes import Ints, Prompt


@dataclass(frozen=True, slots=True)
class PromptRows:
    """A row for each prompt; ``words`` are its hashed words."""

    form: Floats
    labels: Floats
    words: tuple[Ids, ...]

    def taking(self, rows: Ints) -> PromptRows:
        """Only these."""
        return PromptRows(self.form[rows], self.labels[rows], tuple(self.words[row] for row in rows.tolist()))

    def seen_by(self, topics: Topics | None) -> Rows:
        """The rows as experts with these topics see them."""
        if topics is None or not self.words:
            found = np.empty((len(self.words), 0 if topics is None else topics.scale.size), np.float32)
        else:
            found = np.concatenate([topics.of(rows) for rows in self.words])
        return Rows(self.form, self.labels, found)

    def matrix(self) -> Any:
        """A sparse matrix: 1 where a prompt has a hashed word. Raises ArtefactError without scipy."""
        try:
            from scipy import sparse  # noqa: PLC0415  only training needs it, from an extra
        except ImportError as error:
            raise ArtefactError("learning from outcomes needs scipy: pip install 'waypost[train]'") from error
        ends = np.cumsum([0, *(rows.size for rows in self.words)])
        columns = np.concatenate([*self.words, np.empty(0, np.int64)])
        return sparse.csr_matrix((np.ones(columns.size, np.float32), columns, ends), shape=(len(self.words), 1 << WORD_BITS))


class PromptReader:
    """Reads prompts with the task model."""

    def __init__(self, task_model: TaskModel) -> None:
        self._task_model = task_model
        self._known: dict[tuple[str, bool], Told] = {}

    def read(self, prompts: Sequence[Prompt]) -> PromptRows:
        """What quality estimates are told of each prompt."""
        found = [self._read(prompt) for prompt in prompts]
        form = np.array([told.form for told in found], np.float32).reshape(-1, len(STRUCTURE))
        labels = np.array([told.labels for told in found], np.float32).reshape(-1, len(LABELS))
        return PromptRows(form, labels, tuple(told.words for told in found))

    def _read(self, prompt: Prompt) -> Told:
        key = prompt.text, bool(prompt.tools)
        if key not in self._known:
            self._known[key] = told_of(prompt.turn, self._task_model.predict(prompt.turn))
        return self._known[key]
