"""Decisions, attempts, outcomes, corrections and ratings, kept: one protocol, and the places that can hold them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from waypost.decide.correction import Correction
from waypost.ledger.filter import ANY, Filter
from waypost.ledger.location import default_ledger_path
from waypost.ledger.memory import MemoryLedger
from waypost.ledger.rating import Rating
from waypost.ledger.record import Outcome
from waypost.ledger.sqlite import SqliteLedger

__all__ = [
    "CorrectionStore",
    "Filter",
    "Ledger",
    "LedgerSettings",
    "MemoryLedger",
    "Outcome",
    "Rating",
    "RatingStore",
    "SqliteLedger",
    "default_ledger_path",
    "open_ledger",
]


class LedgerSettings(Protocol):
    """What the config says about the ledger."""

    @property
    def enabled(self) -> bool:
        """Keep a file."""
        ...

    @property
    def path(self) -> str | None:
        """Which file; ``None`` is the default one."""
        ...

    @property
    def queue_size(self) -> int:
        """How many outcomes may wait to be stored."""
        ...


class CorrectionStore(Protocol):
    """Where users' corrections are kept.

    Unlike outcomes they are stored before the call returns: every call may wait for a disk, and raises ``LedgerError`` if that
    fails.
    """

    def corrections(self) -> tuple[Correction, ...]:
        """All of them, the oldest first."""
        ...

    def add_corrections(self, given: Iterable[Correction]) -> None:
        """Keeps all of ``given`` or, on an error, none; one with the id of another takes its place."""
        ...

    def forget_corrections(self, ids: Iterable[str]) -> int:
        """Removes those with these ids for good; how many there were."""
        ...


class RatingStore(Protocol):
    """Where ratings of answers are kept, in the way of corrections."""

    def ratings(self) -> tuple[Rating, ...]:
        """All of them, the oldest first."""
        ...

    def add_rating(self, rating: Rating, *, per_caller: int, most: int) -> None:
        """Keeps ``rating`` in place of the one that the same caller gave the same decision from the same source.

        Of each caller the newest ``per_caller`` stay, and ``most`` in all.
        """
        ...

    def forget_ratings(self, ids: Iterable[str]) -> int:
        """Removes those with these ids for good; how many there were."""
        ...


class Ledger(CorrectionStore, RatingStore, Protocol):
    """Where outcomes are written and read, corrections and ratings.

    Writing never blocks and never fails a request. What cannot be kept is counted in ``dropped``. Entries are dicts with the
    keys of ``docs/ledger.md``, the same from every ledger. ``get`` and ``tail`` may wait for a disk: a server calls them in a
    thread.
    """

    @property
    def salt(self) -> bytes:
        """The salt of this ledger's prompt hashes; known after ``start``."""
        ...

    @property
    def queued(self) -> int:
        """Outcomes accepted and not yet stored."""
        ...

    @property
    def dropped(self) -> int:
        """Outcomes lost since ``start``, for whatever reason."""
        ...

    def start(self) -> None:
        """Makes the ledger ready. Raises ``LedgerError`` if it cannot be opened, or is newer than this Waypost."""
        ...

    def write(self, outcome: Outcome) -> bool:
        """Accepts an outcome at once. False, and a count in ``dropped``, if there is no room; never an exception."""
        ...

    async def close(self) -> None:
        """Stores what is queued, within a bounded time; what is left is counted in ``dropped``."""
        ...

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """The whole entry of a decision, queued ones included; ``None`` if there is none."""
        ...

    def tail(self, limit: int, where: Filter = ANY, *, before: str | None = None) -> list[dict[str, Any]]:
        """The latest stored entries without card, attempts and ratings, newest first; ``before`` is the id to go on from."""
        ...


def open_ledger(settings: LedgerSettings, env: Mapping[str, str] = os.environ) -> Ledger:
    """The ledger that the settings ask for, not started. Without a file, recent outcomes and corrections are kept in memory."""
    if not settings.enabled:
        return MemoryLedger()
    path = default_ledger_path(env) if settings.path is None else Path(settings.path).expanduser()
    return SqliteLedger(path, queue_size=settings.queue_size)
