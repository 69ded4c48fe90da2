"""Rows as a sparse matrix, and how much each row counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from waypost.decide.reading import FLAGS, read_turn
from waypost.kernel.plain import distinct
from waypost.learn.datasets import Row, turn_of

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TaskMatrix:
    """n rows: the table rows that each one touches (``rows[starts[i]:starts[i + 1]]``) with their values, and its flags."""

    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    values: Floats
    flags: Floats

    def __len__(self) -> int:
        return self.starts.size - 1

    def take(self, chosen: npt.NDArray[np.int64]) -> TaskMatrix:
        """The ``chosen`` rows."""
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
        places = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], sizes)
        return TaskMatrix(starts, self.rows[places], self.values[places], self.flags[chosen])


def encode(rows: Sequence[Row], advance: Callable[[int], None] = lambda _: None) -> TaskMatrix:
    """The n-grams and flags of every row, as the serving path reads them. ``advance`` hears of each thousand rows."""
    starts = np.zeros(len(rows) + 1, np.int64)
    table_rows: list[npt.NDArray[np.int32]] = []
    values: list[Floats] = []
    flags = np.zeros((len(rows), len(FLAGS)), np.float32)
    for number, row in enumerate(rows):
        seen = read_turn(turn_of(row))
        flags[number] = seen.flags
        starts[number + 1] = starts[number]
        for part in seen.parts:
            grams, chars = distinct(part.reading.rows, part.reading.chars)
            counts = (chars, grams.size - chars)
            table_rows.append(grams.astype(np.int32))
            values.append(np.repeat([part.weight * max(count, 1) ** -0.5 for count in counts], counts).astype(np.float32))
            starts[number + 1] += grams.size
        if number % 1000 == 999:
            advance(1000)
    advance(len(rows) % 1000)
    return TaskMatrix(starts, np.concatenate(table_rows), np.concatenate(values), flags)


def balance(rows: Sequence[Row], tasks: Sequence[str]) -> Floats:
    """How much each row counts, 1 in the mean.

    A large source teaches its own wording and a large language its own words, so both are damped inside each class; the
    classes are evened half-way, because memory has a tenth of chat's rows and its mistakes are as bad.
    """
    sources = Counter((row.task, row.source) for row in rows)
    languages = Counter((row.task, row.lang) for row in rows)
    raw = np.array([sources[row.task, row.source] ** -0.5 * languages[row.task, row.lang] ** -0.3 for row in rows])
    weights = np.zeros(len(rows))
    for task in tasks:
        inside = np.array([row.task == task for row in rows])
        if inside.any():
            weights[inside] = raw[inside] / raw[inside].sum() * inside.sum() ** 0.5
    balanced: Floats = (weights / weights.mean()).astype(np.float32)
    return balanced
