"""Trains the language head of the task model, on the ``lang`` column, and says how accurate it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waypost.decide.features import read
from waypost.decide.language import LanguageHead, opening_rows, script_language
from waypost.decide.reading import FLAGS
from waypost.learn.datasets import Row
from waypost.learn.linear import FitSettings, fit
from waypost.learn.task_artefact import quantise
from waypost.learn.task_matrix import Floats, TaskMatrix

LANGUAGE_BITS = 14
FEWEST_ROWS = 60
"""A language with fewer rows is not learned: its texts get another language, or none."""

MOST_ROWS = 1500
THRESHOLD = 0.7


@dataclass(frozen=True, slots=True)
class LanguageScores:
    """Of the texts of a language: how many there were, how many got an answer, how many of those answers were right."""

    rows: int
    answered: int
    right: int


def train_languages(rows: Sequence[Row], seed: int) -> LanguageHead:
    """A head for every language with enough rows that its script does not already tell."""
    taken: Counter[str] = Counter()
    used: list[Row] = []
    for row in rows:
        if row.lang and taken[row.lang] < MOST_ROWS and script_language(read(row.text)) is None:
            taken[row.lang] += 1
            used.append(row)
    languages = tuple(sorted(lang for lang, count in taken.items() if count >= FEWEST_ROWS)) or ("en",)
    used = [row for row in used if row.lang in languages]
    truth = np.array([languages.index(row.lang) for row in used], np.int64)
    weights: Floats = np.array([taken[row.lang] ** -0.5 for row in used], np.float32)
    weights /= weights.mean()
    settings = FitSettings(l2=1e-6, epochs=5, batch=512, smoothing=0.0)
    fitted = fit(
        _encode(used),
        1 << LANGUAGE_BITS,
        np.eye(len(languages), dtype=np.float32)[truth],
        weights,
        np.arange(len(used)),
        settings,
        np.random.default_rng(seed),
    )
    table, scale = quantise(fitted.table)
    return LanguageHead(languages, table.astype(np.int8), scale, fitted.bias.astype(np.float64), THRESHOLD)


def judge_languages(head: LanguageHead, rows: Sequence[Row]) -> dict[str, LanguageScores]:
    """How often ``head`` answers, and rightly, for each language of ``rows``."""
    found: dict[str, LanguageScores] = {}
    for row in rows:
        if row.lang:
            said = head.language(read(row.text))
            so_far = found.get(row.lang, LanguageScores(0, 0, 0))
            found[row.lang] = LanguageScores(
                so_far.rows + 1, so_far.answered + (said is not None), so_far.right + (said == row.lang)
            )
    return found


def _encode(rows: Sequence[Row]) -> TaskMatrix:
    found = [opening_rows(read(row.text), LANGUAGE_BITS) for row in rows]
    sizes = np.array([each.size for each in found], np.int64)
    values: Floats = np.repeat(np.maximum(sizes, 1) ** -0.5, sizes).astype(np.float32)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return TaskMatrix(starts, np.concatenate(found).astype(np.int32), values, np.zeros((len(rows), len(FLAGS)), np.float32))
