"""How hard a turn is: fitted to how often real models failed at real prompts, and judged on sources it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from waypost.decide.labels import LABELS
from waypost.decide.reading import read_turn
from waypost.decide.task_model import LinearTaskModel
from waypost.errors import ArtefactError
from waypost.learn.datasets import Row, turn_of

Floats = npt.NDArray[np.float64]

SOURCES = (
    "routellm_mmlu",
    "routellm_gsm8k",
    "llmrouter_9",
    "zeroeval_gsm",
    "zeroeval_mathl5",
    "zeroeval_crux",
    "mmlu_pro",
    "misguided_attention",
    "farel_bench",
)
"""Outcomes whose licence allows shipping what was learned from them."""

PROMPTS_EACH = 1500
LEAST_SHARE = 0.03
"""Of a label that fewer of the prompts have, the outcomes say nothing."""

RIDGE = 1.0
STEPS = 25


@dataclass(frozen=True, slots=True)
class Difficulty:
    """``weights`` over labels, structure and 1; ``labels`` are those that the outcomes speak of.

    ``spearman``: for each source, how well the order of its prompts was told by weights that were fitted to the other sources,
    as a rank correlation with the share of models that failed.
    """

    weights: Floats
    labels: npt.NDArray[np.bool_]
    spearman: dict[str, float]
    prompts: int


def train_difficulty(model: LinearTaskModel, outcomes: Path) -> Difficulty:
    """Fits the weights on ``outcomes``, a folder with a parquet file for each of ``SOURCES``, with the columns ``prompt``,
    ``model`` and ``score``. Raises ArtefactError where it holds none of them.
    """
    inputs, failed, source = [], [], []
    for number, name in enumerate(SOURCES):
        for prompt, share in _failures(outcomes / f"{name}.parquet"):
            inputs.append(model.difficulty_inputs(read_turn(turn_of(Row(prompt, "chat", ("chat",))))))
            failed.append(share)
            source.append(number)
    if not inputs:
        raise ArtefactError(f"the folder of outcomes holds none of {', '.join(SOURCES)}")
    x, y, s = np.array(inputs), np.array(failed), np.array(source)
    spearman = {}
    for number in np.unique(s).tolist():
        left = s == number
        weights = _fit(x[~left], y[~left], s[~left])
        spearman[SOURCES[number]] = round(_rank_correlation(x[left] @ weights, y[left]), 3)
    shares = np.array([x[s == number, : len(LABELS)].mean(axis=0) for number in np.unique(s)]).mean(axis=0)
    return Difficulty(_fit(x, y, s), shares >= LEAST_SHARE, spearman, len(y))


def _failures(file: Path) -> Iterator[tuple[str, float]]:
    """Up to ``PROMPTS_EACH`` prompts of a file, each with the share of models that failed."""
    if not file.is_file():
        return
    try:
        from pyarrow import parquet  # noqa: PLC0415  only training needs it, from an extra
    except ImportError as error:
        raise ArtefactError("reading parquet needs pyarrow: pip install 'waypost[train]'") from error
    table = parquet.read_table(file, columns=["prompt", "score"]).to_pydict()
    scores: dict[str, list[float]] = {}
    for prompt, score in zip(table["prompt"], table["score"], strict=True):
        if score is not None:
            scores.setdefault(prompt, []).append(score)
    step = max(1, len(scores) // PROMPTS_EACH)
    for prompt in list(scores)[::step][:PROMPTS_EACH]:
        yield prompt, 1 - sum(scores[prompt]) / len(scores[prompt])


def _fit(x: Floats, y: Floats, source: npt.NDArray[np.int64]) -> Floats:
    """Logistic regression on shares, by Newton's method; every source counts alike, and none sees its own mean.

    A source's mean tells how strong its models were, so it is a nuisance: each gets an intercept, which is thrown away.
    """
    _, own = np.unique(source, return_inverse=True)
    design = np.hstack((x, np.eye(own.max() + 1)[own]))
    balance = 1.0 / np.bincount(own)[own] * y.size / (own.max() + 1)
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        said = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (balance * (said - y)) + RIDGE * weights
        curve = (design * (balance * said * (1 - said))[:, None]).T @ design + RIDGE * np.eye(design.shape[1])
        weights -= np.linalg.solve(curve, slope)
    kept = weights[: x.shape[1]].copy()
    kept[-1] += weights[x.shape[1] :].mean()
    rounded: Floats = np.round(kept, 6)
    return rounded


def _rank_correlation(told: Floats, failed: Floats) -> float:
    """Spearman's, with ties at their mean rank."""
    return float(np.corrcoef(_ranks(told), _ranks(failed))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks
