"""The bounded queue between requests and the writer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import islice

from waypost.ledger.entry import Row
from waypost.ledger.record import Outcome

# How many outcomes wait as they are, with what explanations are made from, some 20 KB each.
WHOLE_ROWS = 128


class Pending:
    """Outcomes that wait to be stored, oldest first.

    Bounded twice: by rows, and by the characters of prompt text they hold. An outcome stays until ``settle`` says that it is
    stored, so a failed write loses nothing. Every lost outcome is counted once in ``dropped``.
    """

    def __init__(self, *, rows: int, chars: int) -> None:
        self._rows = rows
        self._chars = chars
        self._held_chars = 0
        self._outcomes: OrderedDict[str, Outcome | Row] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._batch_rows = 1
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._outcomes)

    def offer(self, outcome: Outcome | Row) -> bool:
        """Takes the outcome if there is room and its decision is not queued already."""
        chars = len(outcome.text or "")
        with self._changed:
            fits = len(self._outcomes) < self._rows and self._held_chars + chars <= self._chars
            if self._closed or not fits or outcome.id in self._outcomes:
                self.dropped += 1
                return False
            self._outcomes[outcome.id] = outcome
            self._held_chars += chars
            # The writer is woken twice a batch, not for each row.
            if len(self._outcomes) in (1, self._batch_rows):
                self._changed.notify_all()
        return True

    def find(self, decision_id: str) -> Outcome | Row | None:
        """The outcome of a decision, if it still waits."""
        with self._changed:
            return self._outcomes.get(decision_id)

    def batch(self, rows: int, gather_s: float) -> list[Outcome | Row]:
        """Waits for the first outcome, then up to ``gather_s`` for more. Empty only when closed and empty."""
        with self._changed:
            self._batch_rows = rows
            self._changed.wait_for(lambda: self._outcomes or self._closed)
            self._changed.wait_for(lambda: len(self._outcomes) >= rows or self._closed, gather_s)
            return list(islice(self._outcomes.values(), rows))

    def settle(self, stored: int, lost: int = 0) -> None:
        """Forgets the oldest ``stored + lost`` outcomes, and counts the lost ones."""
        with self._changed:
            for _ in range(min(stored + lost, len(self._outcomes))):
                _, outcome = self._outcomes.popitem(last=False)
                self._held_chars -= len(outcome.text or "")
            self.dropped += lost

    def pause(self, seconds: float) -> None:
        """Waits, but not on after a close; when closed, waits a little, so that trying again does not spin."""
        with self._changed:
            if self._closed:
                self._changed.wait(min(seconds, 0.05))
            else:
                self._changed.wait_for(lambda: self._closed, seconds)

    def close(self) -> None:
        """Accepts nothing more; what waits may still be stored."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Gives up what still waits, and counts it."""
        with self._changed:
            self.dropped += len(self._outcomes)
            self._outcomes.clear()
            self._held_chars = 0
