"""The corrections in a SQLite ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from waypost.decide.correction import Correction
from waypost.errors import LedgerError
from waypost.ledger.database import open_for_reading, open_for_writing

_COLUMNS = "id, task, sketch, caller, created_at, features"


class CorrectionTable:
    """Reads and writes at once, through connections that live as long as one call: corrections are few, and must not be lost.

    Writing makes the file where there is none, with ``salt``.
    """

    def __init__(self, path: Path, *, salt: bytes) -> None:
        self._path = path
        self._salt = salt

    def all(self) -> tuple[Correction, ...]:
        """Every correction, the oldest first."""
        with open_for_reading(self._path) as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM corrections ORDER BY created_at, id")  # noqa: S608  # our own names
            return tuple(Correction(**dict(row)) for row in rows)

    def add(self, given: Iterable[Correction]) -> None:
        """Stores all of ``given`` in one transaction."""
        rows = [(one.id, one.task, one.sketch, one.caller, one.created_at, one.features) for one in given]
        with self._writing() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO corrections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608  # see above

    def forget(self, ids: Iterable[str]) -> int:
        """Removes those with these ids; how many there were."""
        # SQLite's driver refuses a lone surrogate: it becomes something else that matches nothing.
        names = [(name.encode("utf-8", "replace").decode(),) for name in ids]
        with self._writing() as connection:
            return sum(connection.execute("DELETE FROM corrections WHERE id = ?", name).rowcount for name in names)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection, _ = open_for_writing(self._path, salt=self._salt)
        with closing(connection):
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise LedgerError(
                    f"corrections cannot be written to the ledger ({error}): try again, or free the disk"
                ) from None
