"""`waypost bench`."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from cli.documented import keys_of
from waypost.cli import group


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["bench", "decide", "--repeat", "10", *arguments])


def test_the_time_of_a_decision_is_said_in_a_line() -> None:
    result = bench("--deployments", "3")
    assert result.exit_code == 0
    assert "3 deployments, 10 decisions: p50 " in result.stdout
    assert result.stdout.count("\n") == 1


def test_json_has_the_documented_keys() -> None:
    short, long = (json.loads(bench("--json", "--tokens", tokens).stdout) for tokens in ("100", "1000"))
    assert list(short) == keys_of("bench decide")
    assert 0 < short["p50_us"] <= short["p99_us"]
    assert 80 <= short["prompt_tokens"] <= 120
    assert 800 <= long["prompt_tokens"] <= 1200


def test_what_is_loaded_can_be_part_of_it() -> None:
    result = bench("--one-engine", "--deployments", "2")
    assert result.exit_code == 0
    assert "2 deployments of one engine, 10 decisions: p50 " in result.stdout
    assert json.loads(bench("--one-engine", "--json").stdout)["one_engine"] is True


def test_the_dial_can_be_part_of_it() -> None:
    result = bench("--cost-quality", "0.5")
    assert result.exit_code == 0
    assert "10 deployments, the dial at 0.5, 10 decisions: p50 " in result.stdout
    assert json.loads(bench("--cost-quality", "0.5", "--json").stdout)["cost_quality"] == 0.5


def test_a_number_out_of_bounds_is_a_wrong_command_line() -> None:
    assert bench("--deployments", "0").exit_code == 2
