"""`waypost eval tasks`, end to end with the shipped model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import waypost
from cli.documented import DOCS, keys_of
from cli.terminal import on_a_terminal
from waypost.cli import group
from waypost.errors import ArtefactError

HUNDRED = Path(__file__).parents[1] / "data" / "prompts_100.jsonl"
ARTEFACTS = Path(waypost.__file__).parent / "artefacts"


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["eval", "tasks", *arguments])


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The hundred prompts, with everything."""
    found = json.loads(evaluate(str(HUNDRED), "--misses", "--json").stdout)
    assert isinstance(found, dict)
    return found


def test_json_has_the_documented_keys(report: dict[str, Any]) -> None:
    assert list(report) == keys_of("eval tasks")
    page = (DOCS / "evaluating-tasks.md").read_text()
    assert [key for key in report if f"`{key}`" not in page] == []


def test_the_hundred_prompts_are_judged_as_routing_judges_them(report: dict[str, Any], nothing_here: Path) -> None:
    routed = CliRunner().invoke(group, ["route", "--file", str(HUNDRED), "--json", "-c", str(nothing_here)])
    keys = ("n", "accuracy", "macro_f1", "per_class", "false_action_rate", "action_recall", "abstain_rate")
    assert {key: report[key] for key in keys} == {key: json.loads(routed.stdout)[key] for key in keys}
    assert report["accuracy"] == pytest.approx(1 - len(report["misses"]) / 100)


def test_the_shipped_model_beats_every_baseline_on_the_hundred_prompts(report: dict[str, Any]) -> None:
    baselines = {name: one["scores"] for name, one in report["baselines"].items() if one["scores"]}
    assert {"majority", "note_rules"} <= set(baselines)
    assert max(one["macro_f1"] for one in baselines.values()) < report["macro_f1"]
    assert max(one["accuracy"] for one in baselines.values()) < report["accuracy"]


def test_the_hundred_prompts_are_perturbed_and_timed(report: dict[str, Any]) -> None:
    kinds = ["casing", "whitespace", "typos", "accents", "punctuation", "padding", "politeness"]
    assert sorted(report["flip_rates"]) == sorted(kinds)
    assert 0 <= report["flip_rate"] < 0.5
    assert 0 < report["latency_us"]["p50"] <= report["latency_us"]["p99"]
    assert sum(one["n"] for one in report["per_language"].values()) == 100


def test_the_tables_name_what_was_measured() -> None:
    result = evaluate(str(HUNDRED), "--perturb", "10", "--misses", "--no-baselines")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    titles = ("Tasks", "Labels against answers", "Languages", "Flips", "Coverage against accuracy", "Misses")
    assert [line for line in lines if line in titles] == list(titles)
    assert not any("note_rules" in line for line in lines)


def test_a_narrow_terminal_shows_it_too(tmp_path: Path) -> None:
    _, lines = on_a_terminal(80, "eval", "tasks", str(HUNDRED), "--perturb", "0", home=tmp_path)
    assert any("note_rules" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_several_files_are_told_together_and_apart(tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text('{"text": "hi", "label": "chat"}\n')
    files = (str(HUNDRED), str(tmp_path / "more.jsonl"))
    found = json.loads(evaluate(*files, "--perturb", "0", "--no-baselines", "--json").stdout)
    assert found["n"] == 101
    assert {name: one["n"] for name, one in found["files"].items()} == {"prompts_100.jsonl": 100, "more.jsonl": 1}
    assert (found["flip_rate"], found["baselines"], found["misses"]) == (None, None, None)


def test_files_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    copy = tmp_path / HUNDRED.name
    copy.write_text('{"text": "hi", "label": "chat"}\n')
    found = json.loads(evaluate(str(HUNDRED), str(copy), "--perturb", "0", "--no-baselines", "--json").stdout)
    assert set(found["files"]) == {str(HUNDRED), str(copy)}


def test_the_page_is_written_beside_the_answer(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = evaluate(str(HUNDRED), "--perturb", "10", "--no-baselines", "--html", str(page), "--json")
    assert json.loads(result.stdout)["n"] == 100
    assert page.read_text().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    lost = evaluate(str(tmp_path / "none.jsonl"), "--html", str(tmp_path / "no" / "report.html"))
    assert lost.exit_code == 1
    assert "report.html cannot be written: No such file or directory" in lost.stderr


def test_other_weights_can_be_judged(tmp_path: Path) -> None:
    for name in ("task-model.json", "task-model.npz"):
        shutil.copy(ARTEFACTS / name, tmp_path)
    options = ("--perturb", "0", "--no-baselines", "--json")
    assert json.loads(evaluate(str(HUNDRED), "--model", str(tmp_path), *options).stdout)["n"] == 100
    nothing = evaluate(str(HUNDRED), "--model", str(tmp_path / "none"), *options)
    assert isinstance(nothing.exception, ArtefactError)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file rows.jsonl"),
        ("", "rows.jsonl has no rows"),
        ('{"text": "a", "label": "chat"}\n{', "row 2 of rows.jsonl is not JSON"),
        ('{"text": "a", "label": "sing"}', "row 1 of rows.jsonl has the task 'sing'"),
        ('{"text": ["a"], "label": "chat"}', "row 1 of rows.jsonl has no valid `text`"),
    ],
)
def test_bad_input_is_an_error_that_names_file_and_row(content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_text(content)
    result = evaluate(str(file), "--json")
    assert isinstance(result.exception, ArtefactError)
    assert result.exception.message.startswith(said)
    assert result.stdout == ""


def test_a_file_must_be_named() -> None:
    assert evaluate().exit_code == 2
