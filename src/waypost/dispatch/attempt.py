"""One call to one deployment, as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.dispatch.events import Usage


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one call went. Times are seconds since the request was read; ``None`` is "did not happen".

    ``error`` is a code of ``waypost.errors`` (``None``: it worked), ``message`` its sentence. ``committed`` says that output
    reached the client, so that nobody else could be asked any more. ``skipped_events`` counts unreadable pieces of the stream.
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
