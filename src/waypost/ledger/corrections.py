"""The corrections in a SQLite ledger."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from waypost.decide.correction import Correction
from waypost.ledger.database import open_for_reading, storable, writing

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
        with writing(self._path, salt=self._salt, what="corrections") as connection:
            connection.executemany(f"INSERT OR REPLACE INTO corrections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608  # see above

    def forget(self, ids: Iterable[str]) -> int:
        """Removes those with these ids; how many there were."""
        names = [(storable(name),) for name in ids]
        with writing(self._path, salt=self._salt, what="corrections") as connection:
            return sum(connection.execute("DELETE FROM corrections WHERE id = ?", name).rowcount for name in names)
