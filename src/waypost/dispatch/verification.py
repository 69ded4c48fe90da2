"""Tool calls that are checked before anything reaches the client, and asked for once more where they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waypost.dispatch.answer_check import CALL_FAILURES
from waypost.errors import ToolCallInvalid

if TYPE_CHECKING:
    from waypost.dispatch.answer import Answer


class Verification:
    """The answers of one request under ``verify: tools``: the first whose tool calls pass goes out.

    A second one is asked for where the first fails, and no third: that is what it may cost. If both fail, the one nearer to
    what was asked for goes out (`CALL_FAILURES`), and of two alike the first, whose deployment the decision prefers: a client
    that can mend a call gets more from it than from an error.
    """

    __slots__ = ("_rejected",)

    def __init__(self) -> None:
        self._rejected: list[Answer] = []

    def admit(self, answer: Answer) -> Answer:
        """The answer that goes out now. Raises `ToolCallInvalid` if another one is to be asked for.

        An answer that was too long to be held back whole goes out unchecked.
        """
        verdict = answer.verdict()
        if verdict not in CALL_FAILURES:
            return answer
        name = answer.deployment.id
        error = ToolCallInvalid(f"{name} gave tool calls that fail their check ({verdict})", deployment=name, retry_after_s=0.0)
        answer.reject(error)
        self._rejected.append(answer)
        if len(self._rejected) == 1:
            raise error
        return self._best()

    def settle(self) -> Answer | None:
        """The answer that goes out when nobody else can be asked; ``None`` if there is none at all."""
        return self._best() if self._rejected else None

    def _best(self) -> Answer:
        best = min(self._rejected, key=lambda answer: CALL_FAILURES.index(answer.verdict() or CALL_FAILURES[-1]))
        best.accept()
        return best
