"""What rates the models for a prompt: the baselines of every evaluation, and adapters for routers of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, SupportsFloat, runtime_checkable

import numpy as np

from waypost.decide.labels import DEFAULT_TASK
from waypost.decide.quality import QualityEstimate, QualityEstimator, WinRates
from waypost.decide.task import TaskModel
from waypost.errors import ArtefactError
from waypost.fleet.view import Deployment
from waypost.learn.baselines import LITELLM_CLASSIFIERS, TIERS, litellm_tiers, note_rules
from waypost.learn.datasets import Row
from waypost.learn.outcomes import Floats, Outcomes, Prompt
from waypost.learn.quality_neighbours import NEIGHBOURS, Neighbours, Vectors

PRIOR_ANSWERS = 10
"""A label's mean counts as if so many more of its prompts had been answered as well as the model's prompts are on the whole."""


class Policy(Protocol):
    """Rates every model for every prompt; the highest one is chosen. ``expects`` says whether ratings are expected scores.

    Only expected scores can be weighed against costs, and be judged by how well they are calibrated.
    """

    @property
    def expects(self) -> bool:
        """Whether the ratings are expected scores."""
        ...

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """A row for each prompt, a column for each model of the training outcomes."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A policy that also says between which bounds the expected scores lie in 9 of 10 cases."""

    def bounds(self, prompts: Sequence[Prompt]) -> tuple[Floats, Floats]:
        """The lower and the upper ones, each as `rate` gives the ratings."""
        ...


Maker = Callable[[Outcomes], Policy]
"""Learns a policy from training outcomes."""


def ratings_of(policy: Policy, prompts: Sequence[Prompt], train: Outcomes) -> Floats:
    """What ``policy``, learned from ``train``, rates. Raises ArtefactError where a prompt and model has no number."""
    found, wanted = policy.rate(prompts), (len(prompts), len(train.models))
    if np.shape(found) != wanted:
        raise ArtefactError(f"ratings of the shape {np.shape(found)} are not for {wanted[0]} prompts and {wanted[1]} models")
    unknown = np.flatnonzero(np.isnan(found).any(axis=1))
    if unknown.size:
        raise ArtefactError(f"a policy gave a rating that is no number ({prompts[unknown[0]].where})")
    return found


@dataclass(frozen=True, slots=True)
class Constant:
    """Rates the models alike for every prompt."""

    ratings: Floats
    expects: bool

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """The same row for each prompt."""
        return np.tile(self.ratings, (len(prompts), 1))


