"""The parser of server-sent events gives the same events whatever the pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.dispatch.sse import EventTooLarge, SseEvent, SseParser

SAMPLE = (
    '\ufeff: hi\r\ndata: {"a": "é€😀你"}\r\n\r\nevent: error\ndata:one\ndata: two\n\n'
    "id: 7\rdata: cr\r\r\n\ndata\n\ndata: [DONE]"
).encode()
EXPECTED = [
    SseEvent(b"", '{"a": "é€😀你"}'.encode()),
    SseEvent(b"error", b"one\ntwo"),
    SseEvent(b"", b"cr"),
    SseEvent(b"", b""),
    SseEvent(b"", b"[DONE]"),
]


def parse(pieces: list[bytes]) -> list[SseEvent]:
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.flush()


def test_row_19_all_legal_framings_are_read() -> None:
    assert parse([SAMPLE]) == EXPECTED


@pytest.mark.parametrize("offset", range(len(SAMPLE) + 1))
def test_row_17_a_split_at_any_byte_changes_nothing(offset: int) -> None:
    assert parse([SAMPLE[:offset], SAMPLE[offset:]]) == EXPECTED


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_rows_17_and_18_two_splits_anywhere_change_nothing(ending: str) -> None:
    # Inside the byte order mark, a character of two, three and four bytes, a field's name, a line end and a blank line.
    lines = ["\ufeff: c", "data: é€", "data:😀", "", "event: x", "data: 1", "", "data: 2"]
    stream = ending.join(lines).encode()
    expected = [SseEvent(b"", "é€\n😀".encode()), SseEvent(b"x", b"1"), SseEvent(b"", b"2")]
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert parse([stream[:first], stream[first:second], stream[second:]]) == expected


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=12))
def test_row_17_many_splits_change_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SAMPLE)]
    assert parse([SAMPLE[a:b] for a, b in pairwise(edges)]) == EXPECTED


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["data: ", "data:"]),
)
def test_row_18_any_text_survives_byte_by_byte(texts: list[str], ending: str, prefix: str) -> None:
    texts = [text for text in texts if not (prefix == "data:" and text.startswith(" "))]
    stream = "".join(f"{prefix}{text}{ending}{ending}" for text in texts).encode()
    assert [event.data.decode() for event in parse([bytes((byte,)) for byte in stream])] == texts


_TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1, max_size=8)
_ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[SseEvent]]:
    """A stream in any legal framing, each line with its own end, and the events that it stands for."""
    wire, expected = draw(st.sampled_from(["", "\ufeff"])), []

    def line(text: str) -> str:
        # A line feed behind a carriage return would belong to it.
        joins = not text and wire.endswith("\r")
        return text + draw(st.sampled_from(["\r\n", "\r"]) if joins else _ENDINGS)

    for name, texts in draw(st.lists(st.tuples(st.sampled_from(["", "error", "é"]), st.lists(_TEXTS, max_size=3)), max_size=4)):
        fields = [f"data:{draw(st.sampled_from(['', ' ']) if text[0] != ' ' else st.just(' '))}{text}" for text in texts]
        fields += [f"event: {name}"] if name else []
        fields += draw(st.lists(st.sampled_from([": ping", "id: 7", "retry: 1", "unknown", ":"]), max_size=2))
        order = draw(st.permutations(range(len(fields))))
        said = [texts[at] for at in order if at < len(texts)]
        for text in (*(fields[at] for at in order), ""):
            wire += line(text)
        expected += [SseEvent(name.encode(), "\n".join(said).encode())] if said else []
    return wire.encode(), expected


@given(streams(), st.data())
def test_rows_17_to_19_every_framing_in_every_cut_gives_the_same_events(given: tuple[bytes, list[SseEvent]], data: Any) -> None:
    wire, expected = given
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))
    edges = [0, *sorted(cuts), len(wire)]
    assert parse([wire[a:b] for a, b in pairwise(edges)]) == expected
    assert parse([bytes((byte,)) for byte in wire]) == expected


@given(streams())
def test_row_19_the_blank_line_at_the_end_may_be_missing(given: tuple[bytes, list[SseEvent]]) -> None:
    wire, expected = given
    assert parse([wire.rstrip(b"\r\n")]) == expected


def test_row_31_an_event_over_the_limit_is_refused_before_it_is_complete() -> None:
    parser = SseParser(max_event_bytes=100)
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLarge):
        parser.feed(b"x" * 10)


def test_row_31_many_lines_of_one_event_count_together() -> None:
    parser = SseParser(max_event_bytes=100)
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: 123456789\n" * 10)


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    parser = SseParser(max_event_bytes=20)
    assert len(parser.feed(b"data: 123456789\n\n" * 100)) == 100
