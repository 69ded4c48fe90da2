"""A router of the user's own, or of RouteLLM, as a policy that can be judged."""

from __future__ import annotations

import importlib
from typing import Any

from waypost.decide.task import TaskModel
from waypost.errors import ArtefactError
from waypost.learn.outcomes import Outcomes
from waypost.learn.quality_policies import Estimated, Maker, Policy, StrongOrWeak


def load_subject(name: str, strong: str | None, task_model: TaskModel) -> Maker:
    """What ``MODULE:NAME`` names: an object with `estimate` (a `QualityEstimator`) or with `calculate_strong_win_rate` (a
    router of RouteLLM), or a function that makes one of them, or a `Policy`, from the training outcomes.

    ``strong`` names the strong one of two models; else the one with the higher mean score is. Raises ArtefactError where there
    is nothing of that name, or nothing of that kind.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise ArtefactError(f"there is no policy {name}: {error}. Name a built-in one, or MODULE:NAME of your own") from error
    return maker_of(found, name, strong, task_model)


def maker_of(found: Any, name: str, strong: str | None, task_model: TaskModel) -> Maker:
    """The same for the object itself."""

    def make(train: Outcomes) -> Policy:
        policy = _adapted(found, train, strong, task_model)
        if policy is None and callable(found):
            policy = _adapted(found(train), train, strong, task_model)
        if policy is None:
            raise ArtefactError(
                f"{name} neither has nor makes something with estimate, calculate_strong_win_rate, or rate and expects"
            )
        return policy

    return make


def _adapted(found: Any, train: Outcomes, strong: str | None, task_model: TaskModel) -> Policy | None:
    if isinstance(found, type):
        return None
    if hasattr(found, "estimate"):
        return Estimated(found, train.models, task_model)
    if hasattr(found, "calculate_strong_win_rate"):
        if len(train.models) != 2:
            raise ArtefactError(
                f"a win rate is that of one of two models; these outcomes are of {len(train.models)}: name two with --only"
            )
        return StrongOrWeak(found, train.best_model if strong is None else train.models.index(strong))
    if hasattr(found, "rate") and hasattr(found, "expects"):
        policy: Policy = found
        return policy
    return None
