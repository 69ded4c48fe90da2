"""Waypost's own routers, as policies that can be judged beside the baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from waypost.decide.labels import LABEL_NAMES
from waypost.decide.quality_features import STRUCTURE, told_of
from waypost.decide.quality_pool import Expected, Pool
from waypost.decide.quality_weights import load_pools
from waypost.decide.task import TaskModel
from waypost.errors import ArtefactError
from waypost.learn.outcomes import Floats, Outcomes, Prompt
from waypost.learn.quality_ensemble import learn_pool
from waypost.learn.quality_policies import Estimated, Maker, Policy
from waypost.learn.quality_rows import PromptReader

LEARNED, UNTRAINED, ARTEFACT = "waypost", "untrained", "artefact:"

_HARD = [
    LABEL_NAMES.index(name)
    for name in ("maths", "logic", "write_code", "fix_code", "explain_code", "document_question", "planning", "operations")
]
_OPTIONS = STRUCTURE.index("options")
_USUAL_WORDS, _USUAL_HARD = (4.07, 0.94), (0.69, 0.35)
"""The mean and the standard deviation of the logarithm of the words, and of the probability of a hard label, over 15384 prompts
of shippable sources other than RouteLLM's (docs/benchmarks.md)."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Rates the models of a pool by what they are expected to score."""

    pool: Pool
    reader: PromptReader
    expects: bool = True

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """Expected scores."""
        return np.array(self._expected(prompts).means).reshape(len(prompts), len(self.pool.models))

    def bounds(self, prompts: Sequence[Prompt]) -> tuple[Floats, Floats]:
        """Those of the estimates."""
        told = self._expected(prompts)
        means, counts = np.array(told.means).reshape(len(prompts), len(self.pool.models)), told.counts.astype(np.float64)
        far = told.far.astype(np.float64)[:, None]
        half = np.vectorize(self.pool.half_width, otypes=[np.float64])(means, counts, far, told.stray)
        return np.maximum(means - half, 0.0), np.minimum(means + half, 1.0)

    def _expected(self, prompts: Sequence[Prompt]) -> Expected:
        return self.pool.expected(self.reader.read(prompts).seen_by(self.pool.experts.topics))


@dataclass(frozen=True, slots=True)
class Untrained:
    """Rates the strong one of two models higher, the longer a prompt is and the likelier it is mathematics, logic or code.

    It was fitted to no outcome. Where options are given, only the length counts: a letter is answered without reasoning.
    """

    strong: int
    task_model: TaskModel
    expects: bool = False

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """The lead of the strong model, from 0 to 1, and what is left of 1."""
        leads = np.array([self._lead(prompt) for prompt in prompts])
        columns = (1 - leads, leads) if self.strong else (leads, 1 - leads)
        return np.stack(columns, axis=1)

    def _lead(self, prompt: Prompt) -> float:
        told = told_of(prompt.turn, self.task_model.predict(prompt.turn))
        hard = _USUAL_HARD[0] if told.form[_OPTIONS] else float(told.labels[_HARD].sum())
        length = (math.log1p(len(prompt.text.split())) - _USUAL_WORDS[0]) / _USUAL_WORDS[1]
        return 1 / (1 + math.exp(-length - (hard - _USUAL_HARD[0]) / _USUAL_HARD[1]))


def learned_policies(task_model: TaskModel, seed: int, strong: str | None) -> dict[str, Maker]:
    """What is learned from the training as by ``waypost train quality``, and what needs no training, by name."""
    reader = PromptReader(task_model)

    def untrained(train: Outcomes) -> Policy:
        if len(train.models) != 2:
            raise ArtefactError(f"{UNTRAINED} rates two models, these outcomes are of {len(train.models)}: use --only twice")
        column = train.best_model if strong is None else train.models.index(strong)
        return Untrained(column, task_model)

    return {LEARNED: lambda train: Learned(learn_pool(train, reader, seed), reader), UNTRAINED: untrained}


def of_artefact(name: str, task_model: TaskModel) -> Maker:
    """The artefact in the folder that ``name`` has behind `artefact:`, as it is. Raises what `load_pools` raises."""
    estimator = load_pools(Path(name.removeprefix(ARTEFACT)))
    return lambda train: Estimated(estimator, train.models, task_model)
