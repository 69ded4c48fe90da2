"""The parser of JSON lines gives the same lines whatever the pieces."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.dispatch.lines import LineParser
from waypost.dispatch.sse import EventTooLarge, SseEvent

SAMPLE = '\ufeff{"a": "é€😀你"}\r\n\n  \n{"b":\r 1}\n[DONE]'.encode()
EXPECTED = ['{"a": "é€😀你"}'.encode(), b'{"b":\r 1}', b"[DONE]"]
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8), lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def parse(pieces: list[bytes]) -> list[bytes]:
    parser = LineParser()
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.flush()
    assert all(isinstance(event, SseEvent) and not event.name for event in events)
    return [event.data for event in events]


def test_rows_17_and_18_two_splits_anywhere_change_nothing() -> None:
    for first in range(len(SAMPLE) + 1):
        for second in range(first, len(SAMPLE) + 1):
            assert parse([SAMPLE[:first], SAMPLE[first:second], SAMPLE[second:]]) == EXPECTED


@given(st.lists(VALUES, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), st.booleans(), st.data())
def test_rows_17_and_18_any_values_survive_any_cut(
    values: list[Any], ending: str, ascii_only: bool, ended: bool, data: Any
) -> None:
    lines = [json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace") for value in values]
    wire = ending.encode().join(lines) + (ending.encode() if ended else b"")
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))
    assert parse([wire[a:b] for a, b in pairwise([0, *sorted(cuts), len(wire)])]) == lines
    assert parse([bytes((byte,)) for byte in wire]) == lines


def test_row_31_a_line_over_the_limit_is_refused_before_it_is_complete() -> None:
    parser = LineParser(max_event_bytes=100)
    parser.feed(b"x" * 100)
    with pytest.raises(EventTooLarge):
        parser.feed(b"x")
    with pytest.raises(EventTooLarge):
        LineParser(max_event_bytes=100).feed(b"x" * 101 + b"\n")


def test_the_limit_is_for_one_line_not_for_the_stream() -> None:
    assert len(LineParser(max_event_bytes=20).feed(b"123456789\n" * 100)) == 100
