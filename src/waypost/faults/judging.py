"""What counts as right: from what the client saw and what the upstream saw, and from nothing that only one gateway has.

A judge returns why the gateway failed, or ``None`` if it did what it should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from waypost.faults.client import Seen
from waypost.faults.exchange import TEXT, WORDS, Hit

ABORT_S = 1.0
# What sockets on the way may hold: two hops on loopback, each with a full send and a full receive buffer.
_BUFFERS_BYTES = 24 * 2**20


@dataclass(frozen=True, slots=True)
class Evidence:
    """All requests of one case as the client saw them, and the hits at the failing upstream and at the healthy one."""

    seen: tuple[Seen, ...]
    hits: tuple[Hit, ...]
    healthy: tuple[Hit, ...]
    elsewhere: int = 0

    @property
    def last(self) -> Seen:
        """The last request."""
        return self.seen[-1]

    @property
    def asked(self) -> bool:
        """Some upstream of the case was asked. Where none was, the gateway's own doing cannot be told from a wrong config."""
        return bool(self.hits or self.healthy)


Judge = Callable[[Evidence], str | None]


def both(*judges: Judge) -> Judge:
    """All of them; the first reason counts."""
    return lambda evidence: next((reason for judge in judges if (reason := judge(evidence)) is not None), None)


def answered(evidence: Evidence) -> str | None:
    """Every client got the whole answer once, and no error."""
    for seen in evidence.seen:
        if seen.told or not seen.complete:
            return f"no answer: {outcome(seen)}"
        if seen.text != TEXT:
            return f"another text: {seen.text[:60]!r}"
    return None


def at_most(hits: int) -> Judge:
    """The failing upstream was asked no more often than that."""

    def judge(evidence: Evidence) -> str | None:
        return f"asked {len(evidence.hits)} times" if len(evidence.hits) > hits else None

    return judge


def no_hit_elsewhere(evidence: Evidence) -> str | None:
    """Nobody followed the redirect."""
    return "followed the redirect" if evidence.elsewhere else None


def told_incomplete(evidence: Evidence) -> str | None:
    """The client can tell that the answer is incomplete; or it got the whole one, from somewhere, exactly once."""
    seen = evidence.last
    if seen.complete:
        return None if seen.text == TEXT and not seen.calls else f"half an answer that looks whole: {outcome(seen)}"
    return None if seen.told else "it just ends, with neither an error nor an end mark"


def whole_or_told(evidence: Evidence) -> str | None:
    """The rest arrives, or the client is told; it never loses words without a sign."""
    return None if evidence.last.told else answered(evidence)


def not_repeated(evidence: Evidence) -> str | None:
    """No word that the client had already got came again."""
    text = evidence.last.text
    return "the beginning came twice" if text.count(WORDS[0]) > 1 else None


def error_of(*statuses: int) -> Judge:
    """The client got an error with one of these statuses."""

    def judge(evidence: Evidence) -> str | None:
        return None if evidence.last.status in statuses else outcome(evidence.last)

    return judge


def with_retry_after(least_s: float) -> Judge:
    """The error says for how long to wait, and says no less than that."""

    def judge(evidence: Evidence) -> str | None:
        told = evidence.last.headers.get("retry-after", "")
        if not told.replace(".", "", 1).isdigit():
            return f"{outcome(evidence.last)}, without a number in Retry-After"
        return None if float(told) >= least_s else f"Retry-After: {told}"

    return judge


def paused(seconds: float) -> Judge:
    """The upstream that asked for a pause was left alone for that long."""

    def judge(evidence: Evidence) -> str | None:
        gaps = [hit.at_s - evidence.hits[0].at_s for hit in evidence.hits[1:]]
        return f"asked again after {min(gaps):.1f} s" if gaps and min(gaps) < seconds else None

    return judge


def aborted(evidence: Evidence) -> str | None:
    """The upstream lost its client within a second after ours had left, and nobody else was asked."""
    if not evidence.hits:
        return "the upstream was not asked"
    hit = evidence.hits[0]
    if hit.left_at_s is None:
        return "the upstream works on"
    late = hit.left_at_s - evidence.last.ended_s
    if late > ABORT_S:
        return f"the upstream worked on for {late:.1f} s"
    return None if len(evidence.hits) == 1 and not evidence.healthy else "somebody else was asked for a client that had left"


def bounded(evidence: Evidence) -> str | None:
    """What a client does not read stays at the upstream, once the buffers of the sockets are full."""
    sent = sum(hit.sent for hit in evidence.hits)
    if not evidence.hits:
        return "the upstream was not asked"
    return f"took {sent >> 20} MiB that nobody read" if sent > _BUFFERS_BYTES else None


def cut_short(evidence: Evidence) -> str | None:
    """The upstream could not send its 20 MB in one event."""
    sent = max((hit.sent for hit in evidence.hits), default=0)
    return f"took {sent / 1e6:.0f} MB in one event" if sent > 19_000_000 else None


def zero_stays_zero(evidence: Evidence) -> str | None:
    """A usage of nothing is not replaced by an estimate."""
    usage = evidence.last.usage or {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    return None if counts in ((0, 0), (None, None)) else f"usage {counts[0]} + {counts[1]}"


def few_extra(share: float) -> Judge:
    """Retries add no more than that share to the load of a failing upstream."""

    def judge(evidence: Evidence) -> str | None:
        most = len(evidence.seen) * (1 + share)
        return f"{len(evidence.hits)} for {len(evidence.seen)} requests" if len(evidence.hits) > most else None

    return judge


def one_probe(evidence: Evidence) -> str | None:
    """When the pause is over, one request tries; the crowd waits or goes elsewhere. What tries again after a new pause may."""
    crowd = [hit.at_s for hit in evidence.hits if hit.at_s >= evidence.seen[1].started_s]
    at_once = sum(at_s < crowd[0] + 1 for at_s in crowd)
    return f"{at_once} requests at once" if at_once > 1 else None


def ejected(evidence: Evidence) -> str | None:
    """In the second half of the requests the replica that always fails is hardly asked any more."""
    half = evidence.seen[len(evidence.seen) // 2].started_s
    late = sum(hit.at_s >= half for hit in evidence.hits)
    return f"asked {late} times in the last {len(evidence.seen) // 2} requests" if late > 2 else None


def never_chosen(evidence: Evidence) -> str | None:
    """The fallback that cannot do it was not asked."""
    return "the fallback that cannot see was sent the image" if evidence.healthy else None


def outcome(seen: Seen) -> str:
    """One request in a few words."""
    if seen.left:
        return "the client left"
    parts = [str(seen.status or "no response")]
    if seen.complete:
        parts.append("whole answer" if seen.text == TEXT else f"{len(seen.text)} characters, ended as if whole")
    elif seen.status == 200:
        parts.append(f"{len(seen.text)} characters")
    if seen.error is not None:
        parts.append("error in the stream" if seen.status == 200 else "error")
    if seen.broken is not None:
        parts.append(f"transfer broken ({seen.broken})")
    return ", ".join(parts)
