"""Fits abilities of models, and the ease of prompts, to the outcomes of many sources at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import FIELDS, IN_FIELD, INPUTS, Abilities
from waypost.decide.model_kinds import KIND, kind_of
from waypost.errors import ArtefactError
from waypost.learn.answers import Answers

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

STEPS = 12
"""Newton's; the fit is concave, and the last ones change nothing."""


TIED = 1e4
"""The precision of the sum of the sources' ease: it is nought but for rounding."""


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations in log-odds: of models about their kind, of a model from source to source, of its tilt to a field,
    of the ease of sources, and of the weight of an input.

    The defaults ordered models of sources that were left out best, of the values tried (docs/quality.md): with wider tilts and
    weights the model learns the sources, not the models.
    """

    kind: float = 0.5
    traffic: float = 0.42
    tilt: float = 0.15
    source: float = 1.2
    ease: float = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One run of a model on one source: which parameters speak of it, and how its outcomes depend on those."""

    places: Places
    mix: Floats
    inputs: Floats
    scores: Floats


class _Layout:
    """Where each parameter stands: weights of kinds, models, models in a source, tilts, sources, weights of inputs."""

    def __init__(self, answers: Sequence[Answers]) -> None:
        self.models = tuple(sorted({model for source in answers for model in source.models}))
        self.rows = {model: row for row, model in enumerate(self.models)}
        spelled = {plain: name for source in answers for plain, name in zip(source.models, source.spelled, strict=True)}
        kinds = [kind_of(model, spelled[model]) for model in self.models]
        unknown = (1.0, *(0.0 for _ in KIND[1:]))
        self.kinds = np.array([unknown if kind is None else kind for kind in kinds])
        cells = sorted({(source.source, model) for source in answers for model in source.models})
        self.cells = {cell: place for place, cell in enumerate(cells)}
        counts = len(KIND), len(self.models), len(cells), len(self.models) * len(FIELDS), len(answers), len(INPUTS)
        ends = np.cumsum([0, *counts]).tolist()
        self.kind, self.model, self.cell, self.tilt, self.source, self.ease, self.size = ends

    def precision(self, spreads: Spreads) -> Floats:
        """Of the prior: every parameter is by itself, but that the ease of the sources is nought on the mean."""
        found = np.empty(self.size)
        found[self.kind : self.model] = 1 / 4
        ends = self.model, self.cell, self.tilt, self.source, self.ease, self.size
        sizes = spreads.kind, spreads.traffic, spreads.tilt, spreads.source, spreads.ease
        for start, end, spread in zip(ends[:-1], ends[1:], sizes, strict=True):
            found[start:end] = 1 / spread**2
        table = np.diag(found)
        table[self.source : self.ease, self.source : self.ease] += TIED
        return table

    def own(self, row: int) -> Places:
        """The parameters of a model: those of its kind, its own, and its tilts."""
        tilts = self.tilt + row * len(FIELDS) + np.arange(len(FIELDS))
        return np.concatenate((np.arange(self.kind, self.model), [self.model + row], tilts))

    def column(self, place: int, source: Answers, column: int, inputs: Floats) -> _Column:
        """One run of a model on the source at ``place``, whose ``inputs`` count from the average prompt."""
        model = source.models[column]
        row = self.rows[model]
        answered = ~np.isnan(source.scores[:, column])
        own = self.own(row)
        fields, size = len(FIELDS), len(KIND)
        beside = [self.cell + self.cells[source.source, model], self.source + place]
        places = np.concatenate((own[: size + 1], beside, own[size + 1 :], np.arange(self.ease, self.size)))
        mix = np.zeros((1 + fields + len(INPUTS), places.size))
        mix[0, : size + 3] = (*self.kinds[row], 1.0, 1.0, 1.0)
        mix[1:, size + 3 :] = np.eye(fields + len(INPUTS))
        kept = inputs[answered]
        seen = np.hstack((np.ones((len(kept), 1)), kept @ IN_FIELD, kept))
        return _Column(places, mix, seen, source.scores[answered, column])


def train_abilities(answers: Sequence[Answers], spreads: Spreads = Spreads()) -> Abilities:
    """The posterior mode and, by Laplace's approximation, its covariance. Every source counts for the average prompt alike.

    The same answers give the same abilities. Raises ArtefactError without answers.
    """
    if not answers:
        raise ArtefactError("there are no answers to learn abilities from")
    layout = _Layout(answers)
    centre = np.mean([source.inputs.mean(axis=0) for source in answers], axis=0)
    columns = [
        layout.column(place, source, column, source.inputs - centre)
        for place, source in enumerate(answers)
        for column in range(len(source.models))
    ]
    found, covariance = _posterior(columns, layout.precision(spreads))
    sums = [_of_model(layout, row) for row in range(len(layout.models))]
    places = [layout.own(row) for row in range(len(layout.models))]
    kind, ease = slice(layout.kind, layout.model), slice(layout.ease, layout.size)
    outcomes = dict.fromkeys(layout.models, 0)
    for source in answers:
        for column, model in enumerate(source.models):
            outcomes[model] += int(np.count_nonzero(~np.isnan(source.scores[:, column])))
    return Abilities(
        names=layout.models,
        means=np.array([each @ found[own] for each, own in zip(sums, places, strict=True)]),
        covariances=np.array([each @ covariance[np.ix_(own, own)] @ each.T for each, own in zip(sums, places, strict=True)]),
        outcomes=np.array(list(outcomes.values())),
        ease=found[ease],
        ease_covariance=covariance[ease, ease],
        centre=centre,
        kind=found[kind],
        kind_covariance=covariance[kind, kind],
        kind_sd=spreads.kind,
        traffic_sd=spreads.traffic,
        tilt_sd=spreads.tilt,
        source_sd=spreads.source,
    )


def _of_model(layout: _Layout, row: int) -> Floats:
    """The sums that make ability and tilts of the parameters of a model."""
    found = np.zeros((1 + len(FIELDS), len(KIND) + 1 + len(FIELDS)))
    found[0, : len(KIND) + 1] = (*layout.kinds[row], 1.0)
    found[1:, len(KIND) + 1 :] = np.eye(len(FIELDS))
    return found


def _posterior(columns: Sequence[_Column], precision: Floats) -> tuple[Floats, Floats]:
    """Penalised logistic regression on shares, by Newton's method."""
    found = np.zeros(len(precision))
    for _ in range(STEPS):
        curve, slope = precision.copy(), -precision @ found
        for one in columns:
            said = 1 / (1 + np.exp(-(one.inputs @ (one.mix @ found[one.places]))))
            slope[one.places] += one.mix.T @ (one.inputs.T @ (one.scores - said))
            bent = (one.inputs * (said * (1 - said))[:, None]).T @ one.inputs
            curve[np.ix_(one.places, one.places)] += one.mix.T @ bent @ one.mix
        found += np.linalg.solve(curve, slope)
    covariance: Floats = np.linalg.inv(curve)
    return found, covariance
