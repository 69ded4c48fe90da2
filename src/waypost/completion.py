"""Answers for Python code: the JSON of the answer with attributes, and a loop for code that is not async."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

import orjson

from waypost.decide.card import Decision
from waypost.dispatch.attempt import Attempt
from waypost.exchange import Exchange

T = TypeVar("T")

# Fields that OpenAI's schema has and engines leave out: asking for one gives None, as in LiteLLM's answers.
_OPTIONAL = frozenset(
    {"annotations", "audio", "content", "finish_reason", "function_call", "logprobs", "reasoning_content", "refusal"}
    | {"role", "service_tier", "system_fingerprint", "tool_calls", "usage"}
)


class Reply(dict[str, Any]):
    """An answer as OpenAI gives it: ``reply.choices[0].message.content`` and ``reply["choices"]`` are the same.

    ``decision`` is the card and ``attempts`` are the calls behind it; both are set on the answer itself, not on its parts.
    """

    decision: Decision
    attempts: tuple[Attempt, ...]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name in _OPTIONAL:
                return None
            raise AttributeError(f"the answer has no field {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("decision", "attempts"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value


def reply_of(payload: bytes, decision: Decision, attempts: tuple[Attempt, ...]) -> Reply:
    """The answer in ``payload``, a JSON object."""
    reply = _wrap(orjson.loads(payload))
    if not isinstance(reply, Reply):
        raise TypeError("an answer is a JSON object")
    reply.decision, reply.attempts = decision, attempts
    return reply


class ReplyStream:
    """The chunks of an answer, each as OpenAI gives it. ``aclose`` leaves early and closes the connection to the engine."""

    def __init__(self, exchange: Exchange, *, with_usage: bool) -> None:
        self._exchange = exchange
        self._events = exchange.events()
        self._with_usage = with_usage

    def __aiter__(self) -> ReplyStream:
        return self

    async def __anext__(self) -> Reply:
        try:
            event = await anext(self._events)
            while event.usage_only and not self._with_usage:
                event = await anext(self._events)
        except BaseException:  # the end among them: either way the answer is recorded here
            await self.aclose()
            raise
        return reply_of(event.payload, self._exchange.decision, self._exchange.attempts)

    async def aclose(self) -> None:
        """Does nothing once the stream has ended."""
        await self._events.aclose()
        await self._exchange.aclose()


def _wrap(value: Any) -> Any:
    if isinstance(value, dict):
        return Reply((key, _wrap(item)) for key, item in value.items())
    return [_wrap(item) for item in value] if isinstance(value, list) else value


class SyncLoop:
    """An event loop in a thread of its own, for calls from code that is not async."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="waypost-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; an interrupt here cancels it there."""
        if self._is_over():
            work.close()
            raise RuntimeError("the router is closed, or the interpreter is going")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, stream: ReplyStream) -> Generator[Reply, None, None]:
        """The chunks one by one; leaving early closes the stream there."""
        try:
            while True:
                try:
                    yield self.run(stream.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            if not self._is_over():
                self.run(stream.aclose())

    def _is_over(self) -> bool:
        """The thread has stopped: waiting for it would be for ever."""
        return sys.is_finalizing() or self._loop.is_closed()

    def stop(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
