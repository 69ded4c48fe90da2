"""Whom dispatch asks, and how often."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from desk import LITELLM_WARNS, Desk, decision, turn

from waypost.dispatch.commit import CommitBounds
from waypost.dispatch.dispatcher import Dispatcher
from waypost.dispatch.events import Call, Event
from waypost.dispatch.plan import Plan
from waypost.errors import AllBusy, NoDeployment, ProviderRateLimited, ProviderTimeout
from waypost.fleet.deployment import LaneName, Timeouts
from waypost.fleet.slots import Admission
from waypost.fleet.view import FleetView


@pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("fault", "calls", "code"),
    [
        ("429", 1, "provider_rate_limited"),
        ("429-ra1", 3, "provider_rate_limited"),
        ("500", 3, "provider_unavailable"),
        ("never-headers", 1, "provider_timeout"),
    ],
)
async def test_row_32_the_engine_sees_exactly_as_many_requests_as_we_count(
    desk: Desk, lane: LaneName, stream: bool, fault: str, calls: int, code: str
) -> None:
    # LiteLLM's first call is slow; and what a caller asks for does not reach it.
    await desk.ask(desk.deployment("ok", lane=lane), stream=stream)
    times = Timeouts(first_byte_s=0.5, total_s=0.6) if fault == "never-headers" else Timeouts()
    asked = {} if lane == "openai" else {"num_retries": 7, "max_retries": 7}
    seen = await desk.ask(desk.deployment(fault, lane=lane, timeouts=times), stream=stream, **asked)
    assert seen.error is not None
    assert seen.error.code == code
    assert desk.outcomes == [(fault, code)] * calls
    assert desk.faultd.count(fault) == calls


async def test_row_37_nobody_outside_the_candidates_is_asked(desk: Desk) -> None:
    failing, other = desk.deployment("429"), desk.deployment("ok")
    fleet = FleetView((failing, other))
    narrowed = replace(decision(fleet), candidates=decision(fleet).candidates[:1])
    with pytest.raises(ProviderRateLimited):
        await desk.dispatcher.open(turn(), narrowed, fleet, started=0.0)
    assert desk.faultd.count("ok") == 0


async def test_a_decision_whose_candidates_have_left_the_fleet_is_refused_clearly(desk: Desk) -> None:
    fleet = FleetView((desk.deployment("ok"),))
    with pytest.raises(NoDeployment, match="send the request again"):
        await desk.dispatcher.open(turn(), decision(fleet), FleetView(()), started=0.0)


async def test_attempts_have_a_limit(desk: Desk) -> None:
    desk.dispatcher._max_attempts = 2
    await desk.ask(*(desk.deployment(f"down-{n}", model="500") for n in range(4)))
    assert desk.faultd.count("500") == len(desk.attempts) == 2


async def test_only_one_candidate_is_asked_again_and_it_is_the_first_that_may_recover(desk: Desk) -> None:
    await desk.ask("401", desk.deployment("a", model="500"), desk.deployment("b", model="500"))
    assert [name for name, _ in desk.outcomes] == ["401", "a", "b", "a", "a"]


async def test_an_engine_that_never_gives_output_is_left_at_the_commit_bound(desk: Desk) -> None:
    bounds = CommitBounds(max_s=0.2)
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, bounds=bounds)
    seen = await desk.ask(desk.deployment("stall-0", timeouts=Timeouts()), "ok")
    assert seen.deployment == "ok"
    assert desk.outcomes == [("stall-0", "provider_timeout"), ("ok", None)]
    seen = await desk.ask(desk.deployment("stall-0", timeouts=Timeouts()))
    assert isinstance(seen.error, ProviderTimeout)
    assert "no output within 0.2 s" in seen.error.message


@pytest.mark.parametrize("bounds", [CommitBounds(max_events=1), CommitBounds(max_bytes=10)], ids=["events", "bytes"])
async def test_what_is_held_back_is_bounded_and_then_sent_on(desk: Desk, bounds: CommitBounds) -> None:
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, bounds=bounds)
    answer = await desk.open(desk.deployment("stall-0", timeouts=Timeouts()))
    assert desk.attempts[0].committed
    assert desk.attempts[0].first_output_s is None
    await answer.aclose()


async def test_the_log_is_readable_while_the_answer_runs(desk: Desk) -> None:
    answer = await desk.open("429", "ok")
    assert [attempt.deployment for attempt in answer.attempts] == ["429", "ok"]
    running = answer.attempts[-1]
    assert running.committed
    assert running.first_output_s is not None
    assert running.finish_reason is None
    _ = [event async for event in answer.events()]
    assert answer.attempts[-1].finish_reason == "stop"
    assert answer.attempts == desk.attempts


@pytest.mark.parametrize("after", [0, 1], ids=["before the commit", "after it"])
async def test_a_fault_of_ours_is_recorded_as_ours_and_frees_the_engine(desk: Desk, after: int) -> None:
    class BuggyLane:
        async def events(self, call: Call) -> AsyncGenerator[Event, None]:
            for _ in range(after):
                yield Event(b"{}", output=True)
            raise ZeroDivisionError

        async def close(self) -> None: ...

    desk.lanes["openai"] = BuggyLane()
    with pytest.raises(ZeroDivisionError):
        await desk.ask("any")
    assert desk.outcomes == [("any", "internal_error")]
    assert desk.watch.failures == []


async def test_a_pattern_is_asked_for_the_model_that_the_caller_named(desk: Desk) -> None:
    pattern = replace(desk.deployment("ok"), id="any/*", group="any/*", model="*")
    made = decision(FleetView((replace(pattern, model="ok"),)))
    answer = await desk.dispatcher.open(turn(), made, FleetView((pattern,)), started=0.0)
    assert [event async for event in answer.events()]
    assert desk.faultd.count("ok") == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_watch_hears_how_long_an_answer_took_and_of_which_conversation(desk: Desk, stream: bool) -> None:
    fleet = FleetView((desk.deployment("429"), desk.deployment("ok")))
    asked = replace(turn(stream=stream), session="chat-1")
    answer = await desk.dispatcher.open(asked, decision(fleet), fleet, started=0.0, log=desk.log)
    [(deployment, latency_s, streamed, session)] = desk.watch.answers
    assert (deployment, streamed, session) == ("ok", stream, "chat-1")
    first_output_s = desk.attempts[-1].first_output_s
    assert first_output_s is not None
    assert latency_s == first_output_s - desk.attempts[-1].started_s
    assert desk.attempts[-1].started_s > desk.attempts[0].started_s
    await answer.aclose()


async def test_row_08_a_window_that_the_engine_names_counts_and_not_the_one_it_was_thought_to_have(desk: Desk) -> None:
    wrong = desk.deployment("context-too-long-llamacpp", window_tokens=32_768)
    small, large = desk.deployment("ok", id="small", window_tokens=2048), desk.deployment("ok", id="large", window_tokens=4096)
    fleet = desk.live(wrong, small, large)
    assert (await desk.ask_live(fleet)).deployment == "large"
    assert desk.outcomes == [("context-too-long-llamacpp", "context_length_exceeded"), ("large", None)]
    assert fleet.view().deployments[0].window_tokens == 2048


def plan_of(desk: Desk, *faults: str) -> Plan:
    fleet = FleetView(tuple(desk.deployment(fault) for fault in faults))
    return Plan(decision(fleet), fleet, 6, lambda: 0.0)


def asked_next(plan: Plan) -> str | None:
    step = plan.next()
    return None if step is None else step.deployment.id


def test_who_waits_for_a_load_is_waited_for_alone_and_nobody_else_answers_meanwhile(desk: Desk) -> None:
    plan = plan_of(desk, "full", "cold", "other")
    for name, swap in (("full", False), ("cold", True)):
        step = plan.next()
        assert step is not None
        plan.passed_over(step, Admission(name, begun=False, queue=True, swap=swap))
    assert (asked_next(plan), plan.full) == (None, ("cold",))
    step = plan.waited(Admission("cold", begun=True))
    assert step is not None
    assert step.deployment.id == "cold"
    plan.failed(step, ProviderTimeout("slow"))
    assert asked_next(plan) == "other"


def test_who_waited_for_a_load_in_vain_asks_the_next_one_and_waits_no_more(desk: Desk) -> None:
    plan = plan_of(desk, "cold", "other")
    step = plan.next()
    assert step is not None
    plan.passed_over(step, Admission("cold", begun=False, queue=True, swap=True))
    assert plan.waited(Admission("cold", begun=False, queue=True)) is None
    assert (asked_next(plan), plan.full) == ("other", ())
    assert plan.next() is None
    assert isinstance(plan.error(), AllBusy)
