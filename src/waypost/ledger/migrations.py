"""The schema of the SQLite ledger, as numbered steps that are applied in order, each file once."""

from __future__ import annotations

import sqlite3

from waypost.errors import LedgerError

# "wayp": tells a ledger from the database of another program.
APPLICATION_ID = 0x77617970

_V1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta (key, value) VALUES ('schema_version', 0), ('dropped', 0)",
    # The columns are the keys of an entry; numbers are NULL where they are unknown.
    """
    CREATE TABLE decisions (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        started_at TEXT NOT NULL,
        requested TEXT NOT NULL,
        route TEXT,
        task TEXT,
        deployment TEXT,
        status TEXT NOT NULL,
        error TEXT,
        http_status INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        dialect TEXT NOT NULL,
        duration_s REAL,
        first_output_s REAL,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        cached_tokens INTEGER,
        reasoning_tokens INTEGER,
        usage_estimated INTEGER,
        cost_usd REAL,
        simulated INTEGER NOT NULL,
        session TEXT,
        caller TEXT,
        finish_reason TEXT,
        repaired INTEGER NOT NULL,
        prompt_hash TEXT NOT NULL,
        prompt_chars INTEGER NOT NULL,
        prompt_messages INTEGER NOT NULL,
        prompt_language TEXT,
        prompt_text TEXT,
        card TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE attempts (
        decision INTEGER NOT NULL REFERENCES decisions (seq) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        deployment TEXT NOT NULL,
        started_s REAL,
        ended_s REAL,
        first_output_s REAL,
        committed INTEGER NOT NULL,
        error TEXT,
        message TEXT,
        upstream_status INTEGER,
        finish_reason TEXT,
        skipped_events INTEGER NOT NULL,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        cached_tokens INTEGER,
        reasoning_tokens INTEGER,
        usage_estimated INTEGER,
        cost_usd REAL,
        PRIMARY KEY (decision, position)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX decisions_by_deployment ON decisions (deployment)",
    "CREATE INDEX decisions_by_route ON decisions (route)",
    "CREATE INDEX decisions_by_status ON decisions (status)",
)

_V2 = (
    """
    CREATE TABLE corrections (
        id TEXT PRIMARY KEY,
        task TEXT NOT NULL,
        sketch BLOB NOT NULL,
        caller TEXT,
        created_at TEXT NOT NULL,
        features TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)

_V3 = ("ALTER TABLE decisions ADD COLUMN cache TEXT",)

_V4 = ("ALTER TABLE attempts ADD COLUMN verdict TEXT",)

_V5 = ("ALTER TABLE attempts ADD COLUMN load_s REAL",)

# What it takes, with the card, to decide again; and what people and programs think of answers. A rating may come before its
# decision is stored.
_V6 = (
    "ALTER TABLE decisions ADD COLUMN prompt_needs TEXT",
    "ALTER TABLE decisions ADD COLUMN prompt_answer_cap INTEGER",
    "ALTER TABLE decisions ADD COLUMN prompt_channel TEXT",
    "ALTER TABLE decisions ADD COLUMN prompt_background TEXT",
    "ALTER TABLE decisions ADD COLUMN prompt_cost_quality REAL",
    """
    CREATE TABLE ratings (
        id TEXT PRIMARY KEY,
        decision TEXT NOT NULL,
        score REAL NOT NULL,
        source TEXT NOT NULL,
        caller TEXT,
        created_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX ratings_by_decision ON ratings (decision)",
    "CREATE INDEX ratings_by_caller ON ratings (caller, created_at)",
    "CREATE INDEX ratings_by_age ON ratings (created_at)",
)

MIGRATIONS = (_V1, _V2, _V3, _V4, _V5, _V6)


def migrate(connection: sqlite3.Connection, *, salt: bytes) -> bytes:
    """Brings the schema up to date in one transaction, and gives the ledger's salt: ``salt`` if it has none yet.

    Raises ``LedgerError``, and changes nothing, if the file is newer than this Waypost or belongs to another program.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection)
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                connection.execute(statement)
        if found < len(MIGRATIONS):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (len(MIGRATIONS),))
            connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('salt', ?)", (salt,))
        (kept,) = connection.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled back already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return bytes(kept)


def check_readable(connection: sqlite3.Connection) -> None:
    """Raises ``LedgerError`` unless the schema is the one this Waypost reads."""
    if _version(connection) < len(MIGRATIONS):
        raise LedgerError(
            "the ledger has an older form than this Waypost reads: start `waypost serve` once to bring it up to date"
        )


def _version(connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise LedgerError("this file is the database of another program: choose another file for the ledger")
    (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger has schema version {version} and this Waypost knows {len(MIGRATIONS)}: "
            "upgrade Waypost, or choose another file"
        )
    return int(version)
