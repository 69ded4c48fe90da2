"""An answer in one piece as lanes give answers, without what a generator costs that yields once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from waypost.dispatch.events import Event


class Once(AsyncIterator[Event]):
    """The event of an answer that is not streamed: what ``answer`` gives when it is asked for."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[[], Awaitable[Event]]) -> None:
        self._answer: Callable[[], Awaitable[Event]] | None = answer

    async def __anext__(self) -> Event:
        answer, self._answer = self._answer, None
        if answer is None:
            raise StopAsyncIteration
        return await answer()

    async def aclose(self) -> None:
        """Nobody asks any more."""
        self._answer = None
