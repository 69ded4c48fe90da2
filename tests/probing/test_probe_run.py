"""Calls of a probe: how many at once, which one first, and what an end in the middle leaves."""

from __future__ import annotations

import asyncio

import pytest

from waypost.decide.probed import Tally
from waypost.errors import ProviderUnavailable
from waypost.probing.asking import Asked
from waypost.probing.posterior import share_of
from waypost.probing.prompts import ProbePrompt
from waypost.probing.run import MOST_FAILURES, ProbeRun, tallies

PROMPTS = tuple(ProbePrompt(f"p{n}", f"g{n % 2}", "chat", f"question {n}", "exact", "x") for n in range(12))


class Engine:
    """Answers when it is let; counts who waits."""

    def __init__(self, passed: bool | None = True) -> None:
        self.passed = passed
        self.waiting: set[asyncio.Future[None]] = set()
        self.came: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.most = 0

    async def ask(self, prompt: ProbePrompt) -> Asked:
        gate = asyncio.get_running_loop().create_future()
        self.waiting.add(gate)
        self.came.put_nowait(gate)
        self.most = max(self.most, len(self.waiting))
        try:
            await gate
        finally:
            self.waiting.remove(gate)
        error = ProviderUnavailable("it fails") if self.passed is None else None
        return Asked(prompt, prompt.task, self.passed, 1.0, error)

    async def let(self, count: int) -> None:
        for _ in range(count):
            (await self.came.get()).set_result(None)
        await asyncio.sleep(0)


async def test_the_first_call_is_made_alone_and_then_as_many_as_may_be() -> None:
    engine, told, seen = Engine(), list[int](), list[Asked]()
    run = ProbeRun(engine.ask, 3, seen.append, lambda _: told.append(engine.most))
    running = asyncio.ensure_future(run.run(PROMPTS))
    await engine.let(len(PROMPTS))
    await running
    assert told == [1]
    assert engine.most == 3
    assert {one.prompt.id for one in run.asked} == {prompt.id for prompt in PROMPTS}
    assert seen == run.asked


async def test_what_was_answered_before_it_is_cancelled_is_there_and_nobody_is_left_waiting() -> None:
    engine = Engine()
    run = ProbeRun(engine.ask, 3, lambda _: None, lambda _: None)
    running = asyncio.ensure_future(run.run(PROMPTS))
    await engine.let(4)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(run.asked) == 4
    assert engine.waiting == set()


async def test_after_failures_in_a_row_the_rest_is_left_out() -> None:
    engine = Engine(passed=None)
    run = ProbeRun(engine.ask, 1, lambda _: None, lambda _: None)
    running = asyncio.ensure_future(run.run(PROMPTS))
    await engine.let(MOST_FAILURES)
    await running
    assert run.gave_up
    assert len(run.asked) == MOST_FAILURES
    assert tallies(run.asked) == ()


def test_answers_are_counted_by_group_and_task_and_failures_are_not() -> None:
    outcomes = [True, False, True, None]
    asked = [Asked(prompt, prompt.task, passed, 1.0) for prompt, passed in zip(PROMPTS, outcomes, strict=False)]
    assert tallies(asked) == (Tally("g0", "chat", 2, 2), Tally("g1", "chat", 0, 1))


@pytest.mark.parametrize(
    ("passed", "asked", "lower", "upper"),
    [(0, 0, 0.05, 0.95), (0, 10, 0.005, 0.238), (5, 10, 0.271, 0.729), (90, 92, 0.934, 0.991)],
)
def test_bounds_of_a_share_hold_nine_in_ten_of_its_posterior(passed: int, asked: int, lower: float, upper: float) -> None:
    """The bounds are quantiles of Beta(passed + 1, asked - passed + 1), as scipy gives them."""
    share = share_of(passed, asked)
    assert (share.lower, share.upper) == (pytest.approx(lower, abs=0.002), pytest.approx(upper, abs=0.002))
    assert share.mean == (passed + 1) / (asked + 2)
    assert share.n == asked
