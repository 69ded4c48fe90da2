"""One answer from all experts on a pool: mixed, calibrated, and careful about leaving the best single model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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

_NEW = ("odds", "usual", "reach")


@dataclass(frozen=True, slots=True)
class NewKinds:
    """How far off models may be on prompts of a kind that the training did not have.

    ``odds`` holds the slope and the height of the line that gives the logarithm of the odds that a prompt is of a new kind, by
    how well the best kind fits it. Where that is more probable than for half of the prompts of known kinds (``usual``), the
    mean of each model may be off by ``reach`` times as much as it is more probable.
    """

    odds: Floats
    usual: Floats
    reach: Floats

    def doubt(self, fit: Floats) -> Floats:
        """How much more probable than usual it is that each prompt is of a new kind, in a column."""
        probable = 0.5 + 0.5 * np.tanh(0.5 * (self.odds[0] * fit + self.odds[1]))
        found: Floats = np.maximum(probable - self.usual, 0.0)[:, None]
        return found


class Expected(NamedTuple):
    """What is expected of prompts, a row for each: the scores of models, and how many outcomes speak for them.

    ``far`` is how far each prompt is from what was learned from (`ExpertRating`), and ``stray`` how far the mean of each
    model may be off because the prompt may be of a new kind.
    """

    means: list[list[float]]
    counts: Floats
    far: Floats
    stray: Floats


@dataclass(frozen=True, slots=True)
class Pool:
    """``weights`` mix the experts. ``calibration`` maps the mixture (first row) to what such answers scored (second row).

    ``lead`` is how much better than the best single model another one must be expected to be, to be preferred: where outcomes
    gave no evidence that leaving it pays, infinite. ``strength`` is how many outcomes the kind of a prompt is worth at most:
    prompts of one kind differ, however many of them were seen. ``new_kinds`` is None where there were too few kinds to learn
    from what happens on new ones.
    """

    models: tuple[str, ...]
    experts: Experts
    weights: tuple[float, ...]
    calibration: Floats
    lead: float
    strength: float
    new_kinds: NewKinds | None = None

    def expected(self, told: Rows, asked: Sequence[int] | None = None) -> Expected:
        """Of the models at the places ``asked``, or of all."""
        experts = [number for number, weight in enumerate(self.weights) if weight]
        rated, counts, far, fit = self.experts.rate(told, experts)
        mixed = sum(one * np.float32(self.weights[expert]) for expert, one in zip(experts, rated, strict=True))
        means, overall = np.interp(mixed, *self.calibration), self.experts.overall
        stray = np.zeros(counts.shape) if self.new_kinds is None else self.new_kinds.doubt(fit) * self.new_kinds.reach
        if asked is not None:
            means, counts, overall = means.take(asked, axis=1), counts.take(asked, axis=1), overall.take(asked)
            stray = stray.take(asked, axis=1)
        best = np.flatnonzero(overall >= overall.max() - _EQUAL).tolist()
        return Expected([self._careful(row, best) for row in means.tolist()], counts, far, stray)

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
        means, counts, far, stray = self.expected(told, asked)
        away = float(far[0])
        of_models = zip(means[0], counts[0].tolist(), stray[0].tolist(), strict=True)
        return [self._around(mean, n, away, off) for mean, n, off in of_models]

    def _around(self, mean: float, n: float, far: float, stray: float) -> QualityEstimate:
        half = self.half_width(mean, n, far, stray)
        return QualityEstimate(mean, max(0.0, mean - half), min(1.0, mean + half), round(n))

    def half_width(self, mean: float, n: float, far: float, stray: float) -> float:
        """Half the width of the interval around a mean: that of a Beta posterior after ``n`` outcomes, or ``strength``.

        It is ``far`` times as wide where no prompt of the training is as near as they are to each other, and holds what is off
        by ``stray`` too, where the prompt may be of a new kind.
        """
        share = min(max(mean, _NARROWEST), 1 - _NARROWEST)
        known = far * IN_NINE_OF_TEN * math.sqrt(share * (1 - share) * (1 / (n + PRIOR_OUTCOMES) + 1 / self.strength))
        return math.hypot(known, stray)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        own = {"models": np.array(self.models), "weights": np.array(self.weights), "calibration": self.calibration}
        if self.new_kinds is not None:
            own |= {f"new_{name}": getattr(self.new_kinds, name) for name in _NEW}
        return {**self.experts.to_arrays(), **own, "lead": np.float64(self.lead), "strength": np.float64(self.strength)}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Pool:
        """From what `to_arrays` gave. Raises KeyError where something is missing, ValueError where it does not fit."""
        experts, models = Experts.of_arrays(arrays), tuple(arrays["models"].tolist())
        if len(models) != experts.overall.size:
            raise ValueError("names and experts do not fit")
        weights, lead, strength = tuple(arrays["weights"].tolist()), float(arrays["lead"]), float(arrays["strength"])
        new_kinds = NewKinds(*(arrays[f"new_{name}"] for name in _NEW)) if "new_odds" in arrays else None
        if new_kinds is not None and len(models) != new_kinds.reach.size:
            raise ValueError("names and what is known of new kinds do not fit")
        return cls(models, experts, weights, arrays["calibration"], lead, strength, new_kinds)
