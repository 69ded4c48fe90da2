"""What a task model answers to labelled rows, and to the same rows said in other ways."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from waypost.decide.labels import DEFAULT_TASK
from waypost.decide.task import TaskModel, TaskScores
from waypost.learn.datasets import Row, turn_of
from waypost.learn.perturbation import Perturbing

Progress = Callable[[str, int, int], None]
"""Hears of a step's name, what is done of it, and its total."""

WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one row. ``took_us`` is the time of the prediction alone."""

    row: Row
    scores: TaskScores
    took_us: float
    with_tools: str = DEFAULT_TASK
    """Where the turn would go if tools came with it, whether they do or not."""

    @property
    def task(self) -> str:
        """Where the turn goes: an abstention goes the default route."""
        return self.scores.task or DEFAULT_TASK

    @property
    def best(self) -> str:
        """The likeliest task, whether it was likely enough or not: what the confidence is about."""
        return max(self.scores.probabilities, key=self.scores.probabilities.__getitem__)

    @property
    def best_is_right(self) -> bool:
        """Whether the likeliest task is one that the row accepts."""
        return self.best in self.row.accept


@dataclass(frozen=True, slots=True)
class Flip:
    """Whether the answer changed when a row was said in another way."""

    kind: str
    way: str
    flipped: bool


def answer_rows(model: TaskModel, rows: Sequence[Row], progress: Progress) -> list[Answer]:
    """The model's answers, timed without the garbage collector's pauses, after a warm-up."""
    turns = [turn_of(row) for row in rows]
    for turn in turns[:WARM_UP]:
        model.predict(turn)
    answers = []
    gc.disable()
    try:
        for number, (row, turn) in enumerate(zip(rows, turns, strict=True), 1):
            started = time.perf_counter_ns()
            scores = model.predict(turn)
            took_us = (time.perf_counter_ns() - started) / 1000
            offered = scores if row.has_tools else model.predict(turn_of(replace(row, has_tools=True)))
            answers.append(Answer(row, scores, took_us, offered.task or DEFAULT_TASK))
            progress("predicting", number, len(rows))
    finally:
        gc.enable()
    return answers


def find_flips(model: TaskModel, answers: Sequence[Answer], most: int, seed: int, progress: Progress) -> list[Flip]:
    """The model's answers to every other way of saying at most ``most`` of the rows, which ``seed`` chooses."""
    rng = random.Random(seed)  # noqa: S311  reproducible, not secret
    picks = rng.sample(answers, min(most, len(answers)))
    perturbing = Perturbing(seed)
    flips = []
    for number, answer in enumerate(picks, 1):
        for way in perturbing.ways(answer.row.text, answer.row.lang):
            task = model.predict(turn_of(replace(answer.row, text=way.text))).task or DEFAULT_TASK
            flips.append(Flip(way.kind, way.name, task != answer.task))
        progress("perturbing", number, len(picks))
    return flips
