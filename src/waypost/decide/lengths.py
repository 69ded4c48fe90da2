"""How long answers will be, before they are asked for: what a cost is expected by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import INPUTS, Arrays, Floats, inputs_of
from waypost.decide.known_models import Identity, identity_of, known_name, names_of, plain_name, thinking_of
from waypost.decide.labels import LABELS
from waypost.decide.model_kinds import thinks_by_itself
from waypost.decide.recent import Recent
from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment

LENGTHS = "lengths"
"""The name of this piece in the artefact."""

_REMEMBERED = 256
_TABLES = ("habits", "weights", "centre", "spoken")


@dataclass(frozen=True, slots=True, eq=False)
class LengthForecast:
    """The logarithm of an answer's tokens is normal: ``constant``, the model's habit, and ``weights`` of the prompt's `INPUTS`.

    ``habits`` has a number for each of ``names``; other models have none. ``spread`` is the standard deviation of single
    answers. ``spoken`` are the labels that outcomes speak of, as in `TaskWeights`: of other prompts nothing is told.
    """

    names: tuple[str, ...]
    habits: Floats
    constant: float
    weights: Floats
    centre: Floats
    spread: float
    spoken: npt.NDArray[np.bool_]
    _places: Mapping[str, int] = field(init=False, repr=False)
    _known: Recent[Identity, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {name: place for place, name in enumerate(self.names)})
        object.__setattr__(self, "_known", Recent(_REMEMBERED))

    def tokens(self, task: TaskScores, deployments: Sequence[Deployment], caps: Sequence[int | None]) -> Sequence[int | None]:
        """The mean number of tokens of each deployment's answer, at least 1, where it is cut off at its cap.

        It is the mean, not the median: cost adds up, and long answers cost most. ``None`` of all where nothing is known of such
        prompts, and of models that think before they answer: nobody counted what they thought.
        """
        inputs = inputs_of(task)
        if inputs is None or not self.spoken[int(inputs[: len(LABELS)].argmax())]:
            return [None] * len(deployments)
        common = self.constant + float((inputs - self.centre) @ self.weights)
        habits = [self._habit(deployment) for deployment in deployments]
        return [
            None if math.isnan(habit) else max(1, round(cut_mean(common + habit, self.spread, cap)))
            for habit, cap in zip(habits, caps, strict=True)
        ]

    def _habit(self, deployment: Deployment) -> float:
        """How much longer its answers are, NaN of one that thinks."""
        key = identity_of(deployment)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._look_up(deployment)
        return found

    def _look_up(self, deployment: Deployment) -> float:
        thinks = thinking_of(deployment)
        if thinks or (thinks is None and any(thinks_by_itself(plain_name(name)) for name in names_of(deployment))):
            return math.nan
        model = known_name(deployment, self._places)
        return 0.0 if model is None else float(self.habits[self._places[model]])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        own = {name: getattr(self, name) for name in _TABLES}
        return {"names": np.array(self.names), "normal": np.array([self.constant, self.spread]), **own}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> LengthForecast:
        """From what `to_arrays` gave. Raises KeyError where something is missing, ValueError where it does not fit."""
        tables = {name: arrays[name] for name in _TABLES}
        names = tuple(arrays["names"].tolist())
        shapes = (len(names),), (len(INPUTS),), (len(INPUTS),), (len(LABELS),)
        if tuple(tables[name].shape for name in _TABLES) != shapes:
            raise ValueError("names and lengths do not fit")
        constant, spread = arrays["normal"].tolist()
        return cls(names=names, constant=constant, spread=spread, **tables)


def cut_mean(middle: float, spread: float, cap: int | None) -> float:
    """The mean of a log-normal number whose logarithm has that mean and standard deviation, cut off at ``cap``."""
    whole = math.exp(middle + spread**2 / 2)
    if cap is None or cap <= 0:
        return whole
    reach = (math.log(cap) - middle) / spread
    return whole * _below(reach - spread) + cap * (1 - _below(reach))


def _below(deviations: float) -> float:
    """The share of a normal distribution that is below so many standard deviations."""
    return (1 + math.erf(deviations / math.sqrt(2))) / 2
