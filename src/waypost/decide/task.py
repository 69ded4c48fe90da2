"""What is being asked: the task of a turn, with a probability, or no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from waypost.turn import Turn

TASKS = ("tool_calling", "vision", "chat", "memory", "reasoning", "coding")


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Calibrated probabilities of the six tasks. ``task`` is ``None`` where the model abstains: then the default route answers.

    ``evidence`` says in words what spoke for the task. ``language`` is an ISO 639-1 code, ``None`` where it is not clear.
    """

    probabilities: Mapping[str, float]
    task: str | None
    evidence: tuple[str, ...] = ()
    language: str | None = None

    @property
    def confidence(self) -> float:
        """The probability of the best task, whether it was enough or not."""
        return max(self.probabilities.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {
            "task": self.task,
            "confidence": round(self.confidence, 4),
            "probabilities": {task: round(p, 4) for task, p in self.probabilities.items()},
            "evidence": list(self.evidence),
            "language": self.language,
        }


class TaskModel(Protocol):
    """The seam behind which task models live."""

    @property
    def version(self) -> str:
        """Name and hash of the weights, for the card."""
        ...

    def predict(self, turn: Turn) -> TaskScores:
        """The task of ``turn``: pure, the same in every process, never an exception, whatever the text."""
        ...
