"""What was learned of a pool of models from their outcomes: who answers prompts of which kind how well.

A pool is a set of models that answered the same prompts. Everything takes a row for each prompt; serving has one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from waypost.decide.labels import LABELS
from waypost.decide.quality_features import STRUCTURE
from waypost.kernel.plain import Ids

Floats = npt.NDArray[np.floating[Any]]
Arrays = Mapping[str, npt.NDArray[Any]]

EXPERTS = ("table", "balanced_table", "kernel", "form_kernel", "neighbours")
"""Who says how well each model would answer, each by itself.

`table`: the mean score of each model on the kind of prompt, drawn to its mean by 10 prompts. `balanced_table`: drawn by 100 to
the mean over kinds, each counting alike. `kernel`: ridge regression on the similarity to landmarks (Williams and Seeger 2000),
by words and form; `form_kernel`: by form alone. `neighbours`: the mean score of the landmarks, weighted by similarity; where
all are far, that of everybody.
"""

TABLES = (EXPERTS.index("table"), EXPERTS.index("balanced_table"))
KERNEL, NEIGHBOURS = EXPERTS.index("kernel"), EXPERTS.index("neighbours")

SHARPNESS = 10.0
"""Scores of kinds times this are the logits of their probabilities."""

_FORM_WEIGHT, _LABEL_WEIGHT, _LABEL_FLOOR, _CUT = 0.5, 0.4, 1e-4, 4.0
_NEARNESS = 2.0
"""Neighbours count by similarity to this power."""

_FARTHEST = 1e-3
"""What is less similar to everything is as far away as that."""

_PRIOR_NEIGHBOURS = 0.05
"""The mean of everybody counts like so much similarity."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Which kinds of prompts use which words: ``table`` has a row for each hashed word, and a column for each kind."""

    table: npt.NDArray[np.int8]
    scale: Floats

    def of(self, rows: Ids) -> Floats:
        """The direction of one prompt, of length 1, or 0 where no word is known: one row."""
        summed = np.add.reduce(self.table.take(rows, axis=0), axis=0, dtype=np.int32) * self.scale
        found: Floats = (summed / max(math.sqrt(float(summed @ summed)), 1e-9))[None]
        # In the precision of everything that it is multiplied with: else each of those were copied for each prompt.
        return found.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Rows:
    """Prompts, a row for each: form, probabilities of the labels, and topics."""

    form: Floats
    labels: Floats
    topics: Floats

    @property
    def plain(self) -> Floats:
        """Form, and logarithms of the labels' probabilities."""
        return np.concatenate((self.form, np.log(self.labels + _LABEL_FLOOR)), axis=1)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Prompts that others are compared with, a column for each: twice what they are, then minus their squared length.

    So one product gives a squared distance, but for the length of what is compared.
    """

    form: Floats
    topics: Floats

    @classmethod
    def of(cls, measured: Floats) -> Landmarks:
        """Of prompts as `weighted` gives them."""
        parts = (measured[:, : _FACTORS.size], measured[:, _FACTORS.size :])
        form, topics = (np.vstack((2 * part.T, -_square_lengths(part))).astype(np.float32, order="C") for part in parts)
        return cls(form, topics)

    def similar(self, measured: Floats) -> tuple[Floats, Floats]:
        """The similarity of each row to each landmark (Gaussian, width 1), by form alone, and by form and topics."""
        form, topics = measured[:, : _FACTORS.size], measured[:, _FACTORS.size :]
        near = form @ self.form[:-1] + (self.form[-1] - _square_lengths(form)[:, None])
        by_form = np.exp(np.minimum(near, 0))
        if not topics.shape[1]:
            return by_form, by_form
        near += topics @ self.topics[:-1] + (self.topics[-1] - _square_lengths(topics)[:, None])
        return by_form, np.exp(np.minimum(near, 0))


class ExpertRating(NamedTuple):
    """What experts say of prompts, a row for each: of every model from each expert, and how many outcomes speak for that.

    ``far`` is how far each prompt is from all landmarks: 1 for those that are not farther than landmarks are from each other,
    else more. ``fit`` is how well the best kind fits it: about 1 where it is typical of one.
    """

    expected: list[Floats]
    counts: Floats
    far: Floats
    fit: Floats


@dataclass(frozen=True, slots=True)
class Experts:
    """What `EXPERTS` know of a pool.

    ``centre`` and ``scale`` (0 where all are alike) standardise the form and the logarithms of the labels' probabilities.
    ``kinds`` maps those and the topics to scores of kinds; its last row is added. Without topics the labels are the kinds.
    ``tables`` holds for both tables the mean of each kind (row) and model (column), ``counts`` how many outcomes those are.
    ``landmarks`` are prompts of the training; ``heads`` weigh the similarity to each of them, the last row is added.
    ``near`` holds their scores and ``known`` whether there is one, both empty where there are too many for neighbours.
    ``usual`` is the similarity that nine of ten landmarks have to the next one.
    """

    centre: Floats
    scale: Floats
    topics: Topics | None
    kinds: Floats
    tables: Floats
    counts: Floats
    landmarks: Landmarks
    heads: Floats
    near: Floats
    known: Floats
    overall: Floats
    usual: Floats

    def view(self, told: Rows) -> Floats:
        """What similarity is measured by: form and labels, then topics."""
        standard = (told.plain - self.centre) * self.scale
        return np.concatenate((np.minimum(np.maximum(standard, -_CUT), _CUT), told.topics), axis=1)

    def kinds_of(self, view: Floats, labels: Floats) -> tuple[Floats, Floats]:
        """The probability of each kind, and how well the best kind fits, whatever the others do."""
        if self.topics is None:
            return labels, labels.max(axis=1)
        fits = view @ self.kinds[:-1] + self.kinds[-1]
        return softmax(fits * np.float32(SHARPNESS)), fits.max(axis=1)

    def rate(self, told: Rows, asked: Sequence[int] = range(len(EXPERTS))) -> ExpertRating:
        """What the experts ``asked`` expect of each prompt and model, and how well they know such prompts."""
        view = self.view(told)
        kinds, fit = self.kinds_of(view, told.labels)
        by_form, both = self.landmarks.similar(weighted(view))
        found = []
        for expert in asked:
            if expert in TABLES:
                found.append(kinds @ self.tables[expert])
            elif expert == NEIGHBOURS:
                found.append(self._near(both) if self.near.size else kinds @ self.tables[0])
            else:
                head = self.heads[expert - len(TABLES)]
                found.append((both if expert == KERNEL else by_form) @ head[:-1] + head[-1])
        far = np.maximum(1, self.usual / np.maximum(both.max(axis=1), _FARTHEST))
        return ExpertRating(found, kinds @ self.counts, far, fit)

    def _near(self, similar: Floats) -> Floats:
        close = similar**_NEARNESS
        told: Floats = close @ self.near + _PRIOR_NEIGHBOURS * self.overall
        found: Floats = told / (close @ self.known + _PRIOR_NEIGHBOURS)
        return found

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything, by name."""
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {"landmark_forms": self.landmarks.form, "landmark_topics": self.landmarks.topics}
        if self.topics is not None:
            arrays |= {"topics": self.topics.table, "topics_scale": self.topics.scale}
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Experts:
        """From what `to_arrays` gave. Raises KeyError where something is missing, and ValueError where shapes do not fit."""
        topics = Topics(arrays["topics"], arrays["topics_scale"]) if "topics" in arrays else None
        landmarks = Landmarks(arrays["landmark_forms"], arrays["landmark_topics"])
        experts = cls(topics=topics, landmarks=landmarks, **{name: arrays[name] for name in _ARRAYS})
        plain, wide = _FACTORS.size, 0 if topics is None else topics.scale.size
        kinds = len(LABELS) if topics is None else wide
        models, marks = experts.overall.size, landmarks.form.shape[1]
        shapes = (
            (experts.centre, (plain,)),
            (experts.scale, (plain,)),
            (landmarks.form, (plain + 1, marks)),
            (landmarks.topics, (wide + 1, marks)),
            (experts.tables, (len(TABLES), kinds, models)),
            (experts.counts, (kinds, models)),
            (experts.heads, (2, marks + 1, models)),
        )
        if any(array.shape != shape for array, shape in shapes):
            raise ValueError("shapes of the experts do not fit")
        return experts


_FACTORS = np.concatenate(
    [
        np.full(size, weight / math.sqrt(size), np.float32)
        for size, weight in ((len(STRUCTURE), _FORM_WEIGHT), (len(LABELS), _LABEL_WEIGHT))
    ]
)
_ARRAYS = ("centre", "scale", "kinds", "tables", "counts", "heads", "near", "known", "overall", "usual")


def weighted(view: Floats) -> Floats:
    """The view as distances measure it: form, labels and topics count about alike, however many numbers each has."""
    found: Floats = view * _factors(view.shape[1])
    return found


@functools.cache
def _factors(width: int) -> Floats:
    return np.concatenate((_FACTORS, np.ones(width - _FACTORS.size, np.float32)))


def softmax(logits: Floats) -> Floats:
    """The probabilities of each row."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found


def _square_lengths(rows: Floats) -> Floats:
    found: Floats = np.einsum("ij,ij->i", rows, rows)
    return found
