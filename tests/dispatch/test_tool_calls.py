"""Tool calls of a stream can be told apart."""

from __future__ import annotations

from typing import Any

from waypost.dispatch.tool_calls import ToolCallNumbering


def piece(index: int, *, id: str | None = None, name: str | None = None, arguments: str | None = None) -> dict[str, Any]:  # noqa: A002 -- OpenAI's word
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def numbered(*pieces: dict[str, Any]) -> list[tuple[int, str | None, str | None]]:
    numbering = ToolCallNumbering()
    out = [numbering.renumber([each], "answer")[0] for each in pieces]
    return [(each["index"], each["id"], each["function"]["arguments"]) for each in out]


def test_calls_that_all_say_index_zero_are_told_apart_by_their_ids() -> None:
    assert numbered(piece(0, id="a", name="f", arguments="{}"), piece(0, id="b", name="g", arguments="{}")) == [
        (0, "a", "{}"),
        (1, "b", "{}"),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    assert numbered(piece(0, id="a", name="f", arguments="{}"), piece(0, name="g", arguments="")) == [
        (0, "a", "{}"),
        (1, "call_answer_1", ""),
    ]


def test_pieces_of_one_call_stay_one_call() -> None:
    parts = (piece(0, id="a", name="f", arguments='{"x"'), piece(0, arguments=": 1"), piece(0, arguments="}"))
    assert [index for index, _, _ in numbered(*parts)] == [0, 0, 0]
    repeated = (piece(0, id="a", name="f", arguments='{"x"'), piece(0, id="a", name="f", arguments=": 1}"))
    assert [index for index, _, _ in numbered(*repeated)] == [0, 0]


def test_indexes_that_are_right_stay_as_they_are() -> None:
    parts = (piece(0, id="a", name="f"), piece(1, id="b", name="g"), piece(0, arguments="{}"), piece(1, arguments="{}"))
    assert [index for index, _, _ in numbered(*parts)] == [0, 1, 0, 1]
