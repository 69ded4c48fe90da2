"""The ratings in a SQLite ledger."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from waypost.ledger.database import open_for_reading, storable, writing
from waypost.ledger.rating import Rating
from waypost.ledger.rows import RATING

_COLUMNS = ", ".join(RATING)


class RatingTable:
    """Reads and writes at once, as `CorrectionTable` does, and makes the file where there is none, with ``salt``."""

    def __init__(self, path: Path, *, salt: bytes) -> None:
        self._path = path
        self._salt = salt

    def all(self) -> tuple[Rating, ...]:
        """Every rating, the oldest first."""
        with open_for_reading(self._path) as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM ratings ORDER BY created_at, id")  # noqa: S608  # our own names
            return tuple(Rating(**dict(row)) for row in rows)

    def of(self, decision_id: str) -> tuple[Rating, ...]:
        """Those of one decision, the oldest first."""
        query = f"SELECT {_COLUMNS} FROM ratings WHERE decision = ? ORDER BY created_at, id"  # noqa: S608  # our own names
        with open_for_reading(self._path) as connection:
            return tuple(Rating(**dict(row)) for row in connection.execute(query, (storable(decision_id),)))

    def add(self, rating: Rating, *, per_caller: int, most: int) -> None:
        """Stores a rating in place of the one that the same caller gave the same decision from the same source.

        Of each caller the newest ``per_caller`` stay, and ``most`` in all.
        """
        # The plus keeps SQLite from walking through all that the caller ever said.
        same = "DELETE FROM ratings WHERE decision = ? AND source = ? AND +caller IS ?"
        of_caller = "SELECT id FROM ratings WHERE caller IS ? ORDER BY created_at DESC LIMIT -1 OFFSET ?"
        of_all = "SELECT id FROM ratings ORDER BY created_at DESC LIMIT -1 OFFSET ?"
        with writing(self._path, salt=self._salt, what="ratings") as connection:
            connection.execute(same, (rating.decision, rating.source, rating.caller))
            values = tuple(getattr(rating, name) for name in RATING)
            connection.execute(f"INSERT INTO ratings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608  # see above
            connection.execute(f"DELETE FROM ratings WHERE id IN ({of_caller})", (rating.caller, per_caller))  # noqa: S608
            connection.execute(f"DELETE FROM ratings WHERE id IN ({of_all})", (most,))  # noqa: S608

    def forget(self, ids: Iterable[str]) -> int:
        """Removes those with these ids; how many there were."""
        names = [(storable(name),) for name in ids]
        with writing(self._path, salt=self._salt, what="ratings") as connection:
            return sum(connection.execute("DELETE FROM ratings WHERE id = ?", name).rowcount for name in names)