@dataclass(frozen=True, slots=True)
class Table:
    """Rates the models by how well they did on training prompts with the same label."""

    labels_of: Callable[[Sequence[Prompt]], Sequence[str]]
    means: Mapping[str, Floats]
    otherwise: Floats
    expects: bool = True

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """The label's means; a label that training did not have gets the means of all."""
        return np.array([self.means.get(label, self.otherwise) for label in self.labels_of(prompts)])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Gives each tier, from the least demanding on, the model at that rank. ``ranks`` are from 0 to 1."""

    tiers_of: Callable[[Sequence[str]], Sequence[str]]
    ranks: Floats
    expects: bool = False

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """Higher, the nearer the rank of a model is to that of the tier."""
        tiers = [TIERS.index(tier) / (len(TIERS) - 1) for tier in self.tiers_of([prompt.text for prompt in prompts])]
        ratings: Floats = -np.abs(np.array(tiers)[:, None] - self.ranks)
        return ratings


@dataclass(frozen=True, slots=True)
class Estimated:
    """Rates models as a quality estimator does, by the means of its estimates."""

    estimator: QualityEstimator
    models: Sequence[str]
    task_model: TaskModel
    expects: bool = True

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """The means. Raises ArtefactError where there is none for a model."""
        return np.array([[one.mean for one in self._estimates(prompt)] for prompt in prompts])

    def bounds(self, prompts: Sequence[Prompt]) -> tuple[Floats, Floats]:
        """Those of the estimates."""
        found = np.array([[(one.lower, one.upper) for one in self._estimates(prompt)] for prompt in prompts])
        return found[:, :, 0], found[:, :, 1]

    def _estimates(self, prompt: Prompt) -> list[QualityEstimate]:
        deployments = [deployment_of(model) for model in self.models]
        found = self.estimator.estimate(prompt.turn, deployments, self.task_model.predict(prompt.turn))
        if len(found) != len(deployments):
            raise ArtefactError(f"{self.estimator.version} gives {len(found)} estimates for {len(deployments)} models")
        for model, one in zip(self.models, found, strict=True):
            if one is None:
                raise ArtefactError(
                    f"{self.estimator.version} gives no estimate for the model {model} ({prompt.where}): "
                    "name the models that it knows with --only"
                )
        return [one for one in found if one is not None]


def deployment_of(model: str) -> Deployment:
    """A deployment that is known by the name of its model only."""
    return Deployment(model, model, "openai", model, "litellm", local=False)


@dataclass(frozen=True, slots=True)
class StrongOrWeak:
    """Rates two models as a router of RouteLLM does. ``strong`` is the column of the strong model."""

    router: WinRates
    strong: int
    expects: bool = False

    def rate(self, prompts: Sequence[Prompt]) -> Floats:
        """The win rate of each of the two. Raises ArtefactError where one is not from 0 to 1."""
        strong = np.array([self._win_rate(prompt) for prompt in prompts])
        columns = (1 - strong, strong) if self.strong else (strong, 1 - strong)
        return np.stack(columns, axis=1)

    def _win_rate(self, prompt: Prompt) -> float:
        given: object = self.router.calculate_strong_win_rate(prompt.text)
        if isinstance(given, SupportsFloat) and 0 <= float(given) <= 1:
            return float(given)
        raise ArtefactError(f"a router gave the win rate {given!r:.40}, which is not from 0 to 1 ({prompt.where})")


def baselines(task_model: TaskModel) -> dict[str, Maker]:
    """What every router is compared with, by name; the oracle is not among them, it learns nothing."""
    tasks: dict[str, str] = {}

    def task_of(prompt: Prompt) -> str:
        if prompt.text not in tasks:
            tasks[prompt.text] = task_model.predict(prompt.turn).task or DEFAULT_TASK
        return tasks[prompt.text]

    vectors = Vectors()
    return {
        "random": lambda train: Constant(np.zeros(len(train.models)), expects=False),
        "cheapest": lambda train: Constant(-train.mean_costs, expects=False),
        "best_single": lambda train: Constant(_means(train), expects=True),
        "best_per_category": lambda train: _table(train, lambda prompts: [prompt.category for prompt in prompts]),
        "best_per_task": lambda train: _table(train, lambda prompts: [task_of(prompt) for prompt in prompts]),
        "keyword_rules": lambda train: _table(train, _note_tasks),
        "knn": lambda train: Neighbours.of(train, _means(train), vectors, NEIGHBOURS),
    }


def litellm_baselines() -> dict[str, Maker]:
    """LiteLLM's classifiers, by name; none where no LiteLLM is installed."""
    found = {f"litellm_{classifier}": litellm_tiers(classifier) for classifier in LITELLM_CLASSIFIERS}
    return {name: _ranking(tiers_of) for name, tiers_of in found.items() if tiers_of is not None}


def _ranking(tiers_of: Callable[[Sequence[str]], Sequence[str]]) -> Maker:
    """Ranks the models by their mean cost, or where costs are unknown by their mean score."""

    def make(train: Outcomes) -> Policy:
        order = np.argsort(train.mean_costs if train.priced.all() else _means(train), kind="stable")
        return Ranked(tiers_of, np.argsort(order) / (len(order) - 1))

    return make


def _note_tasks(prompts: Sequence[Prompt]) -> list[str]:
    return [note_rules(Row(prompt.text, "chat", ("chat",))) for prompt in prompts]


def _means(train: Outcomes) -> Floats:
    """The mean score of each model; of one that training does not speak of, the mean of the others."""
    means = train.mean_scores
    filled: Floats = np.where(np.isnan(means), np.nanmean(means), means)
    return filled


def _table(train: Outcomes, labels_of: Callable[[Sequence[Prompt]], Sequence[str]]) -> Table:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels_of(train.prompts)):
        rows[label].append(row)
    overall = _means(train)
    means = {}
    for label, found in rows.items():
        scores, answered = np.nan_to_num(train.scores[found]), train.answered[found]
        means[label] = (scores.sum(axis=0) + PRIOR_ANSWERS * overall) / (answered.sum(axis=0) + PRIOR_ANSWERS)
    return Table(labels_of, means, overall)
