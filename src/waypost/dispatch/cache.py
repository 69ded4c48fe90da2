"""The response cache: a request that is the same as an earlier one gets its answer, and makes no call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from waypost.decide.card import Decision
from waypost.dispatch.answer import Answer
from waypost.dispatch.answer_store import AnswerStore, StoredAnswer, size_of
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.attempt_log import AttemptLog
from waypost.dispatch.cache_key import cache_key
from waypost.dispatch.events import Event, Take
from waypost.errors import WaypostError
from waypost.fleet.deployment import Deployment
from waypost.fleet.view import FleetView
from waypost.turn import Turn

WAIT_S = 30.0
"""How long a request waits for the answer to another one like it, before it makes a call of its own."""

_Place = tuple[asyncio.AbstractEventLoop, bytes]


class AnswerCache:
    """Keeps the complete answers of some routes, and lets requests that are the same at the same time make one call.

    ``ttls`` has the seconds that answers are kept, by route. One that is larger than ``max_answer_bytes`` is not kept. Answers
    are kept for all event loops of the process; requests wait for each other within one.
    """

    def __init__(self, store: AnswerStore, ttls: Mapping[str, float], *, max_answer_bytes: int) -> None:
        self._store = store
        self._ttls = ttls
        self._max_answer_bytes = max_answer_bytes
        self._flights: dict[_Place, _Flight] = {}

    async def open(
        self, turn: Turn, decision: Decision, fleet: FleetView, log: AttemptLog, call: Callable[[], Awaitable[Answer]]
    ) -> Answer | KeptAnswer:
        """The answer that is kept, or that a request like this one is getting; else what ``call`` gives, to be kept.

        ``log`` gets what the cache did. Raises what ``call`` raises: the failure of somebody else is never given on.
        """
        ttl_s = self._ttls.get(decision.route or "")
        if ttl_s is None:
            return await call()
        wishes = {wish.strip().lower() for wish in turn.cache_control.split(",")}
        key = None if "no-store" in wishes else cache_key(turn, decision, fleet)
        if key is None:
            return await call()
        place = asyncio.get_running_loop(), key
        kept = None if "no-cache" in wishes else await self._wait_for(place, {one.deployment for one in decision.candidates})
        if kept is not None:
            log.cache = kept.cache
            return kept
        log.cache = CacheUse("miss")
        flight = _Flight(self._flights, place)

        def keep(answer: StoredAnswer) -> None:
            # Whoever answers because others failed must not go on answering when they are well again.
            if answer.finish_reason == "stop" and answer.deployment.id == decision.candidates[0].deployment:
                self._store.put(key, answer, ttl_s)

        try:
            answer = await call()
        except BaseException:
            flight.end(None)
            raise
        answer.keeper = _Keeping(answer.deployment, keep, flight, self._max_answer_bytes)
        return answer

    async def _wait_for(self, place: _Place, allowed: set[str]) -> KeptAnswer | None:
        """The answer that is kept, or that another request gets within ``WAIT_S``; ``None``: this one has to make a call.

        ``allowed`` are the deployments that passed the guards of this request: nobody else answers it, not from here either.
        """
        loop, key = place
        until = loop.time() + WAIT_S
        while True:
            found = self._store.get(key)
            if found is not None and found.deployment.id in allowed:
                return KeptAnswer(found, CacheUse("hit", found.deployment.id, found.finish_reason))
            ahead = self._flights.get(place)
            left_s = until - loop.time()
            if ahead is None or left_s <= 0:
                return None
            shared = await ahead.landed(left_s)
            if shared is not None and shared.deployment.id in allowed:
                return KeptAnswer(shared, CacheUse("shared", shared.deployment.id, shared.finish_reason))


class KeptAnswer:
    """An answer that was made before, as it was sent then: read like any other `Answer`. There is nothing to free."""

    __slots__ = ("_events", "attempts", "broken", "cache", "deployment", "ended")

    def __init__(self, answer: StoredAnswer, cache: CacheUse) -> None:
        self.deployment: Deployment = answer.deployment
        self.attempts: tuple[Attempt, ...] = ()
        self.cache: CacheUse | None = cache
        self.ended = False
        self.broken: WaypostError | None = None
        self._events = answer.events

    def whole(self) -> tuple[Event, ...]:
        """All of it, at once."""
        self.ended = True
        return self._events

    async def events(self, take: Take | None = None) -> AsyncGenerator[Event, None]:
        """All of it. There is nothing to wait for, and so nothing to ``take``."""
        del take
        for event in self._events:
            yield event
        self.ended = True

    async def aclose(self) -> None:
        """Nothing to do."""

    def abandon(self) -> None:
        """Nothing to do."""


class _Keeping:
    """Holds on to an answer as it passes. Only one that came to its end is given to ``keep``, and ends the flight with that."""

    __slots__ = ("_deployment", "_finish_reason", "_flight", "_held", "_keep", "_max_bytes", "_size")

    def __init__(self, deployment: Deployment, keep: Callable[[StoredAnswer], None], flight: _Flight, max_bytes: int) -> None:
        self._deployment = deployment
        self._keep = keep
        self._flight = flight
        self._max_bytes = max_bytes
        self._held: list[Event] = []
        self._size = 0
        self._finish_reason: str | None = None

    def see(self, event: Event) -> None:
        """The next event."""
        self._size += size_of(event)
        if self._size <= self._max_bytes:
            self._held.append(_without_text(event))
        self._finish_reason = event.finish_reason or self._finish_reason

    def complete(self) -> None:
        """All of it is here."""
        if self._size <= self._max_bytes:
            answer = StoredAnswer(self._deployment, tuple(self._held), self._finish_reason, self._size)
            self._keep(answer)
            self._flight.end(answer)

    def give_up(self) -> None:
        """Somebody else may make it."""
        self._flight.end(None)


def _without_text(event: Event) -> Event:
    """The event as it is sent again: its text is for counting tokens, and it would take as much room as the payload."""
    return Event(event.payload, event.output, event.finish_reason, event.usage, event.usage_only)


class _Flight:
    """A call that others may wait for, unless they wait for another one already. It ends once, with an answer or without."""

    __slots__ = ("_flights", "_future", "_place")

    def __init__(self, flights: dict[_Place, _Flight], place: _Place) -> None:
        self._place = place
        self._flights = flights
        self._future: asyncio.Future[StoredAnswer | None] = place[0].create_future()
        flights.setdefault(place, self)

    def end(self, answer: StoredAnswer | None) -> None:
        """Wakes all who wait. Any thread may call it: an answer that nobody reads is collected wherever that happens."""
        if self._flights.get(self._place) is not self:
            return
        del self._flights[self._place]
        loop = self._place[0]
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._future.set_result, answer)

    async def landed(self, timeout_s: float) -> StoredAnswer | None:
        """The answer, as soon as there is one; ``None`` when there will be none, or not in time."""
        await asyncio.wait((self._future,), timeout=timeout_s)
        return self._future.result() if self._future.done() else None
