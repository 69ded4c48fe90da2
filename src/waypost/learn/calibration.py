"""From scores to probabilities that mean what they say, and to thresholds for staying silent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from waypost.decide.labels import ACTION, LABELS, TASKS
from waypost.learn.task_matrix import Floats

Probabilities = npt.NDArray[np.float64]

TEMPERATURES = np.geomspace(0.2, 5.0, 97)
THRESHOLDS = np.arange(0.30, 0.96, 0.01)
_TASKS_OF_LABELS = np.array([[label.task == task for task in TASKS] for label in LABELS], np.float64)


def probabilities_of(scores: Floats, temperature: float) -> Probabilities:
    """The tasks' probabilities, a row each: sums over their labels of the softmax of ``scores`` over ``temperature``."""
    cooled = scores.astype(np.float64) / temperature
    raised = np.exp(cooled - cooled.max(axis=1, keepdims=True))
    found: Probabilities = (raised / raised.sum(axis=1, keepdims=True)) @ _TASKS_OF_LABELS
    return found


def best_temperature(scores: Floats, truth: npt.NDArray[np.int64]) -> float:
    """The temperature under which the truth is likeliest (Guo et al. 2017, arXiv 1706.04599), of a fixed grid."""
    rows = np.arange(truth.size)
    losses = [-np.log(probabilities_of(scores, t)[rows, truth] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def action_threshold(probabilities: Probabilities, truth: npt.NDArray[np.int64], most_false: float, floor: float) -> float:
    """The least probability from which on at most ``most_false`` of the turns that ask for no action become one."""
    action = TASKS.index(ACTION)
    wrong = probabilities[(truth != action) & (probabilities.argmax(axis=1) == action), action]
    others = int((truth != action).sum())
    fitting: Sequence[float] = [float(t) for t in THRESHOLDS if t >= floor and (wrong >= t).sum() <= most_false * others]
    return round(fitting[0], 2) if fitting else float(THRESHOLDS[-1])
