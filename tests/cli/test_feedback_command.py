"""`waypost feedback`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.documented import keys_of
from cli.test_log import keep
from engines.process import free_port
from ledger.outcomes import outcome
from waypost.cli import group
from waypost.errors import InvalidRequest, LedgerError, NotFound, PolicyError, StartError
from waypost.ledger import SqliteLedger

Run = Callable[..., Result]
TEXT = "Who wrote Dune?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, ledger: bool = True) -> Result:
        return CliRunner().invoke(group, ["feedback", *arguments, *(["--ledger", str(path)] if ledger else [])])

    return invoke


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_text_is_corrected_listed_and_forgotten(run: Run, path: Path) -> None:
    made = printed(run("add", "--text", TEXT, "--task", "memory", "--caller", "anna", "--json"))
    assert list(made) == keys_of("feedback add")
    (listed,) = printed(run("list", "--json"))
    assert list(listed) == keys_of("feedback list")
    assert (listed["id"], listed["task"], listed["caller"]) == (made["id"], "memory", "anna")
    table = run("list").stdout
    assert made["id"] in table
    assert "anna" in table
    assert "forgot 1" in run("forget", made["id"]).stdout
    assert "no corrections" in run("list").stdout
    assert SqliteLedger(path).corrections() == ()


def test_it_speaks_plainly_without_json(run: Run) -> None:
    said = run("add", "--text", TEXT, "--task", "memory").stdout
    assert "memory from now on" in said
    assert "nobody" in run("list").stdout


def test_an_export_is_imported_elsewhere(run: Run, path: Path, tmp_path: Path) -> None:
    for text, caller in (("hello there", "anna"), ("good morning", "ben")):
        run("add", "--text", text, "--task", "coding", "--caller", caller)
    before = SqliteLedger(path).corrections()
    out = tmp_path / "mine.json"
    written = printed(run("export", "--out", str(out), "--json"))
    assert written == {"file": str(out), "corrections": 2}
    assert printed(run("export")) == json.loads(out.read_bytes())
    assert list(printed(run("export", "--json"))) == keys_of("feedback export")
    assert printed(run("forget", "--all", "--json")) == {"forgotten": 2}
    assert printed(run("import", str(out), "--json")) == {"read": 2, "kept": 2}
    assert "kept 2" in run("import", str(out)).stdout
    assert SqliteLedger(path).corrections() == before


def test_the_caps_of_the_config_hold_for_an_import(run: Run, path: Path, tmp_path: Path) -> None:
    for text in ("hello there", "good morning", "an apple a day"):
        run("add", "--text", text, "--task", "coding")
    run("export", "--out", str(tmp_path / "mine.json"))
    (tmp_path / "waypost.yaml").write_text("feedback: {per_caller: 2}\n")
    assert printed(run("import", str(tmp_path / "mine.json"), "--json")) == {"read": 3, "kept": 2}
    assert len(SqliteLedger(path).corrections()) == 2


def test_what_one_caller_said_is_forgotten(run: Run) -> None:
    for text, caller in (("hello there", "anna"), ("good morning", "ben"), ("an apple a day", "")):
        run("add", "--text", text, "--task", "coding", "--caller", caller)
    assert printed(run("forget", "--caller", "anna", "--json")) == {"forgotten": 1}
    assert printed(run("forget", "--caller", "", "--json")) == {"forgotten": 1}
    assert [row["caller"] for row in printed(run("list", "--json"))] == ["ben"]


def test_a_prompt_is_decided_with_the_corrections_of_the_ledger(run: Run, fleet_file: Path, path: Path) -> None:
    run("add", "--text", TEXT, "--task", "memory")
    command = ["route", TEXT, "-c", str(fleet_file), "--json"]
    card = json.loads(CliRunner().invoke(group, command, env={"WAYPOST_LEDGER": str(path)}).stdout)
    assert card["task"]["task"] == "memory"


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "--task", "chat"),
        ("add", "wp_1", "--text", "hi", "--task", "chat"),
        ("add", "wp_1", "--task", "chat"),
        ("add", "--text", "hi", "--task", "dancing"),
        ("forget",),
        ("forget", "wc_1", "--all"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_time_that_is_none_names_its_row_and_nothing_is_kept(run: Run, path: Path, tmp_path: Path) -> None:
    for text in ("hello there", "good morning"):
        run("add", "--text", text, "--task", "coding")
    document = printed(run("export"))
    run("forget", "--all")
    document["data"][1]["created_at"] = "hello"
    (tmp_path / "mine.json").write_text(json.dumps(document))
    result = run("import", str(tmp_path / "mine.json"))
    assert isinstance(result.exception, InvalidRequest)
    assert result.exception.message.endswith("mine.json: data[1]: created_at must be a time in ISO 8601")
    assert SqliteLedger(path).corrections() == ()
    document["data"][1]["created_at"] = "9999-01-01T00:00:00Z"
    (tmp_path / "mine.json").write_text(json.dumps(document))
    assert printed(run("import", str(tmp_path / "mine.json"), "--json")) == {"read": 2, "kept": 2}
    assert max(one.created_at for one in SqliteLedger(path).corrections()) < "9"


@pytest.mark.parametrize("arguments", [("list",), ("export",), ("forget", "--all")])
def test_without_a_ledger_it_says_how_one_is_made(run: Run, path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, LedgerError)
    assert not path.exists()


def test_an_unknown_correction_is_no(run: Run) -> None:
    run("add", "--text", TEXT, "--task", "memory")
    assert isinstance(run("forget", "wc_never").exception, NotFound)
    assert len(printed(run("list", "--json"))) == 1


def test_switched_off_it_refuses(run: Run, tmp_path: Path) -> None:
    (tmp_path / "waypost.yaml").write_text("feedback: {enabled: false}\n")
    assert isinstance(run("add", "--text", TEXT, "--task", "memory").exception, PolicyError)


def test_a_decision_needs_its_server(run: Run, tmp_path: Path) -> None:
    (tmp_path / "waypost.yaml").write_text(f"server: {{port: {free_port()}}}\n")
    result = run("add", "wp_1", "--task", "memory", ledger=False)
    assert isinstance(result.exception, StartError)
    assert "--text" in result.exception.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an export"),
        (b'{"data": [{}]}', r"data\[0\]: a correction is an object with exactly the keys"),
    ],
)
def test_a_file_that_is_no_export_says_where(run: Run, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    result = run("import", str(tmp_path / "mine.json"))
    assert isinstance(result.exception, InvalidRequest)
    assert re.search(said, result.exception.message)


def test_an_answer_is_rated_listed_and_forgotten(run: Run, path: Path) -> None:
    keep(path, outcome("wp_1"), outcome("wp_2"))
    made = printed(run("rate", "wp_1", "1", "--caller", "anna", "--json"))
    assert list(made) == keys_of("feedback rate")
    assert "rated 0.25" in run("rate", "wp_2", "0.25", "--source", "judge").stdout
    listed = printed(run("ratings", "--json"))
    assert list(listed[0]) == keys_of("feedback ratings")
    assert [(one["decision"], one["score"], one["source"], one["caller"]) for one in listed] == [
        ("wp_1", 1.0, "user", "anna"),
        ("wp_2", 0.25, "judge", None),
    ]
    assert "anna" in run("ratings").stdout
    assert "forgot 1" in run("forget", made["id"]).stdout
    assert printed(run("forget", "--all", "--json")) == {"forgotten": 1}
    assert "no ratings" in run("ratings").stdout


def test_a_caller_takes_corrections_and_ratings_along(run: Run, path: Path) -> None:
    keep(path, outcome("wp_1"))
    printed(run("rate", "wp_1", "0", "--caller", "anna", "--json"))
    printed(run("rate", "wp_1", "1", "--json"))
    printed(run("add", "--text", TEXT, "--task", "memory", "--caller", "anna", "--json"))
    assert printed(run("forget", "--caller", "anna", "--json")) == {"forgotten": 2}
    assert [one["caller"] for one in printed(run("ratings", "--json"))] == [None]


def test_a_score_that_is_none_or_a_decision_that_is_not_there_is_refused(run: Run, path: Path) -> None:
    keep(path, outcome("wp_1"))
    assert run("rate", "wp_1", "1.5").exit_code == 2
    assert run("rate", "wp_1", "good").exit_code == 2
    assert isinstance(run("rate", "wp_never", "1").exception, NotFound)


def test_a_report_says_how_each_deployment_did_on_each_route(run: Run, path: Path) -> None:
    keep(path, outcome("wp_1"), outcome("wp_2"), outcome("wp_3", deployment=None, status="failed"))
    printed(run("rate", "wp_1", "1", "--json"))
    (found,) = printed(run("report", "--json"))
    assert list(found) == keys_of("feedback report")
    assert (found["route"], found["deployment"], found["answers"], found["rated"], found["score"]) == (
        "coding",
        "far",
        2,
        1,
        1.0,
    )
    assert "0.21 to 1.00" in run("report").stdout
    assert "0 of 2" in run("report").stdout
    assert "no answers" in run("report", "--route", "chat").stdout
