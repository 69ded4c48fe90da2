"""The cases of the bench: which fault, what is sent, what should come of it. The rows are those of ``docs/reliability.md``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from waypost.faults import judging as j
from waypost.faults.client import PATIENT, Client, Manner, Seen

Sender = Callable[[Client, str, bool], Awaitable[list[Seen]]]
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def once(manner: Manner = PATIENT, content: object = "hi") -> Sender:
    """One request."""

    async def send(client: Client, model: str, stream: bool) -> list[Seen]:
        return [await client.ask(model, stream=stream, manner=manner, content=content)]

    return send


def repeatedly(times: int, pause_s: float = 0.0) -> Sender:
    """Requests one after another."""

    async def send(client: Client, model: str, stream: bool) -> list[Seen]:
        seen = []
        for number in range(times):
            await asyncio.sleep(pause_s if number else 0)
            seen.append(await client.ask(model, stream=stream))
        return seen

    return send


def crowd(times: int, after_s: float | None = None) -> Sender:
    """Requests all at once; with ``after_s`` so long after a first one."""

    async def send(client: Client, model: str, stream: bool) -> list[Seen]:
        first = []
        if after_s is not None:
            first = [await client.ask(model, stream=stream)]
            await asyncio.sleep(after_s)
        return [*first, *await asyncio.gather(*(client.ask(model, stream=stream) for _ in range(times)))]

    return send


ONCE = once()


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the bench.

    ``healthy`` is how the gateway reaches an upstream that works: as a ``fallback``, as a ``replica`` of the same name, or not
    (``None``). ``label`` tells cases of one row and fault apart. ``heavy`` cases run alone, first, so that their load is not
    taken for the fault of another one.
    """

    row: int
    fault: str
    expected: str
    judge: j.Judge
    stream: bool = True
    healthy: str | None = "fallback"
    send: Sender = ONCE
    label: str = ""
    sees: bool = False
    heavy: bool = False

    @property
    def key(self) -> str:
        """The name of its model at the gateway, without prefix."""
        return "-".join(("row", f"{self.row:02}", self.fault, *((self.label,) if self.label else ()), self.mode))

    @property
    def mode(self) -> str:
        """Whether the answer is asked for as a stream or as a whole."""
        return "stream" if self.stream else "whole"

    @property
    def upstream_model(self) -> str:
        """The name of its model at faultd."""
        return f"{self.fault}@{self.key}"

    @property
    def healthy_model(self) -> str:
        """The name at faultd of the model that works."""
        return f"ok@{self.key}"


def _both_ways(row: int, faults: str, expected: str, judge: j.Judge) -> list[Case]:
    return [Case(row, fault, expected, judge, stream) for fault in faults.split() for stream in (True, False)]


def _streams(row: int, faults: str, expected: str, judge: j.Judge, healthy: str | None = "fallback") -> list[Case]:
    return [Case(row, fault, expected, judge, healthy=healthy) for fault in faults.split()]


