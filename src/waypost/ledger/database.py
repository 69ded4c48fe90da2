"""Opening the ledger's file, for writing and for reading."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from waypost.errors import LedgerError
from waypost.ledger.migrations import check_readable, migrate

# How long one statement waits for another process. The writer tries again after it, so this only bounds a close.
BUSY_TIMEOUT_S = 1.0

_making = threading.Lock()


def open_for_writing(path: Path, *, salt: bytes) -> tuple[sqlite3.Connection, bytes]:
    """A connection to an up-to-date ledger, and its salt; the file is made, for its owner only, if there is none.

    The connection may move to another thread. Raises ``LedgerError`` if the file cannot be a ledger.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise LedgerError(f"the ledger's file cannot be opened ({reason}): choose one that can be written") from None
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        kept = migrate(connection, salt=salt)
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL a lost process loses nothing that was committed, and a lost machine at most the last commits.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        connection.close()
        raise LedgerError(f"the ledger's file cannot be used ({error}): choose another one, or free it") from None
    except BaseException:
        connection.close()
        raise
    return connection, kept


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A short-lived connection that cannot write and that the writer never waits for. Raises ``LedgerError``."""
    if not path.is_file():
        raise LedgerError("there is no ledger yet: it is made when `waypost serve` starts (or name the file with --ledger)")
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        connection.row_factory = sqlite3.Row
        check_readable(connection)
        connection.execute("BEGIN")
        yield connection
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger cannot be read ({error})") from None
    finally:
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


@contextmanager
def writing(path: Path, *, salt: bytes, what: str) -> Iterator[sqlite3.Connection]:
    """One transaction of a connection that lives as long as it: for what is written beside the queue, few things of weight.

    ``what`` names them for the ``LedgerError`` that is raised if they cannot be written.
    """
    connection, _ = open_for_writing(path, salt=salt)
    with closing(connection):
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(f"{what} cannot be written to the ledger ({error}): try again, or free the disk") from None


def storable(value: str) -> str:
    """A lone surrogate is in no row, and SQLite's driver refuses it: it becomes something else that matches nothing."""
    return value.encode("utf-8", "replace").decode()


def _make(path: Path) -> None:
    """Makes the file for its owner only, if there is none.

    One that is there is never opened here: closing it would drop every lock that this process has on it, SQLite's too, and
    another process could then remove the log that the writer goes on writing to (sqlite.org/howtocorrupt.html, 2.2).
    """
    with _making, suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
