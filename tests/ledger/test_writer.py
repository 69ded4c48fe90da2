"""Writing when the disk, the process or a row fails."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.outcomes import decision, outcome, program, until_stored
from waypost.decide.card import Candidate
from waypost.ledger import writer
from waypost.ledger.pending import WHOLE_ROWS
from waypost.ledger.reader import SqliteReader
from waypost.ledger.sqlite import SqliteLedger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def started(path: Path, **options: Any) -> SqliteLedger:
    ledger = SqliteLedger(path, **options)
    ledger.start()
    return ledger


def ids(path: Path) -> list[str]:
    return [entry["id"] for entry in SqliteReader(path).tail(1_000_000)][::-1]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_closing_stores_everything_that_is_queued(path: Path) -> None:
    ledger = started(path)
    assert all(ledger.write(outcome(f"wp_{n:04}")) for n in range(2_000))
    await ledger.close()
    assert ids(path) == [f"wp_{n:04}" for n in range(2_000)]
    assert (ledger.queued, ledger.dropped) == (0, 0)


async def test_explanations_are_left_out_when_there_is_no_time_for_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "EXPLAINING_AHEAD_S", 0.0)
    ledger = started(path, clock=lambda: 7.0)
    ledger.write(outcome("wp_1"))
    await ledger.close()
    entry = ledger.get("wp_1")
    assert entry is not None
    task = entry["card"]["task"]
    assert (task["tasks"], task["evidence"], task["language"], entry["prompt"]["language"]) == (None,) * 4
    assert (task["task"], task["probabilities"]) == ("coding", {"coding": 0.93, "chat": 0.07})


async def test_of_many_outcomes_that_wait_only_the_first_keep_what_explanations_are_made_from(path: Path) -> None:
    ledger = started(path)
    with locked(path):
        for n in range(WHOLE_ROWS + 2):
            ledger.write(outcome(f"wp_{n}"))
        first, last = ledger.get("wp_0"), ledger.get(f"wp_{WHOLE_ROWS + 1}")
        assert first is not None
        assert last is not None
        assert (first["card"]["task"]["evidence"], last["card"]["task"]["evidence"]) == (["a code fence"], None)
        assert last["card"]["task"]["probabilities"] == first["card"]["task"]["probabilities"]
    await until_stored(ledger)
    await ledger.close()
    assert ledger.dropped == 0


async def test_rows_arrive_while_the_ledger_is_open(path: Path) -> None:
    ledger = started(path)
    ledger.write(outcome())
    await until_stored(ledger)
    assert ids(path) == ["wp_1"]
    await ledger.close()


async def test_a_locked_ledger_holds_up_no_request_and_loses_only_what_finds_no_room(path: Path) -> None:
    ledger = started(path, queue_size=5)
    with locked(path):
        begun = time.monotonic()
        taken = [ledger.write(outcome(f"wp_{n}")) for n in range(8)]
        assert time.monotonic() - begun < 0.5
        assert taken == [True] * 5 + [False] * 3
        assert (ledger.queued, ledger.dropped) == (5, 3)
    await until_stored(ledger)
    await ledger.close()
    assert ids(path) == [f"wp_{n}" for n in range(5)]
    assert SqliteReader(path).dropped() == 3


async def test_closing_a_locked_ledger_gives_up_in_time_and_counts_what_is_lost(path: Path) -> None:
    ledger = started(path, close_timeout_s=0.1)
    with locked(path):
        for n in range(3):
            ledger.write(outcome(f"wp_{n}"))
        begun = time.monotonic()
        await ledger.close()
        assert time.monotonic() - begun < 5
    assert (ledger.queued, ledger.dropped, ids(path)) == (0, 3, [])


async def test_reads_go_on_while_the_ledger_is_locked_and_hold_up_no_write(path: Path) -> None:
    ledger = started(path)
    ledger.write(outcome("wp_1"))
    await until_stored(ledger)
    with locked(path):
        assert len(ledger.tail(9)) == 1
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM decisions").fetchone()
        ledger.write(outcome("wp_2"))
        await until_stored(ledger)
        assert len(ledger.tail(9)) == 2
    await ledger.close()


async def test_one_outcome_that_cannot_be_stored_is_counted_and_the_rest_of_its_batch_is_stored(path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"deeper": deep}
    bottomless = Candidate("far", "far", "openai", "large", "first", settings=deep)
    ledger = started(path)
    for one in ("wp_1", "wp_2", "wp_3"):
        candidates = (bottomless,) if one == "wp_2" else ()
        assert ledger.write(outcome(one, decision=decision(one, candidates=candidates)))
    await ledger.close()
    assert ids(path) == ["wp_1", "wp_3"]
    assert ledger.dropped == SqliteReader(path).dropped() == 1


async def test_an_outcome_that_cannot_be_stored_holds_up_nobody_where_many_wait_and_is_counted_too(path: Path) -> None:
    ledger = started(path)
    with locked(path):
        for n in range(WHOLE_ROWS):
            ledger.write(outcome(f"wp_{n:04}"))
        broken = outcome("wp_broken", attempts=(Candidate("not", "an", "attempt", "at", "all"),))
        assert ledger.write(broken)
        assert ledger.write(outcome("wp_last"))
    await ledger.close()
    assert ids(path) == [*(f"wp_{n:04}" for n in range(WHOLE_ROWS)), "wp_last"]
    assert ledger.dropped == 1


async def test_half_an_outcome_is_never_stored(path: Path) -> None:
    broken = outcome("wp_1", attempts=(outcome().attempts[1], Candidate("not", "an", "attempt", "at", "all")))
    ledger = started(path)
    ledger.write(broken)
    ledger.write(outcome("wp_2"))
    await ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (2,)
    assert ids(path) == ["wp_2"]


async def test_prompt_texts_that_wait_have_a_bound_of_their_own(path: Path) -> None:
    ledger = started(path, queue_chars=1_000)
    with locked(path):
        taken = [ledger.write(outcome(f"wp_{n}", text="x" * 400)) for n in range(4)]
        assert taken == [True, True, False, False]
        assert ledger.write(outcome("wp_9"))
    await ledger.close()
    assert ids(path) == ["wp_0", "wp_1", "wp_9"]


async def test_a_ledger_that_was_deleted_is_made_again_with_the_same_salt(path: Path) -> None:
    ledger = started(path)
    ledger.write(outcome("wp_1"))
    await until_stored(ledger)
    for file in path.parent.iterdir():
        file.unlink()
    ledger.write(outcome("wp_2"))
    await ledger.close()
    assert ids(path) == ["wp_2"]
    assert started(path).salt == ledger.salt


def test_a_full_disk_costs_only_what_finds_no_room_and_heals(path: Path) -> None:
    body = """
