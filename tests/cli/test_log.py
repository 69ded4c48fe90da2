"""`waypost log`."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.terminal import on_a_terminal
from ledger.outcomes import decision, outcome
from waypost.cli import group
from waypost.decide.card import Refusal
from waypost.dispatch.attempt import Attempt
from waypost.errors import NotFound, PrivacyRefused, WaypostError
from waypost.ledger.rating import Rating
from waypost.ledger.record import Outcome
from waypost.ledger.sqlite import SqliteLedger


def keep(path: Path, *outcomes: Outcome) -> None:
    async def kept() -> None:
        ledger = SqliteLedger(path)
        ledger.start()
        for one in outcomes:
            ledger.write(one)
        await ledger.close()

    asyncio.run(kept())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with an answer, a failure and a refusal."""
    refused = decision("wp_c3", candidates=(), route=None, refusal=Refusal(PrivacyRefused, "it may not leave this machine"))
    lost = (Attempt("near", 0.01, 0.5, error="provider_timeout", message="no [first] byte"),)
    keep(
        tmp_path / "ledger.db",
        outcome("wp_a1"),
        outcome("wp_a2", status="failed", error="provider_timeout", deployment=None, usage=None, cost_usd=None, attempts=lost),
        outcome(
            "wp_c3",
            status="refused",
            http_status=403,
            deployment=None,
            decision=refused,
            attempts=(),
            usage=None,
            cost_usd=None,
        ),
    )
    return tmp_path / "ledger.db"


def run(*arguments: str, path: Path) -> Result:
    return CliRunner().invoke(group, ["log", *arguments, "--ledger", str(path)])


def error_of(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, WaypostError)
    return result.exception.message


def test_tail_prints_the_newest_last(path: Path) -> None:
    result = run("tail", path=path)
    assert result.exit_code == 0
    header, *lines = result.stdout.splitlines()
    assert header.split()[:3] == ["when", "(UTC)", "id"]
    assert [line.split()[2] for line in lines] == ["wp_a1", "wp_a2", "wp_c3"]
    assert "$0.250000" in lines[0]
    assert "unknown" in lines[1]
    assert "$0" not in lines[1]


def test_on_a_narrow_terminal_an_entry_takes_two_lines_and_nothing_is_cut(path: Path) -> None:
    coloured, lines = on_a_terminal(80, "log", "tail", "--ledger", str(path), home=path.parent)
    assert "\x1b[32mok" in coloured
    assert [line.split()[0] for line in lines[::2]] == ["when", "2023-11-14", "2023-11-14", "2023-11-14"]
    assert lines[3] == "    1.500 s    100 > 20         $0.250000   far"
    assert max(map(len, lines)) <= 80


def test_a_long_name_is_not_cut(tmp_path: Path) -> None:
    name = "simulated/qwen3-coder-30b-a3b-instruct-q4_k_m"
    keep(tmp_path / "ledger.db", outcome(deployment=name))
    assert name in run("tail", path=tmp_path / "ledger.db").stdout


def test_tail_prints_as_many_as_asked_for_and_only_what_matches(path: Path) -> None:
    asked = (["-n", "1"], ["--deployment", "far"], ["--route", "coding"], ["--status", "failed"], ["-n", "0"])
    found = [[entry["id"] for entry in json.loads(run("tail", *options, "--json", path=path).stdout)] for options in asked]
    assert found == [["wp_c3"], ["wp_a1"], ["wp_a1", "wp_a2"], ["wp_a2"], []]


def test_tail_says_how_many_outcomes_are_missing(path: Path) -> None:
    keep(path, outcome("wp_a1"))
    assert "missing outcomes: 1 " in run("tail", path=path).stderr


def test_show_explains_an_answer(path: Path) -> None:
    text = run("show", "wp_a1", path=path).stdout
    said = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "decision wp_a1 ok (HTTP 200)",
        "asked for auto, in the openai dialect, streamed",
        "took 1.500 s, first output after 0.400 s",
        "task coding (coding 0.93, chat 0.07)",
        "evidence a code fence",
        "route coding: the task is coding",
        "prompt 400 characters in 3 messages, language en",
        "answered by far",
        "usage 100 in, 20 out, 0 cached",
        "cost $0.250000",
        "near first of the route $0.000000",
        "far second of the route (fallback) unknown",
        "blind modality cannot see images",
        "near 0.010 s 0.020 s none provider_unreachable: connection refused unknown unknown",
        "far 0.020 s 1.500 s after 0.400 s finished: stop, engine said 200, checked: ok 100 in, 20 out, 0 cached $0.250000",
    ):
        assert line in said


