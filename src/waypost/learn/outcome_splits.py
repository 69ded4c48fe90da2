"""What is learned from and what is judged: no question is ever in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from waypost.errors import ArtefactError
from waypost.learn.outcomes import Ints, Outcomes, Prompt

TRAIN = "train"
UNUSED = "extra"
"""The name of a split that official protocols leave out."""


@dataclass(frozen=True, slots=True)
class Part:
    """A router learns from ``train`` and is judged on ``judged``, rows of the table that is evaluated."""

    train: Outcomes
    judged: Ints


@dataclass(frozen=True, slots=True)
class Division:
    """Every judged prompt is in one part.

    ``leaks`` counts training prompts that were left out, because their question is judged.
    """

    parts: tuple[Part, ...]
    leaks: int = 0

    @property
    def judged(self) -> Ints:
        """All judged rows, as the parts have them."""
        return np.concatenate([part.judged for part in self.parts])


def question_of(prompts: Sequence[Prompt]) -> list[int]:
    """A number for each prompt: prompts of the same group, or with the same text after normalisation, have the same.

    So a question that two groups share by mistake is one question.
    """
    parent = list(range(len(prompts)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    seen: dict[tuple[str, str], int] = {}
    for number, prompt in enumerate(prompts):
        for key in (("group", prompt.group), ("text", prompt.plain)):
            parent[root(number)] = root(seen.setdefault(key, number))
    return [root(number) for number in range(len(prompts))]


def cross_validated(outcomes: Outcomes, folds: int, seed: int) -> Division:
    """Every prompt is judged once, by what was learned from the other folds; a question is whole in one fold.

    Raises ArtefactError where there are fewer questions than folds.
    """
    questions, numbers = np.unique(question_of(outcomes.prompts), return_inverse=True)
    if len(questions) < folds:
        raise ArtefactError(f"{outcomes.name} has {len(questions)} questions, too few for {folds} folds")
    order = np.random.default_rng(seed).permutation(len(questions))
    fold = (np.argsort(order) % folds)[numbers]
    parts = (Part(outcomes.taking(np.flatnonzero(fold != one)), np.flatnonzero(fold == one)) for one in range(folds))
    return Division(tuple(parts))


def official(outcomes: Outcomes, *, mend: bool = False) -> Division:
    """Learned from the split `train`, judged on all others but `extra`.

    Raises ArtefactError where one of the two is empty, or a group is in both; with ``mend``, its training prompts are left out.
    """
    splits = np.array([prompt.split for prompt in outcomes.prompts])
    train, judged = np.flatnonzero(splits == TRAIN), np.flatnonzero((splits != TRAIN) & (splits != UNUSED))
    if not train.size or not judged.size:
        counts = ", ".join(f"{split or 'none'} {n}" for split, n in sorted(Counter(splits.tolist()).items()))
        raise ArtefactError(
            f"{outcomes.name} has no official split: it needs rows with `split` train and others (it has {counts})"
        )
    if not mend:
        groups = {outcomes.prompts[row].group: outcomes.prompts[row] for row in train.tolist()}
        for row in judged.tolist():
            prompt = outcomes.prompts[row]
            twin = groups.get(prompt.group)
            if twin is not None:
                raise ArtefactError(
                    f"{twin.where} and {prompt.where}: the group {prompt.group} is in the split {TRAIN} and in "
                    f"{prompt.split or 'no split'}; to leave such rows out of the training, use --mend"
                )
    return _without_leaks(outcomes.taking(train), outcomes, judged)


def trained_elsewhere(outcomes: Outcomes, others: Sequence[Outcomes]) -> Division:
    """Learned from ``others``, judged on all of ``outcomes``. What asks a judged question is left out of the training.

    Raises ArtefactError where one of the others lacks a model, or nothing is left.
    """
    narrowed = [other.among(outcomes.models) for other in others]
    prompts = tuple(prompt for other in narrowed for prompt in other.prompts)
    scores, costs = (np.vstack([getattr(other, name) for other in narrowed]) for name in ("scores", "costs"))
    name = ", ".join(other.name for other in narrowed)
    return _without_leaks(Outcomes(name, prompts, outcomes.models, scores, costs), outcomes, np.arange(len(outcomes.prompts)))


def _without_leaks(train: Outcomes, outcomes: Outcomes, judged: Ints) -> Division:
    asked = [outcomes.prompts[row] for row in judged.tolist()]
    questions = question_of((*asked, *train.prompts))
    known = set(questions[: len(asked)])
    kept = list(_new(questions[len(asked) :], known))
    if not kept:
        raise ArtefactError(f"every training prompt of {train.name} asks what is judged")
    return Division((Part(train.taking(kept), judged),), leaks=len(train.prompts) - len(kept))


def _new(questions: Sequence[int], known: set[int]) -> Iterator[int]:
    return (row for row, question in enumerate(questions) if question not in known)
