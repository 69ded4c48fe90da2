"""`waypost simulate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.documented import DOCS, keys_of
from waypost.cli import group
from waypost.errors import WaypostError


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["simulate", *arguments])


def test_the_table_is_the_one_of_the_document() -> None:
    result = simulate()
    assert result.exit_code == 0
    assert result.stdout in (DOCS / "residency.md").read_text()


def test_json_has_the_documented_keys() -> None:
    found = json.loads(simulate("--requests", "20", "--json").stdout)
    assert list(found) == keys_of("simulate")
    row = next(line for line in (DOCS / "cli.md").read_text().splitlines() if line.startswith("| `simulate` |"))
    assert [key for key in found["policies"][0] if f"`{key}`" not in row] == []


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "swaps.png"
    assert simulate("--requests", "20", "--plot", str(file)).exit_code == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    assert "nowhere" not in simulate("--requests", "1", "--plot", str(tmp_path / "nowhere" / "p.png")).output
    assert simulate("--requests", "1", "--plot", str(tmp_path / "nowhere" / "p.png")).exit_code == 1


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = simulate("--requests", "1", "--plot", str(tmp_path / "p.png"))
    assert isinstance(result.exception, WaypostError)
    assert "pip install 'waypost[plots]'" in result.exception.message
    assert "task only" in result.stdout  # what was worked out is not lost


def test_a_scenario_that_is_not_there_is_an_error_in_a_line() -> None:
    result = simulate("no-such")
    assert isinstance(result.exception, WaypostError)
    assert "no-such cannot be read" in result.exception.message
