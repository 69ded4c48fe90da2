"""Entries as rows of the SQLite ledger, and back."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

_PROMPT = ("hash", "chars", "messages", "language", "text")
_USAGE = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "usage_estimated")
_FLAGS = ("stream", "simulated", "usage_estimated", "repaired", "committed")

_DECISION = (
    *("id", "started_at", "requested", "route", "task", "deployment", "status", "error", "http_status", "stream", "dialect"),
    *("duration_s", "first_output_s"),
    *_USAGE,
    *("cost_usd", "simulated", "session", "caller", "finish_reason", "repaired"),
)
_ATTEMPT = (
    *("deployment", "started_s", "ended_s", "first_output_s", "committed", "error", "message", "upstream_status"),
    *("finish_reason", "skipped_events"),
    *_USAGE,
    "cost_usd",
)
_PROMPT_COLUMNS = tuple(f"prompt_{key}" for key in _PROMPT)


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # our own names


_INSERT_DECISION = _insert("decisions", (*_DECISION, *_PROMPT_COLUMNS, "card"))
_INSERT_ATTEMPT = _insert("attempts", ("decision", "position", *_ATTEMPT))

SUMMARY_COLUMNS = ", ".join((*_DECISION, *(column for column in _PROMPT_COLUMNS if column != "prompt_text")))


def insert(connection: sqlite3.Connection, entry: dict[str, Any]) -> None:
    """Adds an entry to the open transaction. On an error a part of it may be there: use a savepoint."""
    prompt = entry["prompt"]
    values = [entry[key] for key in _DECISION]
    values += [prompt[key] for key in _PROMPT]
    values.append(orjson.dumps(entry["card"]).decode())
    seq = connection.execute(_INSERT_DECISION, values).lastrowid
    for position, attempt in enumerate(entry["attempts"]):
        connection.execute(_INSERT_ATTEMPT, (seq, position, *(attempt[key] for key in _ATTEMPT)))


def summary(row: sqlite3.Row) -> dict[str, Any]:
    """A row of ``SUMMARY_COLUMNS`` as an entry without attempts, card and prompt text."""
    found = _values(row, _DECISION)
    repaired = found.pop("repaired")
    prompt = {key: row[f"prompt_{key}"] for key in _PROMPT if key != "text"}
    return {**found, "prompt": prompt, "repaired": repaired}


def whole(row: sqlite3.Row, attempts: list[sqlite3.Row]) -> dict[str, Any]:
    """A row of all columns, and the rows of its attempts in order, as an entry."""
    found = summary(row)
    found["prompt"]["text"] = row["prompt_text"]
    found["attempts"] = [_values(attempt, _ATTEMPT) for attempt in attempts]
    found["card"] = orjson.loads(row["card"])
    return found


def _values(row: sqlite3.Row, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: bool(row[key]) if key in _FLAGS and row[key] is not None else row[key] for key in keys}
