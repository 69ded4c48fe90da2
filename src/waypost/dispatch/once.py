"""An answer in one piece as lanes give answers, without what a generator costs that yields once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from waypost.dispatch.events import Event


class Once(AsyncGenerator[Event, None]):
    """The event of an answer that is not streamed: what ``answer`` gives when it is asked for."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[[], Awaitable[Event]]) -> None:
        self._answer: Callable[[], Awaitable[Event]] | None = answer

    async def __anext__(self) -> Event:
        answer, self._answer = self._answer, None
        if answer is None:
            raise StopAsyncIteration
        return await answer()

    async def asend(self, value: None) -> Event:
        """The same, for those who would send something."""
        del value
        return await self.__anext__()

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> Event:
        """There is no place in it where anything could be thrown."""
        del tb
        await self.aclose()
        raise typ if val is None else val

    async def aclose(self) -> None:
        """Nobody asks any more."""
        self._answer = None
