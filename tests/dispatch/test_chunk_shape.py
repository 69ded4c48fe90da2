"""A chunk that is told by its shape gives what it gives when it is parsed."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import deployment
from waypost.dispatch.chunk_shape import shape_of
from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.conform import Form
from waypost.dispatch.events import Event

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "word"}
TEXTS = st.one_of(
    st.sampled_from(["a", "word", "?", "!", "", " ", "c", "é€😀", 'a"b', "a\\b", "\n", "\u2028", "0", "null", "</s>"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
)
DELTAS = st.sampled_from(
    [
        lambda text: {"content": text},
        lambda text: {"role": "assistant", "content": text},
        lambda text: {"content": text, "reasoning_content": None},
        lambda text: {"reasoning_content": text},
        lambda text: {
            "tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": text}}]
        },
        lambda text: {},
    ]
)
MORE = st.sampled_from([{}, {"usage": None}, {"system_fingerprint": "a"}, {"created": 2}, {"word": "word"}, {"timings": {}}])
CHOICES = st.sampled_from([{}, {"logprobs": None}, {"finish_reason": "stop"}, {"index": 1}, {"logprobs": {"content": ["a"]}}])


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """A chunk as engines write it: with and without blanks and escapes, and with a field that comes twice."""
    choice: dict[str, Any] = {"index": 0, "delta": draw(DELTAS)(draw(TEXTS)), "finish_reason": None} | draw(CHOICES)
    chunk: dict[str, Any] = {**HEAD, "choices": [choice] * draw(st.sampled_from([1, 1, 1, 2])), **draw(MORE)}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    written = json.dumps(chunk, separators=separators, ensure_ascii=draw(st.booleans()), sort_keys=draw(st.booleans()))
    twice = draw(st.sampled_from(["", "", "", '"content":"word",', '"content":"a",']))
    return written.replace('"content":', f'{twice}"content":', 1).encode()


def read(stream: ChunkStream, data: bytes) -> list[Event]:
    return list(stream.feed(b"data: " + data + b"\n\n"))


@given(st.lists(chunks(), max_size=12))
def test_a_stream_reads_as_if_each_chunk_were_parsed(sent: list[bytes]) -> None:
    stream, form = ChunkStream(deployment("d")), Form("d")
    assert [read(stream, data) for data in sent] == [[form.chunk(data, orjson.loads(data))] for data in sent]


@given(
    chunks(),
    st.lists(st.one_of(st.binary(max_size=8), st.text(max_size=4).map(lambda text: text.encode(errors="surrogatepass")))),
)
def test_whatever_stands_in_the_place_of_the_text_is_read_right(data: bytes, texts: list[bytes]) -> None:
    form = Form("d")
    form.chunk(data, parsed := orjson.loads(data))
    shape = shape_of(data, parsed)
    for text in texts if shape else ():
        assert shape is not None
        other = shape.before + text + shape.behind
        found = shape.text_of(other)
        if found is not None:
            event = form.chunk(other, orjson.loads(other))
            assert event == Event(other, output=True, text=found)


def plain(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return orjson.dumps({**HEAD, "choices": [choice], **more})


def test_a_plain_chunk_has_a_shape_and_the_next_one_is_told_by_it() -> None:
    shape = shape_of(plain("one"), orjson.loads(plain("one")))
    assert shape is not None
    assert shape.text_of(plain("zwei €")) == "zwei €"


@pytest.mark.parametrize(
    "other",
    [plain(""), plain('say "hi"'), plain("a\nb"), plain("two", usage={}), plain("two")[:-1], plain("t\\"), plain("\x1f")],
)
def test_what_is_not_plain_text_in_that_shape_is_parsed(other: bytes) -> None:
    shape = shape_of(plain("one"), orjson.loads(plain("one")))
    assert shape is not None
    assert shape.text_of(other) is None


def test_a_text_that_stands_elsewhere_first_is_no_shape() -> None:
    assert shape_of(plain("word"), orjson.loads(plain("word"))) is None
    assert shape_of(plain("words"), orjson.loads(plain("words"))) is not None


def test_an_engine_without_a_shape_is_not_looked_at_for_ever() -> None:
    stream = ChunkStream(deployment("d"))
    for number in range(20):
        read(stream, plain("one", obfuscation=str(number)))
    assert [event.text for event in read(stream, plain("two")) + read(stream, plain("three"))] == ["two", "three"]