def test_show_tells_how_the_answer_was_rated(path: Path) -> None:
    rating = Rating("wr_1", "wp_a1", 0.25, "judge", "anna", "2026-01-01T00:00:00.000000Z")
    SqliteLedger(path).add_rating(rating, per_caller=9, most=9)
    said = [" ".join(line.split()) for line in run("show", "wp_a1", path=path).stdout.splitlines()]
    assert "0.25 judge anna 2026-01-01T00:00:00.000000Z" in said
    assert json.loads(run("show", "wp_a1", "--json", path=path).stdout)["ratings"] == [rating.to_dict()]
    assert "Ratings" not in run("show", "wp_a2", path=path).stdout


def test_show_says_what_is_unknown_and_prints_brackets_as_they_are(path: Path) -> None:
    text = run("show", "wp_a2", path=path).stdout
    said = [" ".join(line.split()) for line in text.splitlines()]
    assert {"usage unknown", "cost unknown", "answered by nobody", "ended with provider_timeout"} <= set(said)
    assert "provider_timeout: no [first] byte" in text


def test_show_explains_a_refusal(path: Path) -> None:
    text = run("show", "wp_c3", path=path).stdout
    assert "refused: it may not leave this machine" in text
    assert "Candidates" not in text
    assert "Attempts" not in text


def test_show_says_that_an_answer_was_simulated(tmp_path: Path) -> None:
    keep(tmp_path / "ledger.db", outcome(simulated=True, text="who are you?"))
    text = run("show", "wp_1", path=tmp_path / "ledger.db").stdout
    assert "no model answered this" in text
    assert "who are you?" in text


def test_show_prints_the_whole_entry_as_json(path: Path) -> None:
    entry = json.loads(run("show", "wp_a1", "--json", path=path).stdout)
    assert entry == SqliteLedger(path).get("wp_a1")


def test_the_beginning_of_an_id_is_enough(path: Path) -> None:
    assert "decision wp_c3" in run("show", "wp_c", path=path).stdout


def test_an_ambiguous_beginning_lists_the_ids(path: Path) -> None:
    assert "wp_a2, wp_a1" in error_of(run("show", "wp_a", path=path))


def test_an_unknown_id_lists_the_closest(path: Path) -> None:
    result = run("show", "wp_c4", path=path)
    assert isinstance(result.exception, NotFound)
    assert "wp_c3" in error_of(result)
    assert "waypost log tail" in error_of(run("show", "zzz", path=path))


@pytest.mark.parametrize("command", [["tail"], ["tail", "--follow"], ["show", "wp_1"]])
def test_without_a_ledger_it_says_how_one_is_made(command: list[str], tmp_path: Path) -> None:
    assert "waypost serve" in error_of(run(*command, path=tmp_path / "ledger.db"))


def test_the_environment_names_the_ledger(path: Path) -> None:
    result = CliRunner().invoke(group, ["log", "tail", "--json"], env={"WAYPOST_LEDGER": str(path)})
    assert len(json.loads(result.stdout)) == 3


@pytest.fixture
def follow(path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Follows the ledger in a process of its own, as a terminal would."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "waypost", "log", "tail", "--follow", "--ledger", str(path), *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[str], lines: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(lines)]


def test_follow_prints_new_entries_as_they_come_and_ends_cleanly_on_ctrl_c(
    path: Path, follow: Callable[..., subprocess.Popen[str]]
) -> None:
    process = follow("-n", "1", "--route", "coding", "--json")
    lines = read(process, 1)
    keep(path, outcome("wp_d4"), outcome("wp_d5", decision=decision("wp_d5", route="chat")))
    keep(path, outcome("wp_d6"))
    lines += read(process, 2)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert [json.loads(line)["id"] for line in lines] == ["wp_a2", "wp_d4", "wp_d6"]
    assert (rest, process.returncode) == ("", 0)


def test_followed_lines_stand_under_one_header(path: Path, follow: Callable[..., subprocess.Popen[str]]) -> None:
    process = follow()
    header, *lines = read(process, 4)
    keep(path, outcome("wp_d4"))
    lines += read(process, 1)
    assert [line.index("wp_") for line in lines] == [header.index("id")] * 4


def test_an_answer_from_the_cache_is_shown_as_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    free = {"attempts": (), "usage": None, "cost_usd": 0.0}
    keep(path, outcome("wp_a1", cache="hit", **free), outcome("wp_b2", cache="shared", **free), outcome("wp_c3", cache="miss"))
    assert "far (from the cache)" in run("show", "wp_a1", path=path).stdout
    assert "far (shared with a request like it)" in run("show", "wp_b2", path=path).stdout
    assert "answered by  far\n" in run("show", "wp_c3", path=path).stdout
