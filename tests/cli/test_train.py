"""`waypost train`: what it says before it trains. Training itself is tested with the trainer."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from waypost.cli import group
from waypost.errors import ArtefactError


def test_the_data_must_be_named() -> None:
    result = CliRunner().invoke(group, ["train", "task"])
    assert result.exit_code == 2
    assert "Missing option '--data'" in result.stderr


def test_a_folder_without_data_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["train", "task", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ArtefactError)
    assert "there is no train.parquet in the data folder" in result.exception.message
    assert not (tmp_path / "out").exists()
