"""A deadline is told from a cancellation."""

from __future__ import annotations

import asyncio
import sys

import pytest

from waypost.http.deadline import Deadline


async def test_it_raises_when_its_time_has_passed() -> None:
    with pytest.raises(asyncio.TimeoutError), Deadline(0):
        await asyncio.Event().wait()


async def test_a_block_in_time_is_left_alone() -> None:
    with Deadline(60):
        await asyncio.sleep(0)


async def test_an_inner_deadline_does_not_end_the_outer_one() -> None:
    with Deadline(60):
        with pytest.raises(asyncio.TimeoutError), Deadline(0):
            await asyncio.Event().wait()
        await asyncio.sleep(0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a task of Python 3.10 does not count its cancellations")
async def test_a_cancellation_at_the_same_moment_stays_a_cancellation() -> None:
    waiting = asyncio.Event()
    deadline = Deadline(60)

    async def work() -> None:
        with deadline:
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    deadline._expire()
    with pytest.raises(asyncio.CancelledError):
        await task
