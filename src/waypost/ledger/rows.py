"""Entries as rows of the SQLite ledger, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson

_PROMPT = (
    *("hash", "chars", "messages", "language", "needs", "answer_cap", "channel", "background", "cost_quality"),
    "text",
)
_USAGE = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "usage_estimated")
_FLAGS = ("stream", "simulated", "usage_estimated", "repaired", "committed")

_DECISION = (
    *("id", "started_at", "requested", "route", "task", "deployment", "status", "error", "http_status", "stream", "dialect"),
    *("duration_s", "first_output_s"),
    *_USAGE,
    *("cost_usd", "simulated", "cache", "session", "caller", "finish_reason", "repaired"),
)
_ATTEMPT = (
    *("deployment", "started_s", "ended_s", "first_output_s", "committed", "error", "message", "upstream_status"),
    *("finish_reason", "skipped_events", "verdict", "load_s"),
    *_USAGE,
    "cost_usd",
)
RATING = ("id", "decision", "score", "source", "caller", "created_at")
_PROMPT_COLUMNS = tuple(f"prompt_{key}" for key in _PROMPT)


_ROWS = 32
"""Rows of one statement. Between two statements the interpreter may turn to another thread, and comes back late."""


class _Table:
    """Inserts rows, up to ``_ROWS`` with one statement."""

    def __init__(self, name: str, columns: tuple[str, ...]) -> None:
        self._into = f"INSERT INTO {name} ({', '.join(columns)}) VALUES "  # noqa: S608  # our own names
        self._row = f"({', '.join('?' * len(columns))})"

    def insert(self, connection: sqlite3.Connection, rows: list[list[Any]]) -> None:
        """Adds the rows to the open transaction, and takes them out of the list."""
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            connection.execute(self._into + ", ".join([self._row] * len(some)), [value for row in some for value in row])
        rows.clear()


_DECISIONS = _Table("decisions", ("seq", *_DECISION, *_PROMPT_COLUMNS, "card"))
_ATTEMPTS = _Table("attempts", ("decision", "position", *_ATTEMPT))

SUMMARY_COLUMNS = ", ".join((*_DECISION, *(column for column in _PROMPT_COLUMNS if column != "prompt_text")))


def insert(connection: sqlite3.Connection, entries: Iterable[dict[str, Any]]) -> None:
    """Adds entries to the open transaction, a few at a time. On an error a part of them may be there: use a savepoint."""
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
    decisions: list[list[Any]] = []
    attempts: list[list[Any]] = []
    for seq, entry in enumerate(entries, last + 1):
        prompt = entry["prompt"]
        facts = {**prompt, "needs": " ".join(prompt["needs"])}
        values = [seq, *(entry[key] for key in _DECISION), *(facts[key] for key in _PROMPT)]
        decisions.append([*values, orjson.dumps(entry["card"], default=dict).decode()])
        for position, attempt in enumerate(entry["attempts"]):
            attempts.append([seq, position, *(attempt[key] for key in _ATTEMPT)])
        if len(decisions) == _ROWS:
            _DECISIONS.insert(connection, decisions)
            _ATTEMPTS.insert(connection, attempts)
    _DECISIONS.insert(connection, decisions)
    _ATTEMPTS.insert(connection, attempts)


def summary(row: sqlite3.Row) -> dict[str, Any]:
    """A row of ``SUMMARY_COLUMNS`` as an entry without attempts, card and prompt text."""
    found = _values(row, _DECISION)
    repaired = found.pop("repaired")
    prompt = {key: row[f"prompt_{key}"] for key in _PROMPT if key != "text"}
    needs = prompt["needs"]  # a row of an older form says nothing of it
    prompt["needs"] = None if needs is None else needs.split()
    return {**found, "prompt": prompt, "repaired": repaired}


def whole(row: sqlite3.Row, attempts: Iterable[sqlite3.Row], ratings: Iterable[sqlite3.Row]) -> dict[str, Any]:
    """A row of all columns, the rows of its attempts in order, and those of its ratings, as an entry."""
    found = summary(row)
    found["prompt"]["text"] = row["prompt_text"]
    found["attempts"] = [_values(attempt, _ATTEMPT) for attempt in attempts]
    found["ratings"] = [{key: rating[key] for key in RATING} for rating in ratings]
    found["card"] = orjson.loads(row["card"])
    return found


def _values(row: sqlite3.Row, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: bool(row[key]) if key in _FLAGS and row[key] is not None else row[key] for key in keys}
