"""The parser of server-sent events gives the same events whatever the pieces."""

from __future__ import annotations

from itertools import pairwise

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
