"""Tables stay readable on a narrow terminal, and plain in a pipe."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from waypost.cli.output import console
from waypost.cli.table import print_table

NAME = "simulated/qwen3-coder-30b-a3b-instruct-q4_k_m"
WHY = "is not known to take images, and one is in the conversation, so that it cannot see what is asked about"
CELLS = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=60).map(str.strip).filter(bool)


def printed(width: int, *rows: tuple[str, ...]) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False, markup=False)
    print_table(out, ("deployment", "guard", "why"), rows)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_a_row_is_a_line_where_there_is_room() -> None:
    assert printed(200, ("a", "modality", WHY)) == ["deployment  guard     why", f"a           modality  {WHY}"]


def test_only_prose_is_wrapped_and_no_name_is_cut() -> None:
    lines = printed(100, (NAME, "modality", f"[no] {WHY}"))
    assert lines[1].startswith(f"{NAME}  modality  [no] ")
    assert all(len(line) <= 100 for line in lines)
    assert " ".join(line[57:] for line in lines[1:]) == f"[no] {WHY}"


def test_without_room_for_the_columns_each_row_is_a_block() -> None:
    lines = printed(60, (NAME, "modality", WHY), ("b", "", "no"))
    assert lines[0] == NAME
    assert " ".join(line.strip() for line in lines[1:-2]) == f"guard modality, why {WHY}"
    assert lines[-2:] == ["b", "  why no"]


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=3), st.integers(20, 120))
def test_nothing_is_lost_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    lines = printed(width, *rows)
    given_marks = Counter("".join(map("".join, rows)).replace(" ", ""))
    assert not given_marks - Counter("".join(lines))
    assert all(line == line.rstrip() for line in lines)


def test_without_rows_there_is_nothing() -> None:
    assert printed(80) == []


@pytest.mark.parametrize("columns", ["80", "200"])
def test_what_is_piped_has_no_colours_no_padding_and_no_wrapping(columns: str, fleet_file: Path) -> None:
    for command in (["models"], ["route", "Prove that the square root of two is irrational", "--image", "-m", "chat"]):
        done = subprocess.run(
            [sys.executable, "-m", "waypost", *command, "-c", str(fleet_file)],
            capture_output=True,
            text=True,
            check=True,
            env={"COLUMNS": columns, "TERM": "xterm-256color", "HOME": str(fleet_file.parent)},
        )
        assert "\x1b" not in done.stdout
        assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []


def test_a_console_takes_brackets_for_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("a [red]b[/red] " + "c" * 300)
    assert capsys.readouterr().out == "a [red]b[/red] " + "c" * 300 + "\n"
