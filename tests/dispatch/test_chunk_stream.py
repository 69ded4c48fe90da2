"""What a packet of a stream becomes."""

from __future__ import annotations

import json

import pytest
from desk import Desk

from waypost.dispatch.chunk_stream import ChunkStream
from waypost.dispatch.events import Bypass, Event
from waypost.errors import ProviderError


def frame(*words: str) -> bytes:
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in words]
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


class Taken:
    """A bypass that keeps what it takes."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, str]] = []
        self.bypass = Bypass()
        self.bypass.take = self._take

    def _take(self, payload: bytes, text: str) -> bool:
        self.found.append((payload, text))
        return True


async def test_a_whole_event_that_only_adds_text_may_pass_by(desk: Desk) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), bypass=taken.bypass)
    assert not stream.pass_by(frame("a"))  # nothing is known of this engine's chunks
    assert [event.text for event in stream.feed(frame("a"))] == ["a"]
    assert stream.pass_by(frame("b"))
    assert taken.found == [(frame("b")[6:-2], "b")]
    assert [event.text for event in stream.feed(frame("c"))] == ["c"]


@pytest.mark.parametrize(
    "data",
    [
        frame("b")[:-1],
        frame("b") + b"\n",
        frame("b", "c"),
        frame('"'),
        frame(""),
        frame("b").replace(b"null", b'"stop"'),
        frame("b").replace(b"data: ", b"data:"),
        b"event: error\n" + frame("b"),
        b": ping\n" + frame("b"),
        b"data: [DONE]\n\n",
    ],
)
async def test_everything_else_has_to_be_read(desk: Desk, data: bytes) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), bypass=taken.bypass)
    list(stream.feed(frame("a")))
    assert not stream.pass_by(data)
    assert taken.found == []


@pytest.mark.parametrize("begun", [b"d", frame("b")[:20], b"event: error\n", b": ping\n", b"data: {}\n"])
async def test_nothing_passes_by_an_event_that_has_begun(desk: Desk, begun: bytes) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), bypass=taken.bypass)
    list(stream.feed(frame("a") + begun))
    assert not stream.pass_by(frame("b"))


async def test_what_was_left_out_before_a_chunk_is_counted_with_it(desk: Desk) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), bypass=taken.bypass)
    assert [event.text for event in stream.feed(frame("a") + b"data: nonsense\n\n")] == ["a"]
    assert not stream.pass_by(frame("b"))
    assert [event.skipped for event in stream.feed(frame("b"))] == [1]
    assert stream.pass_by(frame("c"))


async def test_an_event_over_the_limit_does_not_pass_by(desk: Desk) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), len(frame("a")), bypass=taken.bypass)
    list(stream.feed(frame("a")))
    assert stream.pass_by(frame("b"))
    assert not stream.pass_by(frame("bb"))


async def test_lines_of_json_do_not_pass_by(desk: Desk) -> None:
    taken = Taken()
    stream = ChunkStream(desk.deployment("ok"), content_type="application/x-ndjson", bypass=taken.bypass)
    list(stream.feed(frame("a")[6:]))
    assert not stream.pass_by(frame("b")[6:])
    assert [event.text for event in stream.feed(frame("b")[6:])] == ["b"]
