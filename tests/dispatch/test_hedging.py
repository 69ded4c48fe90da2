"""Another deployment beside a slow one: row 39."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from desk import LITELLM_WARNS, Desk, decision, turn

from waypost.dispatch.events import Call, Event
from waypost.dispatch.retry_budget import RetryBudget
from waypost.errors import ProviderError, ProviderRejected, ProviderUnavailable
from waypost.faults.faultd import TEXT, Faultd
from waypost.fleet.deployment import Deployment, LaneName, Timeouts
from waypost.fleet.view import FleetView

SOON = 0.05
STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
LANES = pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])


@pytest.fixture
async def desk(faultd: Faultd) -> AsyncGenerator[Desk, None]:
    """A desk that hedges after ``SOON``."""
    made = Desk(faultd)
    made.hedge = SOON
    yield made
    await made.dispatcher.close()
    made.assert_idle()


def slow(desk: Desk, fault: str, **changes: object) -> Deployment:
    """A deployment with all the time in the world."""
    return desk.deployment(fault, timeouts=Timeouts(), **changes)


async def left(desk: Desk, model: str) -> None:
    """Waits until the engine has seen the abort: under a second, or the test fails."""
    await asyncio.wait_for((await desk.faultd.hit(model)).left.wait(), 1)


@LANES
@STREAMED
async def test_row_39_the_first_to_commit_answers_and_the_other_one_is_aborted_and_both_are_on_the_bill(
    desk: Desk, stream: bool, lane: LaneName
) -> None:
    seen = await desk.ask(slow(desk, "slow-first-30000", lane=lane), slow(desk, "slow-first-20", lane=lane), stream=stream)
    assert (seen.error, seen.deployment, seen.text) == (None, "slow-first-20", TEXT)
    await left(desk, "slow-first-30000")
    assert desk.outcomes == [("slow-first-30000", "hedge_lost"), ("slow-first-20", None)]
    lost, won = desk.attempts
    assert (lost.committed, won.committed) == (False, True)
    assert lost.usage is not None
    assert (lost.usage.prompt_tokens, lost.usage.completion_tokens, lost.usage.estimated) == (7, 0, True)
    assert lost.cost_usd == pytest.approx(7e-6)
    assert won.cost_usd is not None
    assert won.started_s - lost.started_s >= SOON
    assert (desk.watch.failures, desk.watch.successes) == ([], {"slow-first-20": 1})
    assert [len(desk.faultd.hits), desk.faultd.count("slow-first-30000")] == [2, 1]


@STREAMED
async def test_row_39_the_hedge_is_aborted_where_the_first_one_answers_after_all(desk: Desk, stream: bool) -> None:
    seen = await desk.ask(slow(desk, "slow-first-500"), slow(desk, "slow-first-30000"), stream=stream)
    assert (seen.error, seen.deployment, seen.text) == (None, "slow-first-500", TEXT)
    await left(desk, "slow-first-30000")
    assert desk.outcomes == [("slow-first-500", None), ("slow-first-30000", "hedge_lost")]


async def test_row_39_a_hedge_that_fails_changes_nothing(desk: Desk) -> None:
    seen = await desk.ask(slow(desk, "slow-first-500"), "500")
    assert (seen.error, seen.deployment, seen.text) == (None, "slow-first-500", TEXT)
    assert desk.outcomes == [("slow-first-500", None), ("500", "provider_unavailable")]


async def test_row_39_where_the_first_one_fails_the_hedge_answers(desk: Desk) -> None:
    failing = desk.deployment("never-headers", timeouts=Timeouts(first_byte_s=0.3))
    seen = await desk.ask(failing, slow(desk, "slow-first-600"), "ok")
    assert (seen.error, seen.deployment, seen.text) == (None, "slow-first-600", TEXT)
    assert desk.outcomes == [("never-headers", "provider_timeout"), ("slow-first-600", None)]
    assert desk.faultd.count("ok") == 0


async def test_row_39_where_both_fail_the_next_candidate_is_asked_and_then_there_is_one_error(desk: Desk) -> None:
    failing = desk.deployment("never-headers", timeouts=Timeouts(first_byte_s=0.3))
    seen = await desk.ask(failing, "401", "ok")
    assert (seen.error, seen.deployment) == (None, "ok")
    assert desk.outcomes == [("never-headers", "provider_timeout"), ("401", "provider_auth_failed"), ("ok", None)]
    seen = await desk.ask(failing, "401")
    assert isinstance(seen.error, ProviderError)
    assert desk.outcomes == [("never-headers", "provider_timeout"), ("401", "provider_auth_failed")]


async def test_an_error_that_lies_in_the_request_ends_both(desk: Desk) -> None:
    seen = await desk.ask(slow(desk, "slow-first-30000"), "400")
    assert isinstance(seen.error, ProviderRejected)
    await left(desk, "slow-first-30000")
    assert desk.outcomes == [("slow-first-30000", "hedge_lost"), ("400", "provider_rejected")]


async def test_a_client_who_leaves_takes_both_along(desk: Desk) -> None:
    work = asyncio.create_task(desk.ask(slow(desk, "never-headers"), slow(desk, "slow-first-30000")))
    await desk.faultd.hit("slow-first-30000")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await left(desk, "never-headers")
    await left(desk, "slow-first-30000")
    assert desk.outcomes == [("never-headers", "cancelled"), ("slow-first-30000", "cancelled")]


async def test_who_is_quick_enough_has_nobody_beside_it(desk: Desk) -> None:
    desk.hedge = 30.0
    seen = await desk.ask("ok", "never-headers")
    assert seen.deployment == "ok"
    assert len(desk.faultd.hits) == len(desk.attempts) == 1


@STREAMED
async def test_p95_is_that_of_the_deployment_and_the_kind_and_without_it_nobody_is_asked(desk: Desk, stream: bool) -> None:
    desk.hedge = "p95"
    desk.watch.usual_s = {("slow-first-500", stream): SOON}
    seen = await desk.ask(slow(desk, "slow-first-500"), "ok", stream=stream)
    assert (seen.deployment, len(desk.attempts)) == ("ok", 2)
    seen = await desk.ask(slow(desk, "slow-first-500"), "ok", stream=not stream)
    assert (seen.deployment, len(desk.attempts)) == ("slow-first-500", 1)


@pytest.mark.parametrize("kept", [{"fallback": True}, {"loads": True}], ids=["fallback", "to be loaded"])
async def test_nobody_is_asked_beside_another_who_is_for_failures_or_would_have_to_be_loaded(
    desk: Desk, kept: dict[str, bool]
) -> None:
    fleet = FleetView((slow(desk, "slow-first-500"), desk.deployment("ok")))
    first, other = decision(fleet).candidates
    made = replace(decision(fleet), candidates=(first, replace(other, **kept)))
    answer = await desk.dispatcher.open(turn(), made, fleet, started=0.0, log=desk.log, hedge=SOON)
    assert answer.deployment.id == "slow-first-500"
    assert [event async for event in answer.events()]
    assert desk.faultd.count("ok") == 0


async def test_who_loses_counts_as_slow_as_it_was(desk: Desk) -> None:
    await desk.ask(slow(desk, "slow-first-30000"), "ok")
    heard = {deployment: latency_s for deployment, latency_s, _, _ in desk.watch.answers}
    lost_s = heard["slow-first-30000"]
    assert lost_s is not None
    assert lost_s >= SOON


class TogetherLane:
    """Two deployments that answer in the same instant, once both were asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.both = asyncio.Event()
        self.closed: list[str] = []

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        self.asked += 1
        if self.asked == 2:
            self.both.set()
        try:
            await self.both.wait()
            yield Event(b"{}", output=True, text="hi")
            yield Event(b"{}", finish_reason="stop")
        finally:
            self.closed.append(call.deployment.id)

    async def close(self) -> None: ...


