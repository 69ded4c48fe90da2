"""The ledger of a server that keeps no file: the latest outcomes, until the process ends."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from waypost.decide.correction import Correction
from waypost.ledger.filter import ANY, Filter
from waypost.ledger.rating import Rating
from waypost.ledger.record import Outcome
from waypost.ledger.rows import entry_of, summary_of


class MemoryLedger:
    """Keeps the last ``capacity`` outcomes, so that a recent decision can still be explained. Forgetting is not dropping."""

    def __init__(self, capacity: int = 1_000, *, new_salt: bytes | None = None) -> None:
        self._capacity = capacity
        self._salt = new_salt or secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._corrections: dict[str, Correction] = {}
        self._ratings: dict[tuple[str, str, str | None], Rating] = {}
        self._dropped = 0

    @property
    def salt(self) -> bytes:
        """The salt of this process's prompt hashes."""
        return self._salt

    @property
    def queued(self) -> int:
        """Nothing waits: an outcome is kept at once."""
        return 0

    @property
    def dropped(self) -> int:
        """Outcomes whose decision was here already."""
        return self._dropped

    def start(self) -> None:
        """Nothing to open."""

    def write(self, outcome: Outcome) -> bool:
        """Keeps an outcome, and forgets the oldest if there are too many."""
        with self._lock:
            if outcome.decision.id in self._outcomes:
                self._dropped += 1
                return False
            self._outcomes[outcome.decision.id] = outcome
            if len(self._outcomes) > self._capacity:
                self._outcomes.popitem(last=False)
        return True

    async def close(self) -> None:
        """Nothing to store."""

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """The whole entry of a decision."""
        with self._lock:
            outcome = self._outcomes.get(decision_id)
        return None if outcome is None else entry_of(outcome, self.ratings_of(decision_id))

    def tail(self, limit: int, where: Filter = ANY, *, before: str | None = None) -> list[dict[str, Any]]:
        """The latest entries, newest first."""
        with self._lock:
            kept = list(self._outcomes.values())
        if before is not None:
            ids = [outcome.decision.id for outcome in kept]
            kept = kept[: ids.index(before)] if before in ids else []
        entries = (summary_of(entry_of(outcome)) for outcome in reversed(kept))
        return list(islice(filter(where.takes, entries), max(limit, 0)))

    def corrections(self) -> tuple[Correction, ...]:
        """All corrections, the oldest first."""
        with self._lock:
            return tuple(sorted(self._corrections.values(), key=lambda correction: correction.age))

    def add_corrections(self, given: Iterable[Correction]) -> None:
        """Keeps corrections, until the process ends."""
        with self._lock:
            self._corrections.update((correction.id, correction) for correction in given)

    def forget_corrections(self, ids: Iterable[str]) -> int:
        """Removes corrections; how many there were."""
        with self._lock:
            return sum(self._corrections.pop(name, None) is not None for name in ids)

    def ratings(self) -> tuple[Rating, ...]:
        """All ratings, the oldest first."""
        with self._lock:
            return tuple(self._ratings.values())

    def ratings_of(self, decision_id: str) -> tuple[Rating, ...]:
        """Those of one decision."""
        return tuple(rating for rating in self.ratings() if rating.decision == decision_id)

    def add_rating(self, rating: Rating, *, per_caller: int, most: int) -> None:
        """Keeps a rating, until the process ends."""
        with self._lock:
            key = rating.decision, rating.source, rating.caller
            self._ratings.pop(key, None)
            self._ratings[key] = rating
            own = [known for known in self._ratings if known[2] == rating.caller]
            surplus = dict.fromkeys(
                [*own[: max(0, len(own) - per_caller)], *list(self._ratings)[: max(0, len(self._ratings) - most)]]
            )
            for known in surplus:
                del self._ratings[known]

    def forget_ratings(self, ids: Iterable[str]) -> int:
        """Removes ratings; how many there were."""
        gone = set(ids)
        with self._lock:
            before = len(self._ratings)
            self._ratings = {key: rating for key, rating in self._ratings.items() if rating.id not in gone}
            return before - len(self._ratings)
