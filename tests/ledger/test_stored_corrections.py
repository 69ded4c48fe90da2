"""Corrections in every ledger."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.outcomes import outcome, until_stored
from waypost.decide.correction import Correction
from waypost.errors import LedgerError
from waypost.ledger import Ledger, MemoryLedger, SqliteLedger
from waypost.ledger.database import open_for_writing
from waypost.ledger.migrations import MIGRATIONS

Make = Callable[[], Ledger]


def correction(name: str, at: int = 0, caller: str | None = None) -> Correction:
    return Correction(name, "memory", bytes(range(256)) * 2, caller, f"2026-01-0{at + 1}T00:00:00.000000Z", "2")


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    made: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "state" / "ledger.db")
    made.start()
    return made


def test_corrections_come_back_as_they_were_the_oldest_first(ledger: Ledger) -> None:
    given = [correction("c", 2), correction("a", 1, "anna"), correction("b", 0, "zoë\n")]
    ledger.add_corrections(given)
    assert ledger.corrections() == (given[2], given[1], given[0])


def test_the_same_id_again_takes_the_place_of_the_first(ledger: Ledger) -> None:
    ledger.add_corrections([correction("a", 0), correction("b", 1)])
    ledger.add_corrections([correction("a", 2)])
    assert ledger.corrections() == (correction("b", 1), correction("a", 2))


def test_what_is_forgotten_is_gone_and_counted(ledger: Ledger) -> None:
    ledger.add_corrections(correction(name) for name in "abc")
    assert ledger.forget_corrections(["a", "c", "never", "\ud800", "a"]) == 2
    assert ledger.corrections() == (correction("b"),)
    assert ledger.forget_corrections([]) == 0


async def test_corrections_are_stored_before_the_call_returns_beside_the_queue(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.start()
    ledger.write(outcome())
    ledger.add_corrections([correction("a")])
    assert SqliteLedger(tmp_path / "ledger.db").corrections() == (correction("a"),)
    await ledger.close()
    assert len(ledger.tail(9)) == 1


async def test_a_correction_leaves_the_writer_its_locks_so_that_no_other_process_removes_its_log(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    def elsewhere(query: str) -> int:
        """Another process opens the file for reading and writing, asks, and closes it."""
        said = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute(sys.argv[2]).fetchone()[0]); c.close()"
        return int(subprocess.run([sys.executable, "-c", said, path, query], check=True, capture_output=True).stdout)

    ledger = SqliteLedger(path)
    ledger.start()
    ledger.write(outcome("wp_1"))
    await until_stored(ledger)
    ledger.add_corrections([correction("a")])
    assert elsewhere("SELECT count(*) FROM corrections") == 1
    ledger.write(outcome("wp_2"))
    await until_stored(ledger)
    assert elsewhere("SELECT count(*) FROM decisions") == 2
    ledger.add_corrections([correction("b")])
    await ledger.close()
    assert elsewhere("SELECT count(*) FROM decisions") == 2


def test_a_file_that_is_made_is_for_its_owner_only_even_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "ledger.db")
    SqliteLedger(tmp_path / "link.db").add_corrections([correction("a")])
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_a_file_without_a_server_is_made_when_something_is_added_and_not_when_something_is_asked(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger yet"):
        SqliteLedger(tmp_path / "ledger.db").corrections()
    assert list(tmp_path.iterdir()) == []
    SqliteLedger(tmp_path / "ledger.db").add_corrections([correction("a")])
    assert SqliteLedger(tmp_path / "ledger.db").corrections() == (correction("a"),)


def test_a_locked_file_keeps_all_or_nothing_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.start()
    monkeypatch.setattr("waypost.ledger.database.BUSY_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="free"):
            ledger.add_corrections([correction("a")])
        other.execute("ROLLBACK")
    assert ledger.corrections() == ()


OLD_ROW = """
    INSERT INTO decisions (id, started_at, requested, status, http_status, stream, dialect, simulated, repaired,
        prompt_hash, prompt_chars, prompt_messages, card)
    VALUES ('old', '2025-01-01T00:00:00.000Z', 'auto', 'ok', 200, 0, 'openai', 0, 0, 'h', 1, 1, '{}')
"""


OLD_ATTEMPT = "INSERT INTO attempts (decision, position, deployment, committed, skipped_events) VALUES (1, 0, 'near', 1, 0)"


def test_a_ledger_of_the_first_form_gets_what_came_later_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    monkeypatch.setattr("waypost.ledger.migrations.MIGRATIONS", MIGRATIONS[:1])
    old, _ = open_for_writing(path, salt=b"0" * 16)
    with closing(old):
        old.execute(OLD_ROW)
        old.execute(OLD_ATTEMPT)
    monkeypatch.undo()
    connection, _ = open_for_writing(path, salt=b"0" * 16)
    connection.close()
    ledger = SqliteLedger(path)
    ledger.add_corrections([correction("a")])
    assert [(row["id"], row["cache"]) for row in ledger.tail(9)] == [("old", None)]
    kept = ledger.get("old")
    assert kept is not None
    assert [attempt["verdict"] for attempt in kept["attempts"]] == [None]
    assert len(ledger.corrections()) == 1