async def test_row_39_where_both_answer_at_once_one_does_and_the_other_is_closed_and_billed(desk: Desk) -> None:
    lane = desk.lanes["openai"] = TogetherLane()
    answer = await desk.open("one", "two")
    assert lane.closed == ["two"]
    assert answer.deployment.id == "one"
    assert [event async for event in answer.events()]
    assert desk.outcomes == [("one", None), ("two", "hedge_lost")]
    assert [attempt.committed for attempt in desk.attempts] == [True, False]
    assert all(attempt.cost_usd for attempt in desk.attempts)


async def test_a_client_who_leaves_while_the_loser_lets_go_frees_both(desk: Desk) -> None:
    class Clinging(TogetherLane):
        """Its second answer takes a while to let go."""

        letting_go = asyncio.Event()

        async def events(self, call: Call) -> AsyncGenerator[Event, None]:
            self.asked += 1
            try:
                if self.asked == 1:
                    await asyncio.Event().wait()
                yield Event(b"{}", output=True, text="hi")
                await asyncio.Event().wait()
            finally:
                if call.deployment.id == "one":
                    self.letting_go.set()
                    await self.both.wait()
                self.closed.append(call.deployment.id)

    lane = desk.lanes["openai"] = Clinging()
    work = asyncio.create_task(desk.open("one", "two"))
    await lane.letting_go.wait()
    work.cancel()
    await asyncio.sleep(0)
    lane.both.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(lane.closed) == ["one", "two"]
    assert {error for _, error in desk.outcomes} == {"cancelled"}


async def test_an_error_of_all_is_the_last_one(desk: Desk) -> None:
    seen = await desk.ask(desk.deployment("never-headers", timeouts=Timeouts(first_byte_s=0.3)), "500")
    assert isinstance(seen.error, ProviderUnavailable)
    assert desk.outcomes[:2] == [("never-headers", "provider_timeout"), ("500", "provider_unavailable")]
    assert len(desk.faultd.hits) == len(desk.attempts)


async def test_a_hedge_is_paid_from_the_retry_budget_and_waits_for_nobody(desk: Desk) -> None:
    budget = desk.dispatcher._budget = RetryBudget(0.0, lambda: 0.0)
    while budget.take():
        pass
    seen = await desk.ask(slow(desk, "slow-first-500"), "ok")
    assert (seen.error, seen.deployment) == (None, "slow-first-500")
    assert desk.faultd.count("ok") == 0
