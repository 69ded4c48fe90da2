"""Rows into the SQLite ledger, and rows as entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson

from waypost.ledger.entry import ATTEMPT, COLUMNS, DECISION, PROMPT, Row, row_of
from waypost.ledger.rating import Rating
from waypost.ledger.record import Outcome

_Stored = sqlite3.Row | Mapping[str, Any]

RATING = ("id", "decision", "score", "source", "caller", "created_at")
SUMMARY_COLUMNS = ", ".join(column for column in COLUMNS if column not in ("prompt_text", "card"))

_FLAGS = ("stream", "simulated", "usage_estimated", "repaired", "committed")

_ROWS = 32
"""Rows of one statement. Between two statements the interpreter may turn to another thread, and comes back late."""


class _Table:
    """Inserts rows, up to ``_ROWS`` with one statement."""

    def __init__(self, name: str, columns: tuple[str, ...]) -> None:
        self._into = f"INSERT INTO {name} ({', '.join(columns)}) VALUES "  # noqa: S608  # our own names
        self._row = f"({', '.join('?' * len(columns))})"

    def insert(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Adds the rows to the open transaction; the number that SQLite gave the last one."""
        last = start = 0
        while start < len(rows):
            # SQLite keeps every statement, and the values that it had last: one for each number of rows would take megabytes.
            count = min(_ROWS, 1 << (len(rows) - start).bit_length() - 1)
            some = rows[start : start + count]
            start += count
            done = connection.execute(self._into + ", ".join([self._row] * len(some)), list(chain.from_iterable(some)))
            last = done.lastrowid or 0
        return last


_DECISIONS = _Table("decisions", COLUMNS)
_ATTEMPTS = _Table("attempts", ("decision", "position", *ATTEMPT))


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Adds rows to the open transaction. On an error a part of them may be there: use a savepoint."""
    # In one transaction SQLite numbers rows one after the other.
    first = _DECISIONS.insert(connection, [row.values for row in rows]) - len(rows) + 1
    calls = [(seq, place, *call) for seq, row in enumerate(rows, first) for place, call in enumerate(row.attempts)]
    _ATTEMPTS.insert(connection, calls)


def summary(row: _Stored) -> dict[str, Any]:
    """A row of ``SUMMARY_COLUMNS`` as an entry without attempts, card and prompt text."""
    found = _values(row, DECISION)
    prompt = {key: row[f"prompt_{key}"] for key in PROMPT if key != "text"}
    needs = prompt["needs"]  # a row of an older form says nothing of it
    prompt["needs"] = None if needs is None else needs.split()
    return {**found, "prompt": prompt, "repaired": bool(row["repaired"])}


def whole(row: _Stored, attempts: Iterable[_Stored], ratings: Iterable[_Stored]) -> dict[str, Any]:
    """A row of all columns, the rows of its attempts in order, and those of its ratings, as an entry."""
    found = summary(row)
    found["prompt"]["text"] = row["prompt_text"]
    found["attempts"] = [_values(attempt, ATTEMPT) for attempt in attempts]
    found["ratings"] = [{key: rating[key] for key in RATING} for rating in ratings]
    found["card"] = orjson.loads(row["card"])
    return found


def entry_of(kept: Outcome | Row, ratings: Iterable[Rating] = ()) -> dict[str, Any]:
    """The entry of what is not in a file, with its ratings, in the values that it would have there."""
    row = kept if isinstance(kept, Row) else row_of(kept)
    values, attempts = orjson.loads(orjson.dumps([row.values, row.attempts]))
    named = [dict(zip(ATTEMPT, attempt, strict=True)) for attempt in attempts]
    return whole(dict(zip(COLUMNS, values, strict=True)), named, [rating.to_dict() for rating in ratings])


def summary_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as ``tail`` gives it: without attempts, ratings, card and prompt text."""
    short = {key: value for key, value in entry.items() if key not in ("attempts", "ratings", "card")}
    short["prompt"] = {key: value for key, value in entry["prompt"].items() if key != "text"}
    return short


def _values(row: _Stored, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: bool(row[key]) if key in _FLAGS and row[key] is not None else row[key] for key in keys}
