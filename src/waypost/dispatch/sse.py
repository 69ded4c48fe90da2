"""Server-sent events, read as they come."""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 8 << 20
BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event: its ``data`` lines joined by a line feed, and its ``event`` name, empty if it has none."""

    name: bytes
    data: bytes


class EventTooLarge(Exception):
    """One event is larger than the parser may hold."""


class SseParser:
    """Turns bytes into events, whatever the pieces they come in.

    It follows the HTML standard (line ends LF, CRLF and CR, comments, ``data:`` with and without a space, many ``data`` lines,
    a byte order mark), with one difference: ``flush`` gives the last event even when its blank line is missing, because
    engines forget it. ``held_bytes`` are those of an event that is not complete.
    """

    __slots__ = ("_after_cr", "_data", "_first_line", "_max_event_bytes", "_name", "_pieces", "held_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._name = b""
        self.held_bytes = 0
        self._after_cr = False
        self._first_line = True

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that ``chunk`` completes. Raises ``EventTooLarge`` as soon as one passes the limit."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines(keepends=True)
        rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._pieces:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self.held_bytes -= sum(map(len, self._pieces))
            self._pieces.clear()
        events = self._take(lines)
        if rest:
            self._pieces.append(rest)
            self._count(len(rest))
        return events

    def flush(self) -> list[SseEvent]:
        """What is left when the stream has ended."""
        lines = [b"".join(self._pieces)] if self._pieces else []
        self._pieces.clear()
        self.held_bytes = 0
        return self._take([*lines, b"\n"])

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        events = []
        for ended in lines:
            line = ended.rstrip(b"\r\n")
            if self._first_line:
                line = line.removeprefix(BOM)
                self._first_line = False
            if line:
                self._count(len(ended))
                self._field(line)
                continue
            if self._data:
                events.append(SseEvent(self._name, b"\n".join(self._data)))
                self._data.clear()
            self._name = b""
            self.held_bytes = 0
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _count(self, size: int) -> None:
        self.held_bytes += size
        if self.held_bytes > self._max_event_bytes:
            raise EventTooLarge
