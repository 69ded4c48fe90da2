"""A task model that says what it is told to, by the first word of the text."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.decide.task import TASKS, TaskScores
from waypost.turn import Turn


class FixedModel:
    """``said`` maps a first word to a task and its probability; other words, and a probability under a half, abstain."""

    version = "fixed"

    def __init__(self, said: Mapping[str, tuple[str, float]]) -> None:
        self._said = said

    def predict(self, turn: Turn) -> TaskScores:
        words = turn.user_texts[-1].split()
        task, p = self._said.get(words[0] if words else "", ("chat", 0.2))
        rest = (1 - p) / (len(TASKS) - 1)
        probabilities = {**dict.fromkeys(TASKS, rest), task: p}
        return TaskScores(probabilities, task if p >= 0.5 else None)
