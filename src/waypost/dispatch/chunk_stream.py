"""A stream of chunks in OpenAI's form: bytes in, events out, and a verdict on whether it came to its end."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from waypost.dispatch.chunk_shape import EVENT, EVENT_END, ChunkShape, shape_of
from waypost.dispatch.classify import from_event
from waypost.dispatch.conform import Form
from waypost.dispatch.events import Bypass, Event
from waypost.dispatch.lines import CONTENT_TYPES, LineParser
from waypost.dispatch.reading import error_in, is_answer
from waypost.dispatch.sse import MAX_EVENT_BYTES, EventTooLarge, SseEvent, SseParser
from waypost.errors import ProviderError, ProviderProtocolError
from waypost.fleet.deployment import Deployment

# An engine whose chunks have no shape in common is not asked for one for ever: each look costs one, each use of it gains one.
_LOOKS = 8


class ChunkStream:
    """Reads one stream. A chunk in the right form goes on as the bytes that came; what cannot be read is left out and counted.

    It comes as server-sent events, or as lines of JSON where ``content_type`` says so. A chunk is written anew only where
    something in it has to be mended, or where it came in several lines.

    A stream is complete with ``[DONE]``, or with a finish reason for every choice: engines forget the one or the other. One
    that has neither was cut, however politely the connection was closed.
    """

    __slots__ = (
        "_bypass",
        "_deployment",
        "_event_shape",
        "_finished",
        "_form",
        "_looks",
        "_max_event_bytes",
        "_parser",
        "_seen",
        "_shape",
        "_skipped",
        "done",
    )

    def __init__(
        self,
        deployment: Deployment,
        max_event_bytes: int = MAX_EVENT_BYTES,
        content_type: str = "",
        bypass: Bypass | None = None,
    ) -> None:
        self._deployment = deployment
        self._bypass = bypass
        self._max_event_bytes = max_event_bytes
        self._parser = (LineParser if content_type in CONTENT_TYPES else SseParser)(max_event_bytes)
        self._form = Form(deployment.model)
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._skipped = 0
        self._shape: ChunkShape | None = None
        self._event_shape: ChunkShape | None = None
        self._looks = _LOOKS
        self.done = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that ``data`` completes. An error event of the engine raises, after what came before it."""
        try:
            found = self._parser.feed(data)
        except EventTooLarge as error:
            raise self._broken("sent one event that is larger than Waypost accepts") from error
        return told_apart(self._read(found)) if len(found) > 1 else self._read(found)

    def pass_by(self, data: bytes) -> bool:
        """Whether ``data`` was one whole event that does no more than add text, and was taken; else it is to be fed."""
        bypass, shape = self._bypass, self._event_shape
        if shape is None or bypass is None or bypass.take is None:
            return False
        if self._skipped or self._parser.held_bytes or len(data) > self._max_event_bytes:
            return False
        text = shape.text_of(data)
        if text is None or not bypass.take(data[len(EVENT) : -len(EVENT_END)], text):
            return False
        self._looks += 1
        return True

    def end(self) -> Iterator[Event]:
        """The rest, when the connection has closed; raises if the answer is not complete."""
        yield from self._read(self._parser.flush())
        if self.done or (self._finished and self._seen <= self._finished):
            yield from self._form.rest()
            return
        if not self._seen and self._skipped:
            raise self._broken("answered with nothing that can be read")
        raise self._broken("ended the stream before its end" if self._seen else "answered with an empty stream")

    def _read(self, found: list[SseEvent]) -> Iterator[Event]:
        for name, data in found:
            if self.done:
                return
            if data == b"[DONE]":
                self.done = True
                yield from self._form.rest()
                return
            event = self._event(name, data)
            if event is not None:
                yield event

    def _event(self, name: bytes, data: bytes) -> Event | None:
        if self._shape is not None and not name:
            text = self._shape.text_of(data)
            if text is not None:
                self._looks += 1
                skipped, self._skipped = self._skipped, 0
                return Event(data, output=True, text=text, skipped=skipped)
        return self._parsed(name, data)

    def _parsed(self, name: bytes, data: bytes) -> Event | None:
        try:
            parsed = orjson.loads(data)
        except orjson.JSONDecodeError:
            parsed = None
        if name == b"error":
            raise from_event(self._deployment, parsed or data.decode("utf-8", "replace"))
        if isinstance(parsed, dict):
            said = error_in(parsed)
            if said is not None:
                raise from_event(self._deployment, said)
        if not is_answer(parsed):
            self._skipped += 1
            return None
        payload = orjson.dumps(parsed) if b"\n" in data else data
        event = self._form.chunk(payload, parsed, skipped=self._skipped)
        for choice in parsed["choices"]:
            index = choice["index"]
            self._seen.add(index)
            if choice["finish_reason"]:
                self._finished.add(index)
        self._skipped = 0
        self._shape = self._event_shape = None
        if event.payload is data and self._looks > 0:
            self._looks -= 1
            self._shape = shape_of(data, parsed)
            if self._shape is not None and isinstance(self._parser, SseParser):
                self._event_shape = self._shape.as_event()
        return event

    def _broken(self, verdict: str) -> ProviderProtocolError:
        return ProviderProtocolError(f"{self._deployment.id} {verdict}", deployment=self._deployment.id)


def told_apart(events: Iterator[Event]) -> Iterator[Event]:
    """Events of one packet: all but the last say that there are more."""
    last: Event | None = None
    try:
        for event in events:
            if last is not None:
                last.more = True
                yield last
            last = event
    except ProviderError:
        if last is not None:
            yield last
        raise
    if last is not None:
        yield last
