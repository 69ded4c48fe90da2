"""The commit point: up to the first real output another deployment may still answer; after it nobody else may."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass

from waypost.dispatch.events import Event, Events
from waypost.errors import ProviderProtocolError, ProviderTimeout
from waypost.fleet.deployment import Deployment
from waypost.http.deadline import Deadline
from waypost.value import value

_NO_DEADLINE = nullcontext()


@dataclass(frozen=True, slots=True)
class CommitBounds:
    """How much may be held back while we wait for the first real output.

    An engine that passes ``max_bytes`` or ``max_events`` without output is still answering, so what is held is sent on as it
    is; one that passes ``max_s`` has failed.
    """

    max_bytes: int = 1 << 20
    max_events: int = 256
    max_s: float = 600.0


@value(frozen=True, slots=True)
class Head:
    """The events up to the commit point. ``complete``: there are no others."""

    events: tuple[Event, ...]
    complete: bool


async def read_head(events: Events, bounds: CommitBounds, deployment: Deployment, *, stream: bool, whole: bool = False) -> Head:
    """The first events of an answer, up to its first output or its finish reason; all of an answer that is not streamed.

    With ``whole``, all of a stream too, unless it is longer than ``bounds.max_bytes``. Raises the lane's ``ProviderError`` if
    the answer fails before that: then nothing of it was shown to anybody.
    """
    held: list[Event] = []
    held_bytes = 0
    # Where the lane gives up no later, a second timer for every request would be for nothing.
    deadline = Deadline(bounds.max_s) if bounds.max_s < deployment.timeouts.total_s else _NO_DEADLINE
    try:
        with deadline:
            async for event in events:
                held.append(event)
                held_bytes += len(event.payload)
                if not stream:
                    continue
                begun = event.output or event.finish_reason is not None or len(held) >= bounds.max_events
                if held_bytes >= bounds.max_bytes or (begun and not whole):
                    return Head(tuple(held), complete=False)
    except asyncio.TimeoutError as error:
        name = deployment.id
        raise ProviderTimeout(f"{name} gave no output within {bounds.max_s:g} s", deployment=name) from error
    if not held:
        raise ProviderProtocolError(f"{deployment.id} answered with nothing", deployment=deployment.id)
    return Head(tuple(held), complete=True)
