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


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["quality", "none.csv"], ["task", "--data", "none"]):
        result = CliRunner().invoke(group, ["train", *command, "--out", str(tmp_path / "file" / "out")])
        assert result.exit_code == 1
        assert "out cannot be written: Not a directory" in result.stderr


def test_too_few_files_teach_nothing_general(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["train", "quality", "one.csv", "--general", "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ArtefactError)
    assert "from 3 files at least" in result.exception.message
