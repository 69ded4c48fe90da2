"""One answer from all experts on a pool: mixed, calibrated, and careful about leaving the best single model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.quality import QualityEstimate
from waypost.decide.quality_experts import Arrays, Experts, Floats, Rows

IN_NINE_OF_TEN = 1.645
"""Standard deviations of a normal distribution between whose ends nine of ten values lie."""

_NARROWEST = 0.02
"""A share that is nearer to 0 or 1 is as uncertain as this one."""

PRIOR_OUTCOMES = 2
"""Of one good and one bad answer: Laplace's prior."""

_EQUAL = 1e-6
"""Mean scores that differ by less are the same."""

_BEHIND = 1e-4
"""So little behind the best single model is who does not lead it by enough."""


@dataclass(frozen=True, slots=True)
class Pool:
    """``weights`` mix the experts. ``calibration`` maps the mixture (first row) to what such answers scored (second row).

    ``lead`` is how much better than the best single model another one must be expected to be, to be preferred: where outcomes
    gave no evidence that leaving it pays, infinite. ``strength`` is how many outcomes the kind of a prompt is worth at most:
    prompts of one kind differ, however many of them were seen.
    """

    models: tuple[str, ...]
    experts: Experts
    weights: tuple[float, ...]
    calibration: Floats
    lead: float
    strength: float

    def expected(self, told: Rows, asked: Sequence[int] | None = None) -> tuple[list[list[float]], Floats, Floats]:
        """The expected scores of the models at the places ``asked``, and how many outcomes speak for them: a row a prompt.

        And how far each prompt is from what was learned from, as `Experts.rate` tells.
        """
        experts = [number for number, weight in enumerate(self.weights) if weight]
        rated, counts, far = self.experts.rate(told, experts)
        mixed = sum(one * np.float32(self.weights[expert]) for expert, one in zip(experts, rated, strict=True))
        means, overall = np.interp(mixed, *self.calibration), self.experts.overall
        if asked is not None:
            means, counts, overall = means.take(asked, axis=1), counts.take(asked, axis=1), overall.take(asked)
        best = np.flatnonzero(overall >= overall.max() - _EQUAL).tolist()
        return [self._careful(row, best) for row in means.tolist()], counts, far

    def _careful(self, means: list[float], best: Sequence[int]) -> list[float]:
        """Who does not lead the best single model by enough is expected to be just behind it. The order stays.

        Who counts costs too sees no difference. Of several that were best on the whole, none is expected to be better than
        another one by less than that lead: the cheapest may be taken.
        """
        level = max(means[number] for number in best)
        found = [max(0.0, level - _BEHIND / (1 + mean)) if level < mean <= level + self.lead else mean for mean in means]
        for number in best:
            if found[number] >= level - self.lead:
                found[number] = level
        return found

    def estimates(self, told: Rows, asked: Sequence[int]) -> list[QualityEstimate]:
        """Of one prompt, what each model at the places ``asked`` is expected to score."""
        means, counts, far = self.expected(told, asked)
        away = float(far[0])
        return [self._around(mean, n, away) for mean, n in zip(means[0], counts[0].tolist(), strict=True)]

    def _around(self, mean: float, n: float, far: float) -> QualityEstimate:
        half = self.half_width(mean, n, far)
        return QualityEstimate(mean, max(0.0, mean - half), min(1.0, mean + half), round(n))

    def half_width(self, mean: float, n: float, far: float) -> float:
        """Half the width of the interval around a mean: that of a Beta posterior after ``n`` outcomes, or ``strength``.

        It is ``far`` times as wide where no prompt of the training is as near as they are to each other.
        """
        share = min(max(mean, _NARROWEST), 1 - _NARROWEST)
        return far * IN_NINE_OF_TEN * math.sqrt(share * (1 - share) * (1 / (n + PRIOR_OUTCOMES) + 1 / self.strength))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        own = {"models": np.array(self.models), "weights": np.array(self.weights), "calibration": self.calibration}
        return {**self.experts.to_arrays(), **own, "lead": np.float64(self.lead), "strength": np.float64(self.strength)}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Pool:
        """From what `to_arrays` gave. Raises KeyError where something is missing, ValueError where it does not fit."""
        experts, models = Experts.of_arrays(arrays), tuple(arrays["models"].tolist())
        if len(models) != experts.overall.size:
            raise ValueError("names and experts do not fit")
        weights, lead, strength = tuple(arrays["weights"].tolist()), float(arrays["lead"]), float(arrays["strength"])
        return cls(models, experts, weights, arrays["calibration"], lead, strength)
