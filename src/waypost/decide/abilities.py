"""How able models are, on one scale for all: known ones by their outcomes, others by what is known of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.known_models import is_compressed, known_name, names_of, plain_name, thinking_of
from waypost.decide.labels import LABEL_NAMES, LABELS
from waypost.decide.model_kinds import KIND, kind_of
from waypost.decide.task import TaskScores
from waypost.decide.task_model import OUTLINE, TextGrounds, outline_of
from waypost.fleet.view import Deployment

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

ABILITIES = "abilities"
"""The name of this piece in the artefact."""

INPUTS = (*LABEL_NAMES, *OUTLINE)
"""By what the ease of a prompt is told."""

FIELDS = ("maths", "logic", "coding", "knowledge")
"""In what models differ beside their ability in general: each is the probability of some labels."""

_LABELS_OF = (("maths",), ("logic", "planning"), ("coding",), ("question_answering", "advice"))
IN_FIELD: Floats = np.array(
    [[label.name in own or label.task in own for own in _LABELS_OF] for label in LABELS]
    + [[False] * len(FIELDS)] * len(OUTLINE),
    np.float64,
)
"""A row for each of ``INPUTS``: the fields that it counts for."""

COMPRESSED_SD = 0.2
"""In log-odds, how far compressed weights may be from those that were judged. Assumed: no source has both at 4 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a deployment stands: its ability and its tilts to the ``FIELDS``, in log-odds, with their covariance.

    ``n`` outcomes speak for it, 0: it is a guess by its kind. ``model`` is what it is known as.
    """

    mean: Floats
    covariance: Floats
    n: int
    model: str | None = None

    def at(self, mean: float, variance: float, n: int) -> Standing:
        """The same with another ability; what is known of the tilts stays."""
        means, covariance = self.mean.copy(), self.covariance.copy()
        covariance[0, 1:] *= np.sqrt(variance / covariance[0, 0])
        covariance[1:, 0] = covariance[0, 1:]
        means[0], covariance[0, 0] = mean, variance
        return Standing(means, covariance, n, self.model)


@dataclass(frozen=True, slots=True, eq=False)
class Abilities:
    """A logistic model of models and prompts (Rasch 1960, explained on both sides as in De Boeck and Wilson 2004).

    Log-odds of a good answer = the model's ability + its tilts to the ``FIELDS`` of the prompt + the ``ease`` of its
    ``INPUTS``, which count from ``centre``, the average prompt of the sources. ``means`` (ability, then tilts) and
    ``covariances`` have a row for each of ``names``, ``outcomes`` says how many speak for it. ``kind`` weighs what `kind_of`
    tells of models without outcomes, which differ from that by ``kind_sd``, and in each field by ``tilt_sd``. From one kind of
    traffic to another the ability of a model differs by ``traffic_sd``, and the ease of prompts by ``source_sd``.
    """

    names: tuple[str, ...]
    means: Floats
    covariances: Floats
    outcomes: npt.NDArray[np.int64]
    ease: Floats
    ease_covariance: Floats
    centre: Floats
    kind: Floats
    kind_covariance: Floats
    kind_sd: float
    traffic_sd: float
    tilt_sd: float
    source_sd: float
    told: Floats = field(init=False, repr=False)
    """What all that is told of a prompt comes from, side by side: its fields, its ease, and the covariance of that."""
    _places: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {name: place for place, name in enumerate(self.names)})
        object.__setattr__(self, "told", np.column_stack((IN_FIELD, self.ease, self.ease_covariance)))

    def standing(self, deployment: Deployment) -> Standing | None:
        """Where a deployment stands: by the outcomes of the model that it is, else by its kind, else nobody knows: ``None``.

        Takes some 50 µs: ask once for each deployment.
        """
        model = known_name(deployment, self._places)
        if model is None:
            return self._by_kind(deployment)
        place = self._places[model]
        covariance = self.covariances[place]
        if is_compressed(deployment):
            covariance = covariance.copy()
            covariance[0, 0] += COMPRESSED_SD**2
        return Standing(self.means[place], covariance, int(self.outcomes[place]), model)

    def by_kind(self, kind: tuple[float, ...]) -> Standing:
        """Where a model of that `kind_of` stands, for all that is known."""
        told = np.array(kind)
        covariance = np.diag([self.kind_sd**2 + float(told @ self.kind_covariance @ told)] + [self.tilt_sd**2] * len(FIELDS))
        return Standing(np.array([float(told @ self.kind)] + [0.0] * len(FIELDS)), covariance, 0)

    def anybody(self) -> Standing:
        """Where a model stands of which nothing is known: anywhere among the others."""
        spread = [float(self.means[:, 0].var()) + self.kind_sd**2] + [self.tilt_sd**2] * len(FIELDS)
        return Standing(np.array([float(self.means[:, 0].mean())] + [0.0] * len(FIELDS)), np.diag(spread), 0)

    def _by_kind(self, deployment: Deployment) -> Standing | None:
        for name in names_of(deployment):
            kind = kind_of(plain_name(name), name, deployment.parameters_b, thinks=thinking_of(deployment))
            if kind is not None:
                return self.by_kind(kind)
        return None

    def inputs(self, task: TaskScores) -> Floats:
        """What is told of a turn, counted from the average prompt; zeros, where its text was not read."""
        found = inputs_of(task)
        return np.zeros(len(INPUTS)) if found is None else found - self.centre

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        spreads = np.array([self.kind_sd, self.traffic_sd, self.tilt_sd, self.source_sd])
        own = {name: getattr(self, name).astype(np.float32) for name in _TABLES}
        return {"names": np.array(self.names), "outcomes": self.outcomes, "spreads": spreads, **own}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Abilities:
        """From what `to_arrays` gave. Raises KeyError where something is missing, ValueError where it does not fit."""
        tables = {name: arrays[name].astype(np.float64) for name in _TABLES}
        names, size = tuple(arrays["names"].tolist()), 1 + len(FIELDS)
        kind, inputs = (len(KIND),), (len(INPUTS),)
        shapes = (len(names), size), (len(names), size, size), inputs, inputs * 2, inputs, kind, kind * 2
        if tuple(tables[name].shape for name in _TABLES) != shapes or arrays["outcomes"].shape != (len(names),):
            raise ValueError("names and abilities do not fit")
        kind_sd, traffic_sd, tilt_sd, source_sd = arrays["spreads"].tolist()
        return cls(
            names=names,
            outcomes=arrays["outcomes"],
            kind_sd=kind_sd,
            traffic_sd=traffic_sd,
            tilt_sd=tilt_sd,
            source_sd=source_sd,
            **tables,
        )


def inputs_of(task: TaskScores) -> Floats | None:
    """The ``INPUTS`` of a turn; ``None`` where its text was not read."""
    grounds = task.grounds
    if not isinstance(grounds, TextGrounds):
        return None
    # Quality and lengths are told by the same ones.
    known = grounds.seen.request.known
    before: tuple[Any, Floats] | None = known.get("inputs")
    if before is not None and before[0] is grounds.shares:
        return before[1]
    found: Floats = np.concatenate((grounds.shares, outline_of(grounds.seen)))
    known["inputs"] = grounds.shares, found
    return found


_TABLES = ("means", "covariances", "ease", "ease_covariance", "centre", "kind", "kind_covariance")
