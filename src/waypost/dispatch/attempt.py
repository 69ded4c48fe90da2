"""One call to one deployment, or what the cache did in its place, as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from waypost.dispatch.answer_check import Verdict
from waypost.dispatch.events import Usage


@dataclass(slots=True)
class Attempt:
    """How one call went, or how it goes: only who makes the call changes it. ``None`` is "did not happen".

    Times are seconds since the request was read. ``error`` is a code of ``waypost.errors`` (``None``: it worked), ``message``
    its sentence. ``committed`` says that output reached the client, so that nobody else could be asked any more.
    ``skipped_events`` counts unreadable pieces of the stream.
    ``verdict`` says whether the answer was what was asked for (`waypost.dispatch.answer_check`); ``None`` where nothing was to
    be checked, or nothing can be said. ``load_s`` is how long the engine says that the call waited for its model to be loaded.
    """

    deployment: str
    started_s: float
    ended_s: float
    first_output_s: float | None = None
    committed: bool = False
    error: str | None = None
    message: str | None = None
    upstream_status: int | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    skipped_events: int = 0
    verdict: Verdict | None = None
    load_s: float | None = None


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the cache did for a request.

    ``hit``: the answer was kept; ``shared``: a request like it was just getting one; ``miss``: it had to be made. For the first
    two, ``deployment`` is who had made it, and ``finish_reason`` why it had ended: nobody was called.
    """

    state: Literal["hit", "shared", "miss"]
    deployment: str | None = None
    finish_reason: str | None = None