import json, logging, threading
class Told(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
        told.set()
said, told = [], threading.Event()
logging.getLogger("waypost.ledger").addHandler(Told())
ledger = SqliteLedger(path, queue_size=300)
ledger.start()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
taken = 0
while not ledger.dropped:
    taken += ledger.write(outcome(f"{prefix}{taken:05}"))
told.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
while ledger.queued:
    time.sleep(0.005)
asyncio.run(ledger.close())
print(json.dumps({"taken": taken, "dropped": ledger.dropped, "said": said}))
"""
    done = subprocess.run(program(path, "wp_", body), stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert ids(path) == [f"wp_{n:05}" for n in range(told["taken"])]
    assert told["dropped"] == SqliteReader(path).dropped() == 1
    assert ["cannot be written" in message and str(path) not in message for message in told["said"]] == [True]


def test_a_killed_process_loses_only_what_was_queued(path: Path) -> None:
    body = """
ledger = SqliteLedger(path, queue_size=1_000_000)
ledger.start()
written = 0
while True:
    for _ in range(20):
        ledger.write(outcome(f"{prefix}{written:08}"))
        written += 1
    print(written - ledger.queued, flush=True)
    time.sleep(0.002)
"""
    with subprocess.Popen(program(path, "wp_", body), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        known = next(stored for line in process.stdout if (stored := int(line)) >= 600)
        process.send_signal(signal.SIGKILL)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = ids(path)
    assert len(kept) >= known
    assert kept == [f"wp_{n:08}" for n in range(len(kept))]
    again = started(path)
    assert again.write(outcome("wp_after"))
    asyncio.run(again.close())
    assert ids(path)[-1] == "wp_after"


def test_processes_that_start_together_share_one_ledger(path: Path) -> None:
    body = """
ledger = SqliteLedger(path)
ledger.start()
for n in range(400):
    ledger.write(outcome(f"{prefix}{n:04}"))
    if n % 50 == 0:
        time.sleep(0.01)
asyncio.run(ledger.close())
print(ledger.dropped, ledger.salt.hex())
"""
    processes = [subprocess.Popen(program(path, f"wp_{who}_", body), stdout=subprocess.PIPE, text=True) for who in "ab"]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0] == said[1]
    assert said[0].startswith("0 ")
    assert sorted(ids(path)) == [f"wp_{who}_{n:04}" for who in "ab" for n in range(400)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads resident memory from /proc")
def test_an_outage_does_not_make_memory_grow(path: Path) -> None:
    body = """
import sqlite3
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
ledger = SqliteLedger(path, queue_size=500, close_timeout_s=0.1)
ledger.start()
other = sqlite3.connect(path, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
def load(count):
    for n in range(count):
        ledger.write(outcome(f"{prefix}{n:05}"))
load(2_000)
before = resident()
load(20_000)
print(resident() - before, ledger.dropped, ledger.queued)
"""
    done = subprocess.run(program(path, "wp_", body), capture_output=True, text=True, timeout=60, check=True)
    growth, dropped, queued = map(int, done.stdout.split())
    assert (dropped, queued) == (21_500, 500)
    assert growth < 4_000_000
