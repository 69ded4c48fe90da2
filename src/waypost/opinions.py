"""What a router is told about its decisions: what they should have been for, and how good the answers were."""

from __future__ import annotations

from collections.abc import Iterable

from waypost.decide.card import Decision
from waypost.decide.correction import Correction
from waypost.feedback import Feedback
from waypost.ledger.rating import Rating
from waypost.ratings import Ratings


class Opinions:
    """The part of a router that takes them. Every method but `remember` may wait for a disk."""

    _feedback: Feedback
    _ratings: Ratings

    def feedback(
        self, decision_id: str | None = None, *, task: str, text: str | None = None, caller: str | None = None
    ) -> Correction:
        """Says that a decision should have been for ``task``: from now on the same text is, and similar ones lean to it.

        The last 10,000 decisions of this router are known by their id; for an older one, or none, give the ``text``. Only the
        task, the caller's name, the time and a sketch of the text are stored. Raises `CallerError`, `PolicyError` where the
        config switches feedback off, and `LedgerError` if it cannot be stored.
        """
        return self._feedback.give(decision_id, task, text, caller)

    def corrections(self) -> tuple[Correction, ...]:
        """Every correction that is stored, the oldest first."""
        return self._feedback.all()

    def forget_corrections(self, ids: Iterable[str]) -> int:
        """Takes corrections back, at once and for good; how many there were."""
        return self._feedback.forget(ids)

    def renew_corrections(self) -> None:
        """Takes up corrections that others stored or forgot, and a config's new rules for them."""
        self._feedback.renew()

    def remember(self, decision: Decision) -> None:
        """Lets a decision be corrected by its id. `route` does it, and every call at its end."""
        self._feedback.remember(decision)

    def rate(self, decision_id: str, score: float, *, source: str = "user", caller: str | None = None) -> Rating:
        """Says how good the answer of a decision in the ledger was, from 0 to 1; a thumb is 0 or 1.

        ``source`` is who thinks so: ``user``, ``check`` (a program) or ``judge`` (a model). The same caller's rating of the
        same decision from the same source takes the place of an older one. Raises `CallerError`, `PolicyError` where the config
        switches feedback off, and `LedgerError` if it cannot be stored.
        """
        return self._ratings.give(decision_id, score, source, caller)

    def ratings(self) -> tuple[Rating, ...]:
        """Every rating that is stored, the oldest first."""
        return self._ratings.all()

    def forget_ratings(self, ids: Iterable[str]) -> int:
        """Takes ratings back, at once and for good; how many there were."""
        return self._ratings.forget(ids)
