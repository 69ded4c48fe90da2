"""The embedded ledger: one SQLite file, one writing thread, no server."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from waypost.decide.correction import Correction
from waypost.errors import LedgerError
from waypost.ledger.corrections import CorrectionTable
from waypost.ledger.database import BUSY_TIMEOUT_S, open_for_writing
from waypost.ledger.entry import Row, row_of
from waypost.ledger.filter import ANY, Filter
from waypost.ledger.pending import WHOLE_ROWS, Pending
from waypost.ledger.rating import Rating
from waypost.ledger.ratings import RatingTable
from waypost.ledger.reader import SqliteReader
from waypost.ledger.record import Outcome
from waypost.ledger.rows import entry_of
from waypost.ledger.writer import Writer


class SqliteLedger:
    """Keeps outcomes in a SQLite file (WAL) that other processes may read and write at the same time.

    ``write`` costs a few microseconds; a thread stores what is queued within about 50 ms. The queue holds at most
    ``queue_rows`` outcomes and ``queue_chars`` characters of prompt text. ``new_salt`` is the salt of a file that has none;
    ``clock`` counts seconds, for the time that a close may take.
    """

    def __init__(
        self,
        path: Path,
        *,
        queue_size: int = 10_000,
        queue_chars: int = 64_000_000,
        close_timeout_s: float = 5.0,
        retry_s: float = 0.1,
        new_salt: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._pending = Pending(rows=queue_size, chars=queue_chars)
        self._reader = SqliteReader(path)
        self._close_timeout_s = close_timeout_s
        self._retry_s = retry_s
        self._salt = new_salt or secrets.token_bytes(16)
        self._corrections = CorrectionTable(path, salt=self._salt)
        self._ratings = RatingTable(path, salt=self._salt)
        self._clock = clock
        self._writer: Writer | None = None

    @property
    def salt(self) -> bytes:
        """The file's salt. Raises ``LedgerError`` before ``start``: it is not known yet."""
        if self._writer is None:
            raise LedgerError("the ledger has not been started: call start() first")
        return self._salt

    @property
    def queued(self) -> int:
        """Outcomes accepted and not yet stored."""
        return len(self._pending)

    @property
    def dropped(self) -> int:
        """Outcomes lost since ``start``; the file holds the sum over all writers."""
        return self._pending.dropped

    def start(self) -> None:
        """Opens the file, makes or migrates it, and starts the writer. Raises ``LedgerError``."""
        connection, self._salt = open_for_writing(self._path, salt=self._salt)
        connection.close()
        self._writer = Writer(self._path, self._pending, salt=self._salt, retry_s=self._retry_s, clock=self._clock)
        self._writer.start()

    def write(self, outcome: Outcome) -> bool:
        """Queues an outcome. False, and counted, if the queue is full or closed."""
        return self._pending.offer(outcome if len(self._pending) < WHOLE_ROWS else self._small(outcome))

    async def close(self) -> None:
        """Stores what is queued; gives up and counts the rest after ``close_timeout_s``, a little later if the disk hangs."""
        if self._writer is None:
            return
        self._writer.finish_within(self._close_timeout_s)
        await asyncio.to_thread(self._writer.join, self._close_timeout_s + 2 * BUSY_TIMEOUT_S)
        self._pending.abandon()

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """The whole entry of a decision, from the queue or the file. Raises ``LedgerError`` if the file cannot be read."""
        waiting = self._pending.find(decision_id)
        return self._reader.get(decision_id) if waiting is None else entry_of(waiting, self._ratings.of(decision_id))

    def tail(self, limit: int, where: Filter = ANY, *, before: str | None = None) -> list[dict[str, Any]]:
        """The latest entries in the file, newest first. Raises ``LedgerError`` if it cannot be read."""
        return self._reader.tail(limit, where, before=before)

    def corrections(self) -> tuple[Correction, ...]:
        """All corrections in the file, the oldest first. Raises ``LedgerError`` if it cannot be read."""
        return self._corrections.all()

    def add_corrections(self, given: Iterable[Correction]) -> None:
        """Stores corrections before it returns, beside the queue. Raises ``LedgerError`` if they cannot be stored."""
        self._corrections.add(given)

    def forget_corrections(self, ids: Iterable[str]) -> int:
        """Removes corrections before it returns; how many there were. Raises ``LedgerError`` if the file cannot be written."""
        return self._corrections.forget(ids)

    def ratings(self) -> tuple[Rating, ...]:
        """All ratings in the file, the oldest first. Raises ``LedgerError`` if it cannot be read."""
        return self._ratings.all()

    def add_rating(self, rating: Rating, *, per_caller: int, most: int) -> None:
        """Stores a rating before it returns, beside the queue. Raises ``LedgerError`` if it cannot be stored."""
        self._ratings.add(rating, per_caller=per_caller, most=most)

    def forget_ratings(self, ids: Iterable[str]) -> int:
        """Removes ratings before it returns; how many there were. Raises ``LedgerError`` if the file cannot be written."""
        return self._ratings.forget(ids)

    def _small(self, outcome: Outcome) -> Outcome | Row:
        """The row of an outcome, without what explanations are made from; one that has none waits as it is."""
        try:
            return row_of(outcome, explained=False)
        except Exception:  # noqa: BLE001 - no request fails for it: the writer counts what it cannot store
            return outcome
