"""A deadline around a piece of waiting."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType


class Deadline:
    """Raises ``TimeoutError`` in the block once ``seconds`` have passed: what ``asyncio.timeout`` does from Python 3.11 on.

    It costs one timer and no task, so it may stand around every read of a stream. A cancellation from outside stays a
    cancellation, also when both come at once. Enter and leave it in one task, and never yield inside. ``expired`` tells its own
    ``TimeoutError`` from one that the block raised.
    """

    __slots__ = ("_cancelling", "_seconds", "_task", "_timer", "expired")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.expired = False
        self._cancelling = 0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a Deadline needs a task")
        self._task = task
        if sys.version_info >= (3, 11):
            self._cancelling = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(max(self._seconds, 0), self._expire)

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if not self.expired:
            return
        if sys.version_info >= (3, 11) and self._task.uncancel() > self._cancelling:
            return
        if kind is asyncio.CancelledError:
            raise asyncio.TimeoutError from error
