"""Ratings in every ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.outcomes import outcome
from waypost.errors import LedgerError
from waypost.ledger import Ledger, MemoryLedger, SqliteLedger
from waypost.ledger.database import open_for_writing
from waypost.ledger.migrations import MIGRATIONS
from waypost.ledger.rating import Rating
from waypost.ledger.reader import SqliteReader

Add = Callable[..., None]


def rating(name: str, at: int = 0, decision: str = "wp_1", caller: str | None = None, **fields: Any) -> Rating:
    return Rating(**{
        "id": name, "decision": decision, "score": 0.5, "source": "user", "caller": caller,
        "created_at": f"2026-01-{at + 1:02}T00:00:00.000000Z", **fields,
    })  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    made: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "state" / "ledger.db")
    made.start()
    return made


@pytest.fixture
def add(ledger: Ledger) -> Add:
    def all_of(*given: Rating, per_caller: int = 100, most: int = 100) -> None:
        for one in given:
            ledger.add_rating(one, per_caller=per_caller, most=most)

    return all_of


def test_ratings_come_back_as_they_were_the_oldest_first(ledger: Ledger, add: Add) -> None:
    given = [rating("b", 0), rating("a", 1, caller="zoë\n"), rating("c", 2, source="judge", score=1.0)]
    add(*given)
    assert ledger.ratings() == tuple(given)


def test_a_second_word_of_the_same_caller_from_the_same_source_takes_the_place_of_the_first(ledger: Ledger, add: Add) -> None:
    kept = [rating("b", 1, source="check"), rating("c", 2, caller="anna"), rating("d", 3, "wp_2"), rating("e", 4, score=1.0)]
    add(rating("a", 0), *kept)
    assert ledger.ratings() == tuple(kept)


def test_of_each_caller_and_of_all_only_the_newest_stay(ledger: Ledger, add: Add) -> None:
    add(*(rating(f"a{n}", n, f"wp_{n}", "anna") for n in range(3)), rating("b", 3), per_caller=2)
    assert [one.id for one in ledger.ratings()] == ["a1", "a2", "b"]
    add(rating("c", 4, "wp_9"), per_caller=2, most=2)
    assert [one.id for one in ledger.ratings()] == ["b", "c"]


def test_what_is_forgotten_is_gone_and_counted(ledger: Ledger, add: Add) -> None:
    add(*(rating(name, at, f"wp_{name}") for at, name in enumerate("abc")))
    assert ledger.forget_ratings(["a", "c", "never", "\ud800", "a"]) == 2
    assert [one.id for one in ledger.ratings()] == ["b"]
    assert ledger.forget_ratings([]) == 0


async def test_an_entry_has_its_ratings_whether_it_is_stored_or_waits(ledger: Ledger, add: Add) -> None:
    ledger.write(outcome("wp_1"))
    add(rating("a", 0), rating("b", 1, caller="anna"), rating("c", 2, "wp_2"))
    waiting = ledger.get("wp_1")
    await ledger.close()
    stored = ledger.get("wp_1")
    assert waiting is not None
    assert [one["id"] for one in waiting["ratings"]] == ["a", "b"]
    assert stored == waiting


async def test_whole_entries_are_read_one_after_the_other_the_oldest_first(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.start()
    for number in range(3):
        ledger.write(outcome(f"wp_{number}", text="said"))
    await ledger.close()
    ledger.add_rating(rating("a", decision="wp_1"), per_caller=9, most=9)
    assert list(SqliteReader(tmp_path / "ledger.db").whole()) == [ledger.get(f"wp_{number}") for number in range(3)]


def test_a_locked_file_keeps_all_or_nothing_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.start()
    monkeypatch.setattr("waypost.ledger.database.BUSY_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="free"):
            ledger.add_rating(rating("a"), per_caller=9, most=9)
        other.execute("ROLLBACK")
    assert ledger.ratings() == ()


def test_a_ledger_without_ratings_gets_them_and_its_rows_say_that_they_cannot_be_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    monkeypatch.setattr("waypost.ledger.migrations.MIGRATIONS", MIGRATIONS[:5])
    old, _ = open_for_writing(path, salt=b"0" * 16)
    with closing(old):
        old.execute("""
            INSERT INTO decisions (id, started_at, requested, status, http_status, stream, dialect, simulated, repaired,
                prompt_hash, prompt_chars, prompt_messages, card)
            VALUES ('old', '2025-01-01T00:00:00.000Z', 'auto', 'ok', 200, 0, 'openai', 0, 0, 'h', 1, 1, '{}')
        """)
    monkeypatch.undo()
    ledger = SqliteLedger(path)
    ledger.start()
    ledger.add_rating(rating("a", decision="old"), per_caller=9, most=9)
    kept = ledger.get("old")
    assert kept is not None
    assert (kept["prompt"]["needs"], kept["prompt"]["answer_cap"], kept["prompt"]["cost_quality"]) == (None, None, None)
    assert [one["id"] for one in kept["ratings"]] == ["a"]


def test_a_waypost_that_knows_no_ratings_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.add_rating(rating("a"), per_caller=9, most=9)
    monkeypatch.setattr("waypost.ledger.migrations.MIGRATIONS", MIGRATIONS[:5])
    with pytest.raises(LedgerError, match="upgrade Waypost"):
        ledger.start()
    monkeypatch.undo()
    assert [one.id for one in ledger.ratings()] == ["a"]
