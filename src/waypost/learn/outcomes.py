"""How well, and at what cost, models answered prompts: the table that routers are judged by."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from waypost.errors import ArtefactError
from waypost.learn.datasets import Row, turn_of
from waypost.turn import Turn

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was asked. Prompts of the same ``group`` ask the same question, in other words or in another variant.

    ``where`` is the first row that speaks of it, such as ``row 3 of outcomes.csv``. ``answer`` is what a good answer gives, and
    ``grader`` how to tell; empty where the file does not say.
    """

    id: str
    group: str
    text: str
    category: str = ""
    split: str = ""
    tools: str = ""
    flags: frozenset[str] = frozenset()
    where: str = ""
    answer: str = ""
    grader: str = ""

    @property
    def turn(self) -> Turn:
        """The request that the prompt stands for."""
        return turn_of(Row(self.text, "chat", ("chat",), has_tools=bool(self.tools)))

    @property
    def plain(self) -> str:
        """The text in small letters, without marks and spacing; as it is, where it holds no word."""
        return " ".join(_WORD.findall(self.text.casefold())) or self.text


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A row for each prompt, a column for each model, both sorted by name: the order of the file changes nothing.

    ``scores`` are from 0 to 1, NaN where the model did not answer the prompt. ``costs`` are dollars of that one answer, NaN
    where unknown. ``repeated`` counts the outcomes that were averaged because they told of the same prompt and model.
    """

    name: str
    prompts: tuple[Prompt, ...]
    models: tuple[str, ...]
    scores: Floats
    costs: Floats
    repeated: int = 0

    @property
    def answered(self) -> Bools:
        """Where there is an outcome."""
        return ~np.isnan(self.scores)

    @property
    def priced(self) -> Bools:
        """For each model, whether the cost of all its answers is known."""
        known: Bools = np.all(~self.answered | ~np.isnan(self.costs), axis=0)
        return known

    @property
    def mean_scores(self) -> Floats:
        """Of each model, over the prompts that it answered; NaN where there is none."""
        return _column_means(self.scores)

    @property
    def best_model(self) -> int:
        """The column of the highest mean score. A model that answered nothing is not it."""
        return int(np.nanargmax(self.mean_scores))

    @property
    def mean_costs(self) -> Floats:
        """Of each model in dollars, over the answers whose cost is known; NaN where there is none."""
        return _column_means(self.costs)

    def taking(self, rows: Ints | Sequence[int]) -> Outcomes:
        """Only these prompts."""
        kept = np.asarray(rows, np.int64)
        prompts = tuple(self.prompts[row] for row in kept.tolist())
        return replace(self, prompts=prompts, scores=self.scores[kept], costs=self.costs[kept])

    def without(self, flags: Collection[str]) -> Outcomes:
        """Only the prompts that have none of these flags. Raises ArtefactError where there is none."""
        kept = [row for row, prompt in enumerate(self.prompts) if not prompt.flags.intersection(flags)]
        if not kept:
            raise ArtefactError(f"every prompt of {self.name} has a flag that is to be left out: {', '.join(flags)}")
        return self.taking(kept)

    def among(self, models: Sequence[str]) -> Outcomes:
        """Only these models, and the prompts that one of them answered.

        Raises ArtefactError where there is no outcome of one of them.
        """
        for model in models:
            if model not in self.models:
                raise ArtefactError(f"no row of {self.name} is about the model {model}; it has {', '.join(self.models)}")
        columns = sorted({self.models.index(model) for model in models})
        names = tuple(self.models[column] for column in columns)
        narrowed = replace(self, models=names, scores=self.scores[:, columns], costs=self.costs[:, columns])
        return narrowed.taking(np.flatnonzero(narrowed.answered.any(axis=1)))


def _column_means(table: Floats) -> Floats:
    known = ~np.isnan(table)
    counts = known.sum(axis=0)
    sums = np.where(known, table, 0.0).sum(axis=0)
    means: Floats = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means
