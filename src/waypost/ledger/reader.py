"""Reading a SQLite ledger: every question is one short-lived connection and one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waypost.ledger import rows
from waypost.ledger.database import open_for_reading, storable
from waypost.ledger.filter import ANY, Filter


class SqliteReader:
    """Answers from the file, beside whoever writes it. Every method raises ``LedgerError`` if the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """The whole entry of a decision."""
        with open_for_reading(self._path) as connection:
            row = connection.execute("SELECT * FROM decisions WHERE id = ?", (storable(decision_id),)).fetchone()
            if row is None:
                return None
            return _whole(connection, row)

    def whole(self, where: Filter = ANY) -> Iterator[dict[str, Any]]:
        """Whole entries, the oldest first, one at a time: all of them may be more than fits into memory."""
        condition, values = _condition(where)
        with open_for_reading(self._path) as connection:
            # Only names of our own become SQL; what a caller says is bound.
            for row in connection.execute(f"SELECT * FROM decisions WHERE {condition} ORDER BY seq", values):  # noqa: S608
                yield _whole(connection, row)

    def tail(self, limit: int, where: Filter = ANY, *, before: str | None = None) -> list[dict[str, Any]]:
        """The latest entries in the order in which they were stored, newest first."""
        return self._select(limit, where, "<", before, "DESC")

    def after(self, decision_id: str | None, limit: int, where: Filter = ANY) -> list[dict[str, Any]]:
        """What was stored after a decision (``None``: from the beginning), oldest first."""
        return self._select(limit, where, ">", decision_id, "ASC")

    def ids(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin with ``prefix``, in descending order."""
        query = "SELECT id FROM decisions WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
        start = storable(prefix)
        with open_for_reading(self._path) as connection:
            return [row["id"] for row in connection.execute(query, (start, f"{start}\U0010ffff", max(limit, 0)))]

    def answered_since(self, started_at: str) -> dict[str, tuple[int, str]]:
        """By deployment, how many requests it answered since that time, cached answers left out; and when the first began."""
        query = (
            "SELECT deployment, count(*) AS answers, min(started_at) AS first FROM decisions WHERE started_at >= ? "
            "AND deployment IS NOT NULL AND coalesce(cache, 'miss') = 'miss' GROUP BY deployment"
        )
        with open_for_reading(self._path) as connection:
            found = connection.execute(query, (started_at,)).fetchall()
        return {row["deployment"]: (row["answers"], row["first"]) for row in found}

    def dropped(self) -> int:
        """How many outcomes all writers of this ledger have lost, as far as they could write it down."""
        with open_for_reading(self._path) as connection:
            return int(connection.execute("SELECT value FROM meta WHERE key = 'dropped'").fetchone()[0])

    def _select(self, limit: int, where: Filter, side: str, cursor: str | None, order: str) -> list[dict[str, Any]]:
        condition, values = _condition(where)
        if cursor is not None:
            condition += f" AND seq {side} (SELECT seq FROM decisions WHERE id = ?)"  # noqa: S608  # see `whole`
            values.append(storable(cursor))
        query = f"SELECT {rows.SUMMARY_COLUMNS} FROM decisions WHERE {condition} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        with open_for_reading(self._path) as connection:
            found: list[sqlite3.Row] = connection.execute(query, (*values, max(limit, 0))).fetchall()
        return [rows.summary(row) for row in found]


def _condition(where: Filter) -> tuple[str, list[str]]:
    """The filter as SQL, with what is bound to it. A time sorts as text."""
    conditions = {f"{column} = ?": value for column, value in where.wanted().items()}
    conditions |= {f"started_at {side} ?": value for side, value in ((">=", where.since), ("<", where.until)) if value}
    return " AND ".join(["TRUE", *conditions]), [storable(value) for value in conditions.values()]


def _whole(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    attempts = connection.execute("SELECT * FROM attempts WHERE decision = ? ORDER BY position", (row["seq"],))
    ratings = connection.execute("SELECT * FROM ratings WHERE decision = ? ORDER BY created_at, id", (row["id"],))
    return rows.whole(row, attempts, ratings)
