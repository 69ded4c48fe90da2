"""What a packet of a stream becomes."""

from __future__ import annotations

import json

import pytest
from desk import Desk

from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.events import Event
from waypost.errors import ProviderError


def frame(*words: str) -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in words]
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


async def test_all_events_of_a_packet_but_the_last_say_that_there_are_more(desk: Desk) -> None:
    stream = ChunkStream(desk.deployment("ok"))
    assert [(event.text, event.more) for event in stream.feed(frame("a", "b", "c"))] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]
    assert [(event.text, event.more) for event in stream.feed(frame("d"))] == [("d", False)]
    assert [(event.text, event.more) for event in stream.feed(frame("e") + b"data: nonsense\n\n: ping\n\n")] == [("e", False)]
    assert [(event.text, event.more) for event in stream.feed(frame("f") + b"data: [DONE]\n\n")] == [("f", False)]


async def test_what_came_before_an_error_waits_for_nothing(desk: Desk) -> None:
    seen: list[Event] = []
    with pytest.raises(ProviderError):
        seen.extend(ChunkStream(desk.deployment("ok")).feed(frame("a", "b") + b'data: {"error": {"message": "gone"}}\n\n'))
    assert [(event.text, event.more) for event in seen] == [("a", True), ("b", False)]
