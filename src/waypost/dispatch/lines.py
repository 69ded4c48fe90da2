"""Lines of JSON (NDJSON, JSON Lines), read as they come."""

from __future__ import annotations

from waypost.dispatch.sse import BOM, MAX_EVENT_BYTES, EventTooLarge, SseEvent

# What engines and proxies call it; nobody has registered a name.
CONTENT_TYPES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines"}
)


class LineParser:
    """Turns bytes into lines, whatever the pieces they come in: ``SseParser`` for engines that send one JSON value a line.

    Only a line feed ends a line: a carriage return may stand between the tokens of a value. Blank lines are no events, a byte
    order mark and blanks around a value are not part of it, and ``flush`` gives the last line even without its end.
    """

    __slots__ = ("_first", "_max_event_bytes", "_pieces", "held_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self.held_bytes = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The lines that ``chunk`` completes. Raises ``EventTooLarge`` as soon as one passes the limit."""
        *ended, rest = chunk.split(b"\n")
        events = []
        for part in ended:
            line = self._whole(part)
            if line:
                events.append(SseEvent(b"", line))
        self._hold(rest)
        return events

    def flush(self) -> list[SseEvent]:
        """What is left when the stream has ended."""
        line = self._whole(b"")
        return [SseEvent(b"", line)] if line else []

    def _whole(self, last: bytes) -> bytes:
        """The line that ends with ``last``; empty for a blank one."""
        self._hold(last)
        line = b"".join(self._pieces)
        self._pieces.clear()
        self.held_bytes = 0
        if self._first:
            line = line.removeprefix(BOM)
            self._first = False
        return line.strip()

    def _hold(self, piece: bytes) -> None:
        self.held_bytes += len(piece)
        if self.held_bytes > self._max_event_bytes:
            raise EventTooLarge
        if piece:
            self._pieces.append(piece)
