"""Labelled files: what is read, and what is refused with the number of its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.errors import ArtefactError
from waypost.learn.datasets import load_rows, row_of

GOOD = b'{"text": "hi", "label": "chat"}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "row 3 of rows.jsonl is not JSON: "),
        (b"\xff\xfe", "row 3 of rows.jsonl is not JSON: "),
        (b'{"text": "\\ud800", "label": "chat"}', "row 3 of rows.jsonl is not JSON: "),
        (b"[]", "row 3 of rows.jsonl is not a JSON object"),
        (b'{"label": "chat"}', "row 3 of rows.jsonl has no valid `text`: "),
        (b'{"text": null, "label": "chat"}', "row 3 of rows.jsonl has no valid `text`: "),
        (b'{"text": 1, "label": "chat"}', "row 3 of rows.jsonl has no valid `text`: "),
        (b'{"text": "a"}', "row 3 of rows.jsonl has no `task` and no `label`"),
        (b'{"text": "a", "task": ""}', "row 3 of rows.jsonl has no `task` and no `label`"),
        (b'{"text": "a", "label": "sing"}', "row 3 of rows.jsonl has the task 'sing'"),
        (b'{"text": "a", "label": "chat", "accept": ["sing"]}', "row 3 of rows.jsonl has the task 'sing'"),
        (b'{"text": "a", "label": "chat", "accept": "chat"}', "row 3 of rows.jsonl has no valid `accept`: "),
        (b'{"text": "a", "label": "chat", "has_tools": "yes"}', "row 3 of rows.jsonl has no valid `has_tools`: "),
        (b'{"text": "a", "label": "chat", "n_turns": "x"}', "row 3 of rows.jsonl has no valid `n_turns`: "),
        (b'{"text": "a", "label": "chat", "n_turns": -1}', "row 3 of rows.jsonl has no valid `n_turns`: "),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(GOOD + b"\n" + line + b"\n")
    with pytest.raises(ArtefactError) as caught:
        load_rows(tmp_path / "rows.jsonl")
    assert caught.value.message.startswith(said)


def test_a_file_that_is_not_there_or_holds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"there is no file rows\.jsonl"):
        load_rows(tmp_path / "rows.jsonl")
    (tmp_path / "rows.jsonl").write_text("\n\n")
    with pytest.raises(ArtefactError, match=r"rows\.jsonl has no rows"):
        load_rows(tmp_path / "rows.jsonl")


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is a folder"):
        load_rows(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD)
    assert [row.text for row in load_rows(tmp_path / "rows.jsonl")] == ["hi"]


def test_the_label_is_always_accepted_and_null_counts_as_absent() -> None:
    row = row_of({"text": "a", "task": None, "label": "memory", "accept": ["chat"], "lang": None, "group": 7})
    assert (row.task, row.accept, row.lang, row.pair) == ("memory", ("memory", "chat"), "", "7")


def test_whole_numbers_may_come_as_floats_from_a_column_with_gaps(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"text": ["a", "b"], "task": ["chat", "chat"], "n_turns": [2.0, None]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    assert [row.n_turns for row in load_rows(tmp_path / "rows.parquet")] == [2, 1]
    parquet.write_table(pyarrow.table({"text": ["a", None], "task": ["chat", "chat"]}), tmp_path / "rows.parquet")
    with pytest.raises(ArtefactError, match=r"row 2 of rows\.parquet has no valid `text`"):
        load_rows(tmp_path / "rows.parquet")