_IMAGE = [
    {"type": "text", "text": "What is in the picture?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}},
]
_LEAVE_EARLY = once(Manner(leave_after_s=0.7))
_LEFT = "the upstream is let go within 1 s"
_VISIBLE = "the client can tell that it is incomplete"
_FALLBACK = "the fallback answers"

# The bench begins when the gateway has found that its upstream is there.
READY = Case(0, "ok", "answered", j.answered, healthy=None, label="ready")

CASES: tuple[Case, ...] = (
    # Connecting, and the head of the answer.
    *_both_ways(1, "refused", _FALLBACK, j.answered),
    *_both_ways(2, "no-host", _FALLBACK, j.answered),
    *_streams(3, "never-headers", "the fallback answers; the silent one is asked once", j.both(j.answered, j.at_most(1))),
    *_streams(4, "slow-headers", "the fallback answers; the slow one is asked once", j.both(j.answered, j.at_most(1))),
    Case(5, "429-ra3", "left alone for 3 s; the fallback answers", j.both(j.answered, j.paused(2.9)), send=repeatedly(4, 0.3)),
    *(
        Case(
            6, fault, "an error that says when to come back", j.both(j.error_of(429, 503), j.with_retry_after(s)), stream, None
        )
        for fault, s in (("429-ra3600", 3500), ("429-date90", 80), ("429-ms45000", 40))
        for stream in (True, False)
    ),
    *_both_ways(7, "401", _FALLBACK, j.answered),
    *_both_ways(7, "403", _FALLBACK, j.answered),
    Case(7, "401", "no fallback: 5xx, as it is not the caller's key", j.error_of(500, 502, 503), healthy=None, label="alone"),
    *_both_ways(8, "context-too-long", "the larger window answers; no retry", j.both(j.answered, j.at_most(1))),
    Case(8, "context-too-long", "no fallback: 400", j.error_of(400), healthy=None, label="alone"),
    *_both_ways(9, "500 503 529", _FALLBACK, j.answered),
    Case(9, "503-once", "asked again, and answered", j.answered, healthy=None),
    Case(
        9,
        "500",
        "40 at once, no fallback: retries add at most 20 %",
        j.few_extra(0.2),
        healthy=None,
        label="burst",
        send=crowd(40),
        heavy=True,
    ),
    *_both_ways(10, "redirect", "never followed", j.no_hit_elsewhere),
    *_both_ways(11, "html-200 empty-200", _FALLBACK, j.answered),
    # Streams.
    *_streams(12, "first-event-error", "the client sees only the fallback's answer", j.answered),
    *_streams(13, "role-then-error", "the client sees only the fallback's answer", j.answered),
    *_both_ways(14, "cut-3", _VISIBLE, j.told_incomplete),
    *_streams(14, "error-after-3", _VISIBLE, j.told_incomplete),
    *_streams(15, "stall-3", _VISIBLE, j.told_incomplete),
    *_streams(16, "malformed-event", "the rest arrives, or the client is told", j.whole_or_told, None),
    *_streams(17, "bytes", "the same text", j.answered, None),
    *_streams(19, "crlf cr no-space comments multi-line no-blank-line bom", "the same text", j.answered, None),
    *_streams(20, "no-done", "a whole answer", j.answered, None),
    *_streams(21, "end-3", _VISIBLE, j.told_incomplete),
    *_streams(22, "tool-cut", "no half call that looks whole", j.told_incomplete),
    Case(23, "cut-3", "no word comes twice", j.not_repeated, label="again"),
    Case(26, "never-headers", _LEFT, j.aborted, send=_LEAVE_EARLY, label="waiting"),
    Case(27, "endless", _LEFT, j.aborted, send=once(Manner(leave_after_bytes=2000))),
    Case(28, "never-headers", _LEFT, j.aborted, stream=False, send=_LEAVE_EARLY),
    Case(
        29, "flood", "it takes no more than sockets hold", j.bounded, healthy=None, send=once(Manner(unread_s=4.0)), heavy=True
    ),
    *(Case(30, "usage-zero", "0 stays 0", j.zero_stays_zero, stream, None) for stream in (True, False)),
    Case(31, "big-event", "cut short, and the client is told", j.both(j.told_incomplete, j.cut_short), heavy=True),
    # Retries, cooldowns, fallbacks.
    Case(
        32,
        "500",
        "no fallback: an error, after at most 3 upstream requests",
        j.both(j.error_of(500, 502, 503, 504), j.at_most(3)),
        healthy=None,
        label="alone",
    ),
    Case(
        33,
        "429-ra30",
        "429 or 503 with Retry-After, at once and from memory",
        j.both(j.error_of(429, 503), j.with_retry_after(1), j.paused(29)),
        healthy=None,
        send=repeatedly(3),
    ),
    Case(
        34,
        "429-ra2",
        "when its pause is over, one request tries, not all 30",
        j.one_probe,
        healthy=None,
        send=crowd(30, after_s=2.2),
        heavy=True,
    ),
    Case(
        35,
        "500",
        "the failing replica is left out after 20 requests",
        j.ejected,
        stream=False,
        healthy="replica",
        send=repeatedly(40),
        heavy=True,
    ),
    Case(37, "500", "a fallback that cannot see gets no image", j.never_chosen, sees=True, send=once(content=_IMAGE)),
    Case(
        40, "ok", "its name is 我的模型: answered, every time", j.answered, healthy=None, label="我的模型", send=repeatedly(3)
    ),
)
