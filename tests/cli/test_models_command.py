"""`waypost models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.documented import keys_of
from cli.terminal import on_a_terminal
from samples import deployment, fleet
from waypost.cli import group
from waypost.cli.fleet_table import print_fleet
from waypost.cli.output import console
from waypost.fleet.deployment import Price, Status


def models(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["models", *map(str, arguments)])


def test_deployments_routes_and_aliases_are_listed(fleet_file: Path) -> None:
    result = models("-c", fleet_file)
    assert (result.exit_code, result.stderr) == (0, "")
    header, *lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert header == "deployment where window tools vision $ per M loaded state"
    assert lines[:2] == ["eyes simulated, local 8,192 no yes ? ? ?", "hands simulated, local 8,192 yes no ? ? ?"]
    assert "reasoning cloud" in lines[lines.index("Routes") :]
    assert lines[lines.index("Aliases") :] == ["Aliases", "zoe-chat chat"]


def test_json_has_the_rows_of_the_api(fleet_file: Path) -> None:
    rows = json.loads(models("-c", fleet_file, "--json").stdout)
    assert all(list(row) == keys_of("models") for row in rows)
    assert {"auto", "chat", "zoe-chat", "eyes", "hands", "cloud"} <= {row["id"] for row in rows}


def test_a_simulated_fleet_is_called_so_on_standard_error(nothing_here: Path) -> None:
    result = models("-c", nothing_here)
    assert "simulated fleet" in result.stderr
    assert "sim-tools" in result.stdout


def test_the_simulated_fleet_fits_a_terminal_of_80_columns(nothing_here: Path) -> None:
    _, lines = on_a_terminal(80, "models", "-c", str(nothing_here), home=nothing_here.parent)
    assert [line.split()[0] for line in lines[:3]] == ["deployment", "sim-tools", "sim-vision"]
    assert max(map(len, lines)) <= 80


def test_no_deployment_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text("discovery: {enabled: false}\n")
    assert models("-c", file).stdout.startswith("no deployment\n")


def test_a_window_that_is_assumed_is_marked_and_a_price_is_for_a_million_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    assumed = deployment("a", window_tokens=4096, sources={"window_tokens": "assumed"}, price=Price(1e-6, 2.5e-6))
    print_fleet(console(), fleet(assumed, deployment("b"), a=Status(up=False, reason="refused", loaded=True)))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        "a openai, local 4,096* yes yes 1.00 / 2.50 yes down: refused",
        "b openai, local ? yes yes ? ? ?",
        "* assumed, as the engine does not tell",
    ]
