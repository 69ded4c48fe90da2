"""Tool calls of a stream can be told apart."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from waypost.dispatch.answer_check import AnswerCheck
from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.conform import Form
from waypost.dispatch.reading import as_chunks
from waypost.dispatch.tool_calls import ToolCallNumbering, named
from waypost.errors import ProviderError
from waypost.fleet.deployment import Deployment


def piece(index: int, *, id: str | None = None, name: str | None = None, arguments: str | None = None) -> dict[str, Any]:  # noqa: A002 -- OpenAI's word
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def numbered(*pieces: dict[str, Any]) -> list[tuple[int, str | None, str | None]]:
    numbering = ToolCallNumbering()
    out = [numbering.renumber([each], "answer")[0] for each in pieces]
    return [(each["index"], each.get("id"), each["function"].get("arguments")) for each in out]


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


def test_an_id_that_another_call_has_already_is_made_anew_also_where_later_pieces_repeat_it() -> None:
    parts = (
        piece(0, id="a", name="f", arguments="{}"),
        piece(1, id="a", name="g", arguments='{"x"'),
        piece(1, id="a", arguments=":1}"),
    )
    assert [(index, call_id) for index, call_id, _ in numbered(*parts)] == [
        (0, "a"),
        (1, "call_answer_1"),
        (1, "call_answer_1"),
    ]


def test_two_calls_with_one_index_and_one_id_are_told_apart_where_the_first_is_complete() -> None:
    parts = (piece(0, id="a", name="f", arguments="{}"), piece(0, id="a", name="f", arguments="{}"))
    assert [(index, call_id) for index, call_id, _ in numbered(*parts)] == [(0, "a"), (1, "call_answer_1")]
    ended = (piece(0, id="a", name="f", arguments="{}"), piece(0, id="a", name="f", arguments=""))
    assert [index for index, *_ in numbered(*ended)] == [0, 0]


def test_arguments_given_as_an_object_become_text() -> None:
    assert numbered({"index": 0, "id": "a", "function": {"name": "f", "arguments": {"city": "Köln"}}}) == [
        (0, "a", '{"city":"Köln"}')
    ]


def test_a_custom_tool_keeps_its_kind() -> None:
    [call] = ToolCallNumbering().renumber([{"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}], "answer")
    assert call == {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}, "index": 0}


def test_whole_calls_that_need_nothing_are_left_alone() -> None:
    good = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    [left] = named([good], "answer")
    assert left is good


def test_whole_calls_get_ids_kinds_and_texts() -> None:
    assert named(
        [{"function": {"name": "f", "arguments": {"x": 1}}}, {"id": "a", "function": {"name": "g"}}, "x"], "answer"
    ) == [
        {"id": "call_answer_0", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "a", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "{}", "stop", "call_1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "index", "function", "custom", "name", "arguments", "type"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
CHOICES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": JSON,
            "delta": st.fixed_dictionaries({}, optional={"tool_calls": st.lists(JSON, max_size=3) | JSON, "content": JSON})
            | JSON,
            "message": st.fixed_dictionaries({}, optional={"tool_calls": st.lists(JSON, max_size=3) | JSON}) | JSON,
            "finish_reason": JSON,
        },
    )
    | JSON,
    max_size=3,
)
OF = Deployment(id="d", group="g", provider="p", model="m", lane="openai", local=True)


@given(st.lists(st.fixed_dictionaries({"choices": CHOICES}, optional={"id": JSON, "usage": JSON}), max_size=4))
def test_row_16_whatever_json_an_engine_sends_it_is_read_or_refused_and_nothing_crashes(chunks: list[dict[str, Any]]) -> None:
    stream = ChunkStream(OF)
    check = AnswerCheck({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}]})
    wire = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    try:
        for event in (*stream.feed(wire), *stream.end()):
            check.see(event.payload)
    except ProviderError:
        pass
    check.verdict()
    for chunk in chunks:
        as_chunks(orjson.loads(Form("m").completion(orjson.dumps(chunk), chunk).payload))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.text(max_size=6)), min_size=1, max_size=4))
def test_a_client_that_joins_pieces_by_index_gets_every_call_whole(calls: list[tuple[bool, bool, str]]) -> None:
    """However an engine numbers complete calls, those of one stream can be told apart."""
    pieces = []
    for number, (counts, names, text) in enumerate(calls):
        arguments = json.dumps({"text": text})
        pieces.append(
            piece(number if counts else 0, id=f"id{number}" if names else None, name=f"f{number}", arguments=arguments)
        )
    numbering = ToolCallNumbering()
    out = numbering.renumber(pieces, "answer")
    assert [made["index"] for made in out] == list(range(len(calls)))
    assert len({made["id"] for made in out}) == len(calls)
    assert [made["function"]["name"] for made in out] == [f"f{number}" for number in range(len(calls))]
