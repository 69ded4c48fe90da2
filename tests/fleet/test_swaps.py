"""Models that take each other's place in memory: requests for one of them go together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from test_residency import SEER, TALKER, TIGHT, Desk, Stated, desk
from test_slots import queued

from servers.ollama_models import GIB
from servers.ollama_server import OllamaModel, OllamaSettings
from waypost.fleet.slots import Admission
from waypost.fleet.state import Fleet
from waypost.http.session import HttpSession

BATCH_S, LONG = 10.0, 60.0
THIRD = OllamaModel("third", load_s=10, file_bytes=4 * GIB)


@pytest.fixture
async def tight(session: HttpSession) -> AsyncIterator[Desk]:
    """Three models of which one fits at a time; the first is loaded."""
    stated = Stated("", memory_gib=6)
    async with desk(session, TALKER, SEER, THIRD, settings=TIGHT, stated=stated) as made:
        made.fleet.batch_s = BATCH_S
        await made.call("talker")
        yield made


def over(fleet: Fleet, *names: str) -> None:
    for name in names:
        fleet.answered(name, 0.1, stream=True, session=None)
        fleet.end(name)


async def settled(tasks: Sequence[asyncio.Task[Admission]]) -> list[bool]:
    """Which of them have been let in."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_who_would_have_something_thrown_out_waits_for_those_who_use_it(tight: Desk) -> None:
    fleet = tight.fleet
    assert fleet.begin("talker").begun
    assert fleet.begin("seer") == Admission("seer", begun=False, queue=True, swap=True)
    assert fleet.begin("talker").begun  # goes on
    seers = [await queued(fleet, "seer"), await queued(fleet, "seer")]
    over(fleet, "talker")
    assert await settled(seers) == [False, False]
    over(fleet, "talker")
    assert await settled(seers) == [True, True]  # the second joins the load of the first
    assert fleet.begin("talker").swap  # which is under way


async def test_one_load_is_under_way_at_a_time_and_the_oldest_group_goes_first(tight: Desk) -> None:
    fleet = tight.fleet
    assert fleet.begin("talker").begun
    waiting = [await queued(fleet, name) for name in ("seer", "third", "seer", "third")]
    over(fleet, "talker")
    assert await settled(waiting) == [True, False, True, False]
    over(fleet, "seer")
    assert await settled(waiting) == [True, False, True, False]
    over(fleet, "seer")
    assert await settled(waiting) == [True, True, True, True]


async def test_nobody_is_overtaken_for_ever(tight: Desk) -> None:
    fleet, clock = tight.fleet, tight.ollama.clock
    clock.jump(BATCH_S)
    assert fleet.begin("talker").begun
    seer = await queued(fleet, "seer")
    clock.jump(BATCH_S - 1)
    assert fleet.begin("talker").begun
    clock.jump(1)
    talker = await queued(fleet, "talker")
    assert fleet.begin("talker").swap
    over(fleet, "talker", "talker")
    assert await settled([seer, talker]) == [True, False]
    over(fleet, "seer")
    assert await settled([talker]) == [True]


async def test_a_model_that_was_just_loaded_is_used_for_as_long_before_it_has_to_leave(tight: Desk) -> None:
    fleet, clock = tight.fleet, tight.ollama.clock
    assert fleet.begin("talker").begun
    third = await queued(fleet, "third")
    seer = await queued(fleet, "seer")
    third.cancel()
    await asyncio.wait((third,))
    clock.jump(BATCH_S)
    over(fleet, "talker")
    assert await settled([seer]) == [True]
    talker = await queued(fleet, "talker")
    clock.jump(40)  # a long load: the one that waits has waited long enough, but nobody has used it yet
    fleet.answered("seer", 0.1, stream=True, session=None)
    assert fleet.begin("seer").begun
    clock.jump(BATCH_S)
    assert fleet.begin("seer").swap
    talker.cancel()
    await asyncio.wait((talker,))


async def test_who_leaves_the_queue_holds_nobody_up(tight: Desk) -> None:
    fleet, clock = tight.fleet, tight.ollama.clock
    assert fleet.begin("talker").begun
    seer = await queued(fleet, "seer")
    clock.jump(2 * BATCH_S)
    talker = await queued(fleet, "talker")
    assert await settled([talker]) == [False]
    seer.cancel()
    await asyncio.wait((seer,))
    assert await settled([talker]) == [True]
    assert fleet.waiting == 0


async def test_who_gives_up_during_a_load_lets_the_next_one_load(tight: Desk) -> None:
    fleet = tight.fleet
    assert fleet.begin("seer").begun
    third = await queued(fleet, "third")
    fleet.end("seer")  # without an answer
    assert await settled([third]) == [True]


async def test_those_who_wait_count_for_the_decision_that_loads_their_model(tight: Desk) -> None:
    fleet = tight.fleet
    assert fleet.begin("talker").begun
    tasks = [await queued(fleet, "seer"), await queued(fleet, "seer")]
    assert tight.residency("seer").queued == 2
    over(fleet, "talker")
    await settled(tasks)
    assert (tight.residency("seer").queued, fleet.view().status("seer").in_flight) == (0, 2)


async def test_time_in_which_the_engine_loads_is_not_counted_as_waiting(tight: Desk) -> None:
    fleet = tight.fleet
    assert fleet.begin("seer").begun
    third = asyncio.create_task(fleet.slot(("third",), 0.001))
    await asyncio.sleep(0.01)  # many times as long as it may wait
    assert not third.done()
    over(fleet, "seer")
    assert (await third).begun


async def test_a_wait_for_those_who_use_what_is_loaded_ends_in_time(tight: Desk) -> None:
    fleet = tight.fleet
    tight.ollama.clock.jump(LONG)
    assert fleet.begin("talker").begun
    assert await fleet.slot(("seer",), 0.001) == Admission("seer", begun=False, queue=True)
    assert fleet.waiting == 0


@pytest.mark.parametrize("settings", [OllamaSettings(gpu_bytes=16 * GIB), TIGHT])
async def test_nobody_waits_where_everything_fits_or_nobody_knows_what_does(
    session: HttpSession, settings: OllamaSettings
) -> None:
    room = Stated("", memory_gib=16) if settings.gpu_bytes > TIGHT.gpu_bytes else None
    async with desk(session, TALKER, SEER, settings=settings, stated=room) as made:
        made.fleet.batch_s = BATCH_S
        await made.call("talker")
        assert made.fleet.begin("talker").begun
        assert made.fleet.begin("seer").begun


async def test_nobody_waits_where_what_is_loaded_does_not_count(tight: Desk) -> None:
    tight.fleet.batch_s = None
    assert tight.fleet.begin("talker").begun
    assert tight.fleet.begin("seer").begun


async def test_after_a_load_what_left_for_it_is_known_to_be_gone_before_anybody_looks(tight: Desk) -> None:
    await tight.call("seer")
    assert tight.memory.resident == ("seer",)
    assert tight.loaded("talker", "seer") == [False, True]
