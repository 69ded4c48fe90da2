"""`waypost route`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from cli.documented import card_keys, keys_of
from cli.terminal import on_a_terminal
from waypost.cli import group

HUNDRED = Path(__file__).parents[1] / "data" / "prompts_100.jsonl"


def route(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(group, ["route", *arguments], input=stdin)


@pytest.fixture
def config(fleet_file: Path) -> tuple[str, str]:
    return "-c", str(fleet_file)


def card(result: Result) -> dict[str, Any]:
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_prompt_gets_its_card_as_a_table(config: tuple[str, str]) -> None:
    result = route("Tell me a joke", *config)
    assert result.exit_code == 0
    said = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert said[0] == "asked for auto"
    assert said[said.index("Candidates, in order") + 2 :] == [
        "hands listed by the route, local unknown",
        "eyes listed by the route, local unknown",
        "cloud listed by the route unknown",
    ]
    assert any(line.startswith("route chat: the task is chat") for line in said)


def test_json_has_the_keys_of_the_decision_card(config: tuple[str, str]) -> None:
    found = card(route("Tell me a joke", "--json", *config))
    assert list(found) == card_keys()
    assert (found["route"], found["deployment"], found["refusal"]) == ("chat", "hands", None)


def test_a_dash_reads_standard_input(config: tuple[str, str]) -> None:
    typed = card(route("Tell me a joke", "--json", *config))
    piped = card(route("-", "--json", *config, stdin="Tell me a joke"))
    assert {**piped, "id": typed["id"]} == typed


def test_bytes_that_are_no_text_are_replaced_in_an_argument_as_in_standard_input(config: tuple[str, str]) -> None:
    given = b"Tell me a joke \xff\xfe caf\xe9"
    piped = card(route("-", "--json", *config, stdin=given))
    typed = card(route(os.fsdecode(given), "--json", *config))
    assert {**piped, "id": typed["id"]} == typed


def test_options_say_what_comes_with_the_prompt(config: tuple[str, str]) -> None:
    def removed(*options: str) -> dict[str, str]:
        found = card(route("Tell me a joke", "-m", "chat", *options, "--json", *config))
        return {one["deployment"]: one["guard"] for one in found["removed"]}

    assert removed() == {}
    assert removed("--image") == {"hands": "modality"}
    assert removed("--tools") == {"eyes": "tools"}
    assert removed("--private") == {"cloud": "privacy"}


@pytest.mark.parametrize("options", [("-m", "reasoning", "--private"), ("-m", "nobody")])
def test_a_refusal_still_prints_the_card_and_exits_with_1(options: tuple[str, ...], config: tuple[str, str]) -> None:
    shown = route("hi", *options, *config)
    assert shown.exit_code == 1
    assert "\nrefused: " in shown.stdout
    as_json = route("hi", *options, "--json", *config)
    assert as_json.exit_code == 1
    assert f"refused: {card(as_json)['refusal']['message']}" in shown.stdout


@pytest.mark.parametrize("arguments", [(), ("hi", "--file", str(HUNDRED)), ("--file", str(HUNDRED), "--image")])
def test_a_command_line_that_says_too_little_or_too_much_is_wrong(arguments: tuple[str, ...]) -> None:
    assert route(*arguments).exit_code == 2


def test_a_file_prints_every_decision_and_how_many_are_right(nothing_here: Path) -> None:
    result = route("--file", str(HUNDRED), "-c", str(nothing_here))
    assert result.exit_code == 0
    header, *lines = result.stdout.splitlines()
    decisions, totals = lines[:100], lines[100:]
    assert header.split() == ["prompt", "task", "deployment", "label"]
    prompts = [json.loads(line)["text"] for line in HUNDRED.read_text().splitlines()]
    assert [line[:10] for line in decisions] == [" ".join(text.split())[:10].ljust(10) for text in prompts]
    assert all("sim-" in line for line in decisions)
    verdicts = [line.rpartition("  ")[2] for line in decisions]
    right = verdicts.count("ok")
    assert right + sum(verdict.startswith("miss: ") for verdict in verdicts) == 100
    assert totals[1].startswith("100 prompts; routes: ")
    assert totals[2].startswith(f"right: {right}.0% ")
    assert "simulated fleet" in result.stderr


def test_on_a_narrow_terminal_only_the_prompts_are_cut(nothing_here: Path) -> None:
    arguments = ["route", "--file", str(HUNDRED), "-c", str(nothing_here)]
    coloured, lines = on_a_terminal(80, *arguments, home=nothing_here.parent)
    assert "\x1b[32mok" in coloured
    plain = route(*arguments[1:]).stdout.splitlines()
    assert [line.split()[-2:] for line in lines[1:101]] == [line.split()[-2:] for line in plain[1:101]]
    assert max(map(cell_len, lines)) <= 80


def test_a_file_as_json_has_the_documented_keys(nothing_here: Path) -> None:
    result = route("--file", str(HUNDRED), "--json", "-c", str(nothing_here))
    found = json.loads(result.stdout)
    assert list(found) == keys_of("route --file")
    assert (found["n"], found["labelled"], len(found["decisions"])) == (100, 100, 100)
    assert found["accuracy"] == sum(one["right"] for one in found["decisions"]) / 100
    assert found["accuracy"] > 0.8
    assert {one["id"]: one["deployment"] for one in found["decisions"]}["p-013"] == "sim-vision"
    assert sum(found["routes"].values()) == 100
    assert "simulated fleet" in result.stderr


def test_without_labels_nothing_is_judged_and_the_keys_stay(tmp_path: Path, config: tuple[str, str]) -> None:
    file = tmp_path / "plain.jsonl"
    file.write_text('{"text": "hi"}\n\n{"text": "Tell me a joke", "label": "chat"}\n')
    found = json.loads(route("--file", str(file), "--json", *config).stdout)
    assert (found["n"], found["labelled"], found["accuracy"]) == (2, 1, 1.0)
    assert [one["right"] for one in found["decisions"]] == [None, True]
    file.write_text('{"text": "hi"}\n')
    found = json.loads(route("--file", str(file), "--json", *config).stdout)
    assert list(found) == keys_of("route --file")
    assert (found["labelled"], found["accuracy"], found["macro_f1"]) == (0, None, None)
    assert "right:" not in route("--file", str(file), *config).stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ('{"n_turns": 1}', "`text`: Field required"),
        ('{"text": "b", "n_turns": "x"}', "`n_turns`: Input should be a valid integer"),
        ('{"text": "b", "n_turns": 0}', "`n_turns`: Input should be greater than or equal to 1"),
        ('{"text": "b", "label": 1}', "`label`: Input should be a valid string"),
    ],
)
def test_a_bad_line_is_named(line: str, said: str, tmp_path: Path, config: tuple[str, str]) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(f'{{"text": "a"}}\n{line}\n')
    result = route("--file", str(file), *config)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: bad.jsonl:2: {said}")
    assert result.stdout == ""


def test_an_empty_file_holds_no_prompts(tmp_path: Path, config: tuple[str, str]) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("\n")
    result = route("--file", str(file), *config)
    assert (result.exit_code, result.stderr) == (1, "Error: empty.jsonl: no prompts in it\n")


def test_a_dial_shows_what_is_expected_of_each_with_its_interval(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    file.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": name,
                        "litellm_params": {"model": f"simulated/{name}"},
                        "model_info": {
                            "input_cost_per_token": cost,
                            "output_cost_per_token": cost,
                            "waypost": {"quality": quality},
                        },
                    }
                    for name, cost, quality in (("dear", 1e-5, 0.9), ("cheap", 1e-7, 0.6))
                ],
                "routes": {"chat": ["cheap", "dear"]},
            }
        )
    )
    result = route("Tell me a joke", "-c", str(file), "--cost-quality", "1")
    assert result.exit_code == 0
    said = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "0.90 (0.90 to 0.90)" in result.stdout
    assert any("quality 0.90 as stated" in line for line in said)
    ordered = card(route("Tell me a joke", "-c", str(file), "--json", "--cost-quality", "0.0"))
    assert [one["deployment"] for one in ordered["candidates"]] == ["cheap", "dear"]
    assert ordered["cost_quality"] == 0.0
    assert card(route("Tell me a joke", "-c", str(file), "--json", "--cost-quality", "1"))["deployment"] == "dear"
    assert route("hi", "--cost-quality", "2").exit_code == 2
