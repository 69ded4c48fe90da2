"""Hedging: when a deployment takes longer than usual, another one is asked beside it, and the first to commit answers.

J. Dean and L. A. Barroso, "The Tail at Scale", CACM 2013. A completion changes nothing at the engine, so two of the same do no
harm; tools run at the client, which sees one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Literal, Protocol, TypeVar

from waypost.errors import ProviderError

HedgeAfter = float | Literal["p95"]
"""Seconds, or the 95th percentile of what the deployment takes lately, if that is known."""


class Closable(Protocol):
    """What an attempt gives."""

    async def aclose(self) -> None:
        """Gives it up."""
        ...


Asked = TypeVar("Asked")
Answered = TypeVar("Answered", bound=Closable)


async def race(
    ask: Callable[[Asked], Awaitable[Answered]],
    first: Asked,
    *,
    after_s: float,
    beside: Callable[[], Asked | None],
    lost: Callable[[Asked], None],
) -> Answered:
    """The answer of whoever gives one first: ``first``, or the one that ``beside`` names after ``after_s`` seconds.

    ``beside`` is asked once at most, and not if ``first`` is done by then. Where one fails, the other goes on. The one that is
    not needed any more is cancelled, and ``lost`` told of it, before this returns. Raises the last `ProviderError` if all
    failed, or at once one that nobody else can help with. A cancellation cancels both.
    """
    running: dict[asyncio.Future[Answered], Asked] = {asyncio.ensure_future(ask(first)): first}
    try:
        done, _ = await asyncio.wait(running, timeout=after_s)
        if not done and (other := beside()) is not None:
            running[asyncio.ensure_future(ask(other))] = other
        settled = await _settled(running)
    except BaseException:
        await _give_up(running)
        raise
    try:
        await _give_up(running)
    except BaseException:
        await _give_up((settled,))
        raise
    for asked in running.values():
        lost(asked)
    return settled.result()


async def _settled(running: dict[asyncio.Future[Answered], Asked]) -> asyncio.Future[Answered]:
    """Takes out the attempts that end, up to the one that settles the race."""
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for attempt in [attempt for attempt in running if attempt in done]:
            del running[attempt]
            error = attempt.exception()
            if not running or not isinstance(error, ProviderError) or not error.fail_over:
                return attempt


async def _give_up(attempts: Collection[asyncio.Future[Answered]]) -> None:
    """Cancels them, and waits until they have let go of their engines; an answer that is there all the same is closed."""
    for attempt in attempts:
        attempt.cancel()
    if attempts:
        await asyncio.wait(attempts)
    for attempt in attempts:
        if not attempt.cancelled() and attempt.exception() is None:
            await attempt.result().aclose()
