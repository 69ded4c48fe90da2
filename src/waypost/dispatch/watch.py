"""Who knows how deployments do."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import Protocol

from waypost.errors import ProviderError
from waypost.fleet.slots import Admission
from waypost.fleet.timings import Timings


class Watch(Protocol):
    """Who knows how deployments do, and lets calls in: the fleet's live state.

    Every admission that is ``begun`` is followed by exactly one ``end``. A call that the caller gave up is neither a success
    nor a failure.
    """

    def begin(self, deployment_id: str, *, anyway: bool = False) -> Admission:
        """Asks whether a call may be made now; ``anyway`` also where the deployment cools."""
        ...

    async def slot(self, deployment_ids: Collection[str], wait_s: float) -> Admission:
        """Waits in a queue until one of these lets a call in, or none did in time."""
        ...

    def wake(self, deployment_id: str) -> Awaitable[None] | None:
        """What to wait for before the call, if its engine sleeps; raises a `ProviderError` if it does not wake up."""
        ...

    def end(self, deployment_id: str, *, probe: bool = False, worked: bool = False) -> None:
        """The call is over, however it went; ``worked``: it gave a complete answer."""
        ...

    def answers(self, deployment_id: str) -> None:
        """A probe gives output."""
        ...

    def answered(
        self, deployment_id: str, latency_s: float | None, *, stream: bool, session: str | None, background: bool = False
    ) -> None:
        """It committed to an answer, after so many seconds: to its first output, or to the whole of one not streamed.

        ``None``: it gave none yet. ``session`` is the conversation. ``background``: it is to a client's own work.
        """
        ...

    def outrun(self, deployment_id: str, latency_s: float, *, stream: bool) -> None:
        """Another one was quicker, when it had taken so long."""
        ...

    def p95_s(self, deployment_id: str, *, stream: bool) -> float | None:
        """The 95th percentile of the ``latency_s`` of its last answers of that kind; ``None`` while too few are known."""
        ...

    def timed(self, deployment_id: str, timings: Timings) -> None:
        """What its engine says of the work that a complete answer took."""
        ...

    def failed(self, deployment_id: str, error: ProviderError, *, key: int | None = None) -> None:
        """It failed with ``error``; whether that is its own fault is for the class of the error to say."""
        ...
