"""The one thread that writes a SQLite ledger."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from waypost.errors import LedgerError
from waypost.ledger import rows
from waypost.ledger.database import open_for_writing
from waypost.ledger.entry import Row, row_of
from waypost.ledger.pending import Pending
from waypost.ledger.record import Outcome

BATCH_ROWS = 256
GATHER_S = 0.05
# A batch is many milliseconds of work. On one core a request would wait for all of it, or for a whole slice of the scheduler's,
# if the thread did not rest after every few rows, for as short a time as the system can.
ROWS_BETWEEN_RESTS = 8
REST_S = 1e-4
LONGEST_RETRY_S = 5.0
# What explanations may take of the time: they are slower than decisions, and requests come first. Some 70 a second all get one.
EXPLAINING_SHARE = 0.02
EXPLAINING_AHEAD_S = 0.05

_log = logging.getLogger(__name__)


class Writer(threading.Thread):
    """Stores what is pending, in batches, until it is closed and empty, or its time to close is over.

    An outcome leaves the queue after the commit that holds it. Trouble with the disk (locked, full, read-only, gone) keeps the
    batch and is tried again with growing pauses; trouble with one outcome loses that outcome, and counts it.
    """

    def __init__(self, path: Path, pending: Pending, *, salt: bytes, retry_s: float, clock: Callable[[], float]) -> None:
        super().__init__(name="waypost-ledger", daemon=True)
        self._path = path
        self._pending = pending
        self._salt = salt
        self._retry_s = retry_s
        self._clock = clock
        self._deadline: float | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._told_dropped = 0
        self._looked = clock()
        self._explaining_s = EXPLAINING_AHEAD_S

    def finish_within(self, seconds: float) -> None:
        """Accepts nothing more, and sets the time by which to give up."""
        self._deadline = self._clock() + seconds
        self._pending.close()

    def run(self) -> None:
        """Until closed."""
        failures = 0
        while batch := self._pending.batch(BATCH_ROWS, GATHER_S):
            failures = 0 if self._stored(batch, failures) else failures + 1
        with suppress(sqlite3.Error, LedgerError, OSError):
            if self._told_dropped != self._pending.dropped:
                self._store([])
        self._disconnect()

    def _stored(self, batch: list[Outcome | Row], failures: int) -> bool:
        """Stores a batch and takes it off the queue; or, the disk being in trouble, pauses, longer with each failure."""
        try:
            lost = self._store(batch)
        except (sqlite3.Error, LedgerError, OSError) as error:
            self._disconnect()
            if failures == 0:
                reason = error.strerror if isinstance(error, OSError) else error
                _log.warning(
                    "the ledger cannot be written (%s): outcomes wait in memory, and are dropped when it is full", reason
                )
            if self._deadline is not None and self._clock() >= self._deadline:
                self._pending.abandon()
            else:
                self._pending.pause(min(self._retry_s * 2 ** min(failures, 16), LONGEST_RETRY_S))
            return False
        self._pending.settle(len(batch) - lost, lost)
        return True

    def _store(self, batch: list[Outcome | Row]) -> int:
        """Commits a batch; how many of it were lost."""
        batch = self._made(batch)
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        lost = 0 if self._insert(connection, batch) else sum(not self._insert(connection, [outcome]) for outcome in batch)
        dropped = self._pending.dropped + lost
        if dropped != self._told_dropped:
            connection.execute("UPDATE meta SET value = value + ? WHERE key = 'dropped'", (dropped - self._told_dropped,))
        connection.execute("COMMIT")
        self._told_dropped = dropped
        return lost

    def _insert(self, connection: sqlite3.Connection, outcomes: list[Outcome | Row]) -> bool:
        """Inserts all or, where one of them cannot be stored, none: then the others are stored without it."""
        connection.execute("SAVEPOINT outcomes")
        try:
            rows.insert(connection, [self._row(outcome) for outcome in outcomes])
        except Exception as error:  # whatever is wrong with one outcome, the others are stored
            if _is_of_the_disk(error):
                raise
            if len(outcomes) == 1:
                _log.warning("an outcome cannot be stored and is dropped: %s", type(error).__name__)
            connection.execute("ROLLBACK TO outcomes")
            stored = False
        else:
            stored = True
        connection.execute("RELEASE outcomes")
        return stored

    def _made(self, outcomes: list[Outcome | Row]) -> list[Outcome | Row]:
        """Their rows, made while no other process has to wait for the file; what none can be made of stays as it is."""
        made: list[Outcome | Row] = []
        for place, outcome in enumerate(outcomes, 1):
            try:
                made.append(self._row(outcome))
            except Exception:  # noqa: BLE001 - `_insert` tells of it
                made.append(outcome)
            if place % ROWS_BETWEEN_RESTS == 0:
                time.sleep(REST_S)
        return made

    def _row(self, outcome: Outcome | Row) -> Row:
        """The row to store, explained while it can be and there is time for it."""
        if isinstance(outcome, Row):
            return outcome
        now = self._clock()
        self._explaining_s = min(EXPLAINING_AHEAD_S, self._explaining_s + EXPLAINING_SHARE * (now - self._looked))
        self._looked = now
        if self._explaining_s <= 0:
            return row_of(outcome, explained=False)
        begun = time.thread_time()
        row = row_of(outcome)
        self._explaining_s -= time.thread_time() - begun
        return row

    def _connected(self) -> sqlite3.Connection:
        """The open connection; a new one if the file was deleted or replaced, so that rows do not go where nobody reads."""
        if self._connection is not None:
            if _inode(self._path) == self._inode:
                return self._connection
            self._disconnect()
        self._connection, _ = open_for_writing(self._path, salt=self._salt)
        self._inode = _inode(self._path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_of_the_disk(error: Exception) -> bool:
    of_the_row = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.Error) and not isinstance(error, of_the_row)
