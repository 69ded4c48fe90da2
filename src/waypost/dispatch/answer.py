"""An answer that somebody has committed to: its events, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from waypost.dispatch.answer_check import Verdict
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.attempt_log import AttemptLog, AttemptRecord
from waypost.dispatch.commit import Head
from waypost.dispatch.events import Bypass, Event, Events, Take
from waypost.dispatch.watch import Watch
from waypost.errors import ProviderError, StreamBroken, ToolCallInvalid, WaypostError
from waypost.fleet.deployment import Deployment


class Run:
    """One attempt under way, which the watch has let in: whatever ends it, it ends once.

    ``probe`` says that it decides whether its deployment is used again, ``key`` which of several keys it uses.
    """

    __slots__ = ("_clock", "_key", "_probe", "_started", "_watch", "ended", "record")

    def __init__(
        self,
        record: AttemptRecord,
        watch: Watch,
        clock: Callable[[], float],
        started: float,
        *,
        probe: bool = False,
        key: int | None = None,
    ) -> None:
        self.record = record
        self.ended = False
        self._watch = watch
        self._probe = probe
        self._key = key
        self._clock = clock
        self._started = started

    def now_s(self) -> float:
        """Seconds since the request was read."""
        return self._clock() - self._started

    def commit(self) -> None:
        """Its output goes to the caller."""
        self.record.attempt.committed = True
        if self._probe:
            self._watch.answers(self.record.deployment.id)

    def succeed(self) -> None:
        """The answer is complete."""
        if self._over():
            if self.record.timings is not None:
                self._watch.timed(self.record.deployment.id, self.record.timings)
            self._watch.end(self.record.deployment.id, probe=self._probe, worked=True)

    def fail(self, error: ProviderError, shown: ProviderError) -> None:
        """The engine failed with ``error``; the caller sees ``shown``."""
        if self._over():
            self.record.fail(shown)
            # Before its slot goes to somebody who waits: they should not get one of an engine that has just died.
            self._watch.failed(self.record.deployment.id, error, key=self._key)
            self._leave()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        if self._over():
            self.record.cancel()
            self._leave()

    def crash(self) -> None:
        """Something of ours went wrong."""
        if self._over():
            self.record.crash()
            self._leave()

    def _over(self) -> bool:
        if self.ended:
            return False
        self.ended = True
        self.record.end(self.now_s())
        return True

    def _leave(self) -> None:
        self._watch.end(self.record.deployment.id, probe=self._probe)


class Keeper(Protocol):
    """Who holds on to an answer as it passes."""

    def see(self, event: Event) -> None:
        """The next event."""
        ...

    def complete(self) -> None:
        """It has come to its end."""
        ...

    def give_up(self) -> None:
        """There will be no more of it. Nothing happens if it has come to its end; any thread may call it."""
        ...


class Answer:
    """An answer that a deployment has committed to. Read ``events`` to the end or call ``aclose``: either frees the engine.

    One that is not streamed is complete from the beginning: `whole` gives it. When it is over, ``ended`` says that all of it
    was read, and ``broken`` why it broke off. ``keeper``, if there is one, sees all of it. ``bypass`` leads past ``rest``.
    """

    __slots__ = ("_bypass", "_head", "_log", "_rest", "_run", "broken", "deployment", "ended", "keeper")

    def __init__(
        self,
        deployment: Deployment,
        log: AttemptLog,
        run: Run,
        head: Head,
        rest: Events,
        bypass: Bypass | None = None,
    ) -> None:
        self.deployment = deployment
        self.ended = False
        self.broken: WaypostError | None = None
        self.keeper: Keeper | None = None
        self._log = log
        self._run = run
        self._head = head
        self._rest = rest
        self._bypass = bypass
        run.commit()
        now_s = run.now_s()
        for event in head.events:
            run.record.see(event, now_s)
        if head.complete:
            run.succeed()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt of the request; the one that is committed is this answer, complete when the events have ended."""
        return self._log.attempts

    @property
    def cache(self) -> CacheUse | None:
        """What the cache did for the request; ``None`` where it had no part in it."""
        return self._log.cache

    def verdict(self) -> Verdict | None:
        """Whether it is what was asked for, before any of it goes out; ``None`` also where not all of it is here."""
        return self._run.record.judge() if self._head.complete else None

    def reject(self, error: ToolCallInvalid) -> None:
        """It does not go out, unless `accept` says so later. The engine has done its work."""
        self._run.record.prefer_another(error)

    def accept(self) -> None:
        """It goes out after all."""
        self._run.record.prefer_after_all()

    def whole(self) -> tuple[Event, ...]:
        """All of an answer that is not streamed, at once."""
        if self.keeper is not None:
            for event in self._head.events:
                self.keeper.see(event)
        self._end()
        return self._head.events

    async def events(self, take: Take | None = None) -> AsyncGenerator[Event, None]:
        """What was held back up to the commit point, then the rest as it comes.

        What ``take`` takes while the reader waits for the next event is not yielded.
        Raises `StreamBroken` when the engine breaks off: what was sent cannot be taken back, so nobody else is asked.
        """
        run, keeper = self._run, self.keeper
        try:
            for event in self._head.events:
                if keeper is not None:
                    keeper.see(event)
                yield event
            if not self._head.complete:
                if take is not None and self._bypass is not None and run.record.latency_s is not None:
                    self._bypass.take = self._passing(take)
                async for event in self._rest:
                    run.record.see(event, run.now_s())
                    if keeper is not None:
                        keeper.see(event)
                    yield event
            self._end()
        except ProviderError as error:
            broken = StreamBroken(error.message, deployment=self.deployment.id, upstream_status=error.upstream_status)
            run.fail(error, broken)
            self.broken = broken
            raise broken from error
        except Exception:  # a mistake of ours: the engine is not to blame
            run.crash()
            self.broken = WaypostError("something went wrong in Waypost")
            raise
        finally:
            await self.aclose()

    def _passing(self, take: Take) -> Callable[[bytes, str], bool]:
        """``take``, seen by whoever sees the events."""
        record, keeper = self._run.record, self.keeper
        add, check = record.text.append, record.check

        def passing(payload: bytes, text: str) -> bool:
            if not take(payload):
                return False
            add(text)
            if check is not None:
                check.see(payload)
            if keeper is not None:
                keeper.see(Event(payload, output=True, text=text))
            return True

        return passing

    async def aclose(self) -> None:
        """Gives the answer up: closes the connection to the engine. Does nothing once the events have ended."""
        self.abandon()
        if not self._head.complete:
            await self._rest.aclose()

    def abandon(self) -> None:
        """`aclose` without an event loop: the record ends here, and the connection when the events are collected."""
        self._run.abandon()
        if self.keeper is not None:
            self.keeper.give_up()

    def _end(self) -> None:
        self._run.succeed()
        self.ended = True
        if self.keeper is not None:
            self.keeper.complete()
