"""What is being asked: the task of a turn, with a probability, or no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol

from waypost.decide.explanation import Explanation
from waypost.decide.labels import LABEL_NAMES_OF, TASKS, Act, Need
from waypost.turn import Turn, empty
from waypost.value import value

__all__ = ["TASKS", "Grounds", "Known", "OwnMatch", "TaskModel", "TaskScores"]

SHOWN_LABEL = 0.05
"""Finer labels that are less likely are left out of the card."""


class Grounds(Protocol):
    """What only somebody who looks at the card wants to know: found when it is asked for, so that no decision waits for it."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """What spoke for the task, in words."""
        ...

    @property
    def labels(self) -> Mapping[str, float]:
        """The probabilities of the finer labels."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """What each clause of the request asks for, where it has several."""
        ...

    @property
    def language(self) -> str | None:
        """An ISO 639-1 code, ``None`` where it is not clear."""
        ...

    @property
    def sketch(self) -> bytes:
        """What corrections know the turn by; empty where the text decided nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """Grounds that are known beforehand."""

    evidence: tuple[str, ...] = ()
    language: str | None = None
    sketch: bytes = b""
    tasks: tuple[str, ...] = ()
    labels: Mapping[str, float] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class OwnMatch:
    """The turn is like the examples of this route of the user's own. ``probability`` is at least a half."""

    name: str
    probability: float


@value(frozen=True, slots=True)
class TaskScores:
    """Calibrated probabilities of the six tasks. ``task`` is ``None`` where the model abstains: then the default route answers.

    ``grounds`` gives evidence, language, the finer labels, and what else is wanted. ``act`` says whether something shall be
    done now, ``needs`` what an answer would need. ``difficulty``, from 0 to 1, orders turns by the share of models that would
    fail; ``None`` where it is not known. ``own`` is the task of the user's own that the turn is like, beside the six.
    """

    probabilities: Mapping[str, float]
    task: str | None
    grounds: Grounds = field(default=Known(), compare=False, repr=False)
    act: Act | None = None
    needs: tuple[Need, ...] = ()
    difficulty: float | None = None
    own: OwnMatch | None = None

    @property
    def confidence(self) -> float:
        """The probability of the best task, whether it was enough or not."""
        return max(self.probabilities.values(), default=0.0)

    @property
    def evidence(self) -> tuple[str, ...]:
        """What spoke for the task, in words."""
        return self.grounds.evidence

    @property
    def language(self) -> str | None:
        """The language of the turn as an ISO 639-1 code, ``None`` where it is not clear."""
        return self.grounds.language

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task, then the others of a turn that wants several things."""
        rest = (task for task in self.grounds.tasks if task != self.task)
        return (*rest,) if self.task is None else (self.task, *rest)

    @property
    def labels(self) -> Mapping[str, float]:
        """The probabilities of the finer labels."""
        return self.grounds.labels

    @property
    def label(self) -> str | None:
        """The likeliest of the task's finer labels; ``None`` where the model abstains or knows none."""
        return self._likeliest(self.labels)

    def to_dict(self, *, explained: bool = True) -> dict[str, Any]:
        """Stable keys, for JSON. Without ``explained``, what must be found first is ``None``: tasks, evidence, language."""
        labels = self.labels
        likely = sorted([item for item in labels.items() if item[1] >= SHOWN_LABEL], key=itemgetter(1), reverse=True)
        return {
            "task": self.task,
            "label": self._likeliest(labels),
            "tasks": list(self.tasks) if explained else None,
            "act": self.act,
            "needs": list(self.needs),
            "difficulty": None if self.difficulty is None else round(self.difficulty, 3),
            "confidence": round(self.confidence, 4),
            "probabilities": {task: round(p, 4) for task, p in self.probabilities.items()},
            "labels": {label: round(p, 4) for label, p in likely},
            "evidence": list(self.evidence) if explained else None,
            "language": self.language if explained else None,
            "own_task": self.own and {"name": self.own.name, "probability": round(self.own.probability, 4)},
        }

    def _likeliest(self, labels: Mapping[str, float]) -> str | None:
        """The likeliest of the task's own labels."""
        own = [label for label in LABEL_NAMES_OF.get(self.task or "", ()) if label in labels]
        return max(own, key=labels.__getitem__) if own else None


class TaskModel(Protocol):
    """The seam behind which task models live."""

    @property
    def version(self) -> str:
        """Name and hash of the weights, for the card."""
        ...

    def predict(self, turn: Turn) -> TaskScores:
        """The task of ``turn``: pure, the same in every process, never an exception, whatever the text."""
        ...

    def explain(self, turn: Turn) -> Explanation:
        """What each word and fact of ``turn`` did for its task. Takes its time: for people who ask why."""
        ...
