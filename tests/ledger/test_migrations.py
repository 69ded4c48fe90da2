"""Opening files: new ones, foreign ones, newer ones."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from ledger.outcomes import outcome
from waypost.errors import LedgerError
from waypost.ledger.database import open_for_writing
from waypost.ledger.migrations import MIGRATIONS
from waypost.ledger.reader import SqliteReader
from waypost.ledger.sqlite import SqliteLedger

SALT = b"0123456789abcdef"


def make(path: Path, salt: bytes = SALT) -> bytes:
    connection, kept = open_for_writing(path, salt=salt)
    connection.close()
    return kept


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_new_ledger_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "ledger.db"
    connection, _ = open_for_writing(path, salt=SALT)
    with closing(connection):
        connection.execute("UPDATE meta SET value = 1 WHERE key = 'dropped'")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0


def test_a_file_keeps_its_first_salt(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert make(path, SALT) == SALT
    assert make(path, b"another") == SALT


def test_two_ledgers_have_different_salts(tmp_path: Path) -> None:
    ledgers = [SqliteLedger(tmp_path / name) for name in ("a.db", "b.db")]
    for ledger in ledgers:
        ledger.start()
    assert ledgers[0].salt != ledgers[1].salt


def test_the_salt_is_not_known_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="start"):
        _ = SqliteLedger(tmp_path / "ledger.db").salt


def test_a_newer_ledger_is_refused_unchanged_with_the_advice_to_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    run(path, f"UPDATE meta SET value = {len(MIGRATIONS) + 1} WHERE key = 'schema_version'")
    with pytest.raises(LedgerError, match="upgrade Waypost"):
        SqliteLedger(path).start()
    with pytest.raises(LedgerError, match="upgrade Waypost"):
        SqliteReader(path).tail(1)


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    broken = ("CREATE TABLE extra (x)", "CREATE TABLE extra (x)")
    monkeypatch.setattr("waypost.ledger.migrations.MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(LedgerError, match="extra already exists"):
        make(path)
    monkeypatch.undo()
    assert make(path) == SALT
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        run(path, "SELECT * FROM extra")


async def test_a_later_step_keeps_the_rows_and_until_then_readers_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.start()
    ledger.write(outcome())
    await ledger.close()
    monkeypatch.setattr("waypost.ledger.migrations.MIGRATIONS", (*MIGRATIONS, ("ALTER TABLE decisions ADD COLUMN extra",)))
    with pytest.raises(LedgerError, match="waypost serve"):
        SqliteReader(path).tail(1)
    make(path)
    assert SqliteReader(path).get("wp_1") == ledger.get("wp_1")


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    run(path, "CREATE TABLE theirs (x)")
    with pytest.raises(LedgerError, match="another program"):
        SqliteLedger(path).start()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 30, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="choose another"):
        SqliteLedger(path).start()
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_named_by_its_fix_and_not_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "ledger.db"):
        with pytest.raises(LedgerError, match="choose one that can be written") as caught:
            SqliteLedger(path).start()
        assert str(tmp_path) not in caught.value.message


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger yet"):
        SqliteReader(tmp_path / "ledger.db").tail(1)
    assert list(tmp_path.iterdir()) == []


def test_strange_characters_in_a_path_are_only_characters(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory#%20 ü.db"
    make(path)
    assert SqliteReader(path).tail(1) == []
