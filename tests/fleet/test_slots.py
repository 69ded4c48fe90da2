"""Waiting for a slot: first come, first served, and nobody who left holds one."""

from __future__ import annotations

import asyncio
import threading

import pytest
from test_state import Clock, cooling, deployment

from waypost.errors import ConnectFailed
from waypost.fleet.slots import Admission
from waypost.fleet.state import Fleet

LONG = 60.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet([deployment(name, max_parallel=1) for name in ("a", "b")], clock=clock, rng=lambda: 0.0)


async def queued(fleet: Fleet, *names: str) -> asyncio.Task[Admission]:
    before = fleet.waiting
    task = asyncio.create_task(fleet.slot(names, LONG))
    while fleet.waiting == before and not task.done():  # noqa: ASYNC110 - a queue tells nobody that it grew
        await asyncio.sleep(0)  # until it has begun to run
    return task


def fill(fleet: Fleet) -> None:
    for name in ("a", "b"):
        assert fleet.begin(name).begun


def test_a_deployment_takes_as_many_calls_as_it_says_and_no_more(fleet: Fleet) -> None:
    fill(fleet)
    assert fleet.begin("a") == Admission("a", begun=False, queue=True)
    fleet.end("a")
    assert fleet.begin("a").begun


async def test_a_slot_goes_to_whoever_came_first_and_wants_that_one(fleet: Fleet) -> None:
    fill(fleet)
    first, second, third = await queued(fleet, "b"), await queued(fleet, "a", "b"), await queued(fleet, "a")
    fleet.end("a")
    assert (await second).deployment == "a"
    fleet.end("a")
    assert (await third).deployment == "a"
    assert not first.done()
    fleet.end("b")
    assert (await first).deployment == "b"
    assert (fleet.waiting, fleet.view().status("a").in_flight, fleet.view().status("b").in_flight) == (0, 1, 1)


async def test_who_leaves_the_queue_gets_nothing_and_holds_nothing(fleet: Fleet) -> None:
    fill(fleet)
    first, second = await queued(fleet, "a"), await queued(fleet, "a")
    first.cancel()
    await asyncio.wait((first,))
    assert fleet.waiting == 1
    fleet.end("a")
    assert (await second).begun
    fleet.end("a")
    assert fleet.view().status("a").in_flight == 0


async def test_who_leaves_just_when_a_slot_was_given_gives_it_to_the_next(fleet: Fleet) -> None:
    fill(fleet)
    first, second = await queued(fleet, "a"), await queued(fleet, "a")
    fleet.end("a")  # the first one's now, though it has not run yet
    first.cancel()
    assert (await second).begun
    assert first.cancelled()
    assert fleet.view().status("a").in_flight == 1


async def test_a_wait_ends_in_time(fleet: Fleet) -> None:
    fill(fleet)
    assert await fleet.slot(("a",), 0.01) == Admission("a", begun=False, queue=True)
    assert fleet.waiting == 0


async def test_a_wait_for_engines_that_all_cool_ends_at_once(fleet: Fleet) -> None:
    fill(fleet)
    waiting = await queued(fleet, "a", "b")
    fleet.failed("a", ConnectFailed("refused"))
    assert not waiting.done()
    fleet.failed("b", ConnectFailed("refused"))
    assert await waiting == Admission("a", begun=False, retry_s=2)


async def test_nobody_waits_for_engines_that_cool_already(fleet: Fleet) -> None:
    fleet.failed("a", ConnectFailed("refused"))
    assert await fleet.slot(("a",), LONG) == Admission("a", begun=False, retry_s=2)
    assert fleet.waiting == 0


async def test_a_slot_that_became_free_meanwhile_is_taken_at_once(fleet: Fleet) -> None:
    assert (await fleet.slot(("a", "b"), LONG)).deployment == "a"
    assert (fleet.waiting, fleet.view().status("a").in_flight) == (0, 1)


async def test_row_34_who_waits_for_a_probe_goes_with_its_first_output(clock: Clock) -> None:
    fleet = Fleet([deployment("a")], clock=clock, rng=lambda: 0.0)
    fleet.failed("a", ConnectFailed("refused"))
    clock.now += cooling(fleet) or 0
    assert fleet.begin("a").probe
    waiting = [await queued(fleet, "a") for _ in range(3)]
    assert fleet.waiting == 3
    fleet.answers("a")
    assert [(await one).begun for one in waiting] == [True] * 3


async def test_a_slot_may_be_given_from_another_thread(fleet: Fleet) -> None:
    fill(fleet)
    waiting = await queued(fleet, "a")
    thread = threading.Thread(target=fleet.end, args=("a",))
    thread.start()
    assert (await asyncio.wait_for(waiting, 5)).begun
    thread.join()
