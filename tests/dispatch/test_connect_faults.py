"""Faults before the first byte of an answer: section A of the fault matrix."""

from __future__ import annotations

import pytest
from desk import KEY, LITELLM_WARNS, Desk

from waypost.dispatch.dispatcher import Dispatcher
from waypost.dispatch.retry_budget import RetryBudget
from waypost.errors import (
    ConnectFailed,
    NoDeployment,
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from waypost.faults.faultd import TEXT, Faultd
from waypost.fleet.deployment import LaneName, Timeouts
from waypost.secret import Secret

MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@MODES
async def test_row_01_a_refused_connection_fails_over_at_once_and_is_not_dialled_again(
    desk: Desk, refused_url: str, stream: bool
) -> None:
    seen = await desk.ask(desk.deployment("down", api_base=refused_url), "ok", stream=stream)
    assert (seen.text, seen.deployment) == (TEXT, "ok")
    assert desk.outcomes == [("down", "provider_unreachable"), ("ok", None)]
    assert desk.faultd.count("ok") == 1
    assert desk.pauses == []
    assert desk.watch.failures == [("down", "provider_unreachable")]


async def test_row_01_with_nobody_left_the_error_names_the_deployment_and_no_address(desk: Desk, refused_url: str) -> None:
    seen = await desk.ask(desk.deployment("down", api_base=refused_url))
    assert isinstance(seen.error, ConnectFailed)
    assert "down" in seen.error.message
    assert "127.0.0.1" not in seen.error.message
    assert desk.outcomes == [("down", "provider_unreachable")]


async def test_row_02_an_unknown_host_fails_over_and_the_error_names_the_deployment_not_the_host(desk: Desk) -> None:
    seen = await desk.ask(desk.deployment("lost", api_base="http://nobody.invalid/v1"))
    assert isinstance(seen.error, ConnectFailed)
    assert seen.error.message.startswith("lost cannot be reached")
    assert ".invalid" not in seen.error.message
    assert (await desk.ask(desk.deployment("lost", api_base="http://nobody.invalid/v1"), "ok")).deployment == "ok"
    assert desk.outcomes == [("lost", "provider_unreachable"), ("ok", None)]
    assert desk.pauses == []


@MODES
async def test_row_02_a_host_that_drops_packets_is_left_after_the_connect_timeout(
    desk: Desk, deaf_url: str, stream: bool
) -> None:
    seen = await desk.ask(desk.deployment("deaf", api_base=deaf_url, timeouts=Timeouts(connect_s=0.2)), "ok", stream=stream)
    assert seen.deployment == "ok"
    assert desk.outcomes == [("deaf", "provider_timeout"), ("ok", None)]
    assert desk.attempts[0].message == "deaf did not accept a connection within 0.2 s (connect timeout)"


@pytest.mark.parametrize("fault", ["never-headers", "slow-headers"])
async def test_rows_03_and_04_the_first_byte_deadline_is_absolute_and_frees_the_engine(desk: Desk, fault: str) -> None:
    seen = await desk.ask(fault, "ok")
    assert (seen.text, seen.deployment) == (TEXT, "ok")
    assert desk.outcomes == [(fault, "provider_timeout"), ("ok", None)]
    first = desk.attempts[0]
    assert first.message is not None
    assert "first byte timeout" in first.message
    assert 0.25 < first.ended_s - first.started_s < 2
    await (await desk.faultd.hit(fault)).left.wait()
    assert desk.faultd.count(fault) == 1


async def test_row_03_an_answer_that_is_not_streamed_may_take_its_time_up_to_the_total(desk: Desk) -> None:
    slow = desk.deployment("never-headers", timeouts=Timeouts(first_byte_s=0.05, idle_s=0.05, total_s=0.4))
    seen = await desk.ask(slow, stream=False)
    assert isinstance(seen.error, ProviderTimeout)
    assert "total timeout" in seen.error.message
    assert desk.attempts[0].ended_s - desk.attempts[0].started_s > 0.35


@MODES
async def test_row_06_a_rate_limit_fails_over_and_its_pause_is_kept_for_the_caller(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("429-ra3600", stream=stream)
    assert isinstance(seen.error, ProviderRateLimited)
    assert seen.error.retry_after_s == 3600
    assert desk.faultd.count("429-ra3600") == 1
    seen = await desk.ask("429-ra1", "ok", stream=stream)
    assert seen.deployment == "ok"
    assert desk.outcomes == [("429-ra1", "provider_rate_limited"), ("ok", None)]


@MODES
@pytest.mark.parametrize("status", ["401", "402", "403"])
async def test_row_07_a_dead_key_fails_over_and_alone_gives_a_502_that_shows_nothing(
    desk: Desk, status: str, stream: bool
) -> None:
    assert (await desk.ask(status, "ok", stream=stream)).deployment == "ok"
    assert desk.outcomes == [(status, "provider_auth_failed"), ("ok", None)]
    seen = await desk.ask(status, stream=stream)
    assert isinstance(seen.error, ProviderAuthFailed)
    assert seen.error.status == 502
    assert seen.error.upstream_status == int(status)
    assert "secret" not in seen.error.message
    assert desk.faultd.count(status) == 2


@MODES
@pytest.mark.parametrize("lane", ["openai", pytest.param("litellm", marks=LITELLM_WARNS)])
async def test_row_07_the_keys_of_a_deployment_are_tried_in_both_lanes(desk: Desk, lane: LaneName, stream: bool) -> None:
    keys = (Secret("sk-bad-11111111"), Secret("sk-good-2222222"))
    keyed = desk.deployment("bad-keys-401", lane=lane, api_key=keys[0], api_keys=keys, timeouts=Timeouts())
    seen = await desk.ask(keyed, "ok", stream=stream)
    assert seen.text == TEXT
    assert desk.outcomes == [("bad-keys-401", "provider_auth_failed"), ("bad-keys-401", None)]
    assert [hit.headers["authorization"] for hit in desk.faultd.hits] == [f"Bearer {key.reveal()}" for key in keys]
    assert desk.watch.failures == [("bad-keys-401", "provider_auth_failed")]


@MODES
async def test_row_07_keys_are_tried_within_the_attempts_of_a_request(desk: Desk, stream: bool) -> None:
    keys = tuple(Secret(f"sk-bad-{n}1111111") for n in range(9))
    await desk.ask(desk.deployment("bad-keys-401", api_key=keys[0], api_keys=keys), "ok", stream=stream)
    assert desk.outcomes == [("bad-keys-401", "provider_auth_failed")] * 6
    assert len(desk.faultd.hits) == 6


@MODES
@pytest.mark.parametrize("fault", ["context-too-long", "context-too-long-llamacpp"])
async def test_row_08_an_overflow_goes_to_a_larger_window_only(desk: Desk, fault: str, stream: bool) -> None:
    small = desk.deployment(fault, window_tokens=8)
    same = desk.deployment("same", model="ok", window_tokens=8)
    large = desk.deployment("large", model="ok", window_tokens=4096)
    seen = await desk.ask(small, same, large, stream=stream)
    assert seen.deployment == "large"
    assert desk.outcomes == [(fault, "context_length_exceeded"), ("large", None)]


async def test_row_08_an_overflow_without_a_larger_window_is_a_400_with_both_numbers(desk: Desk) -> None:
    seen = await desk.ask(
        desk.deployment("context-too-long-llamacpp", window_tokens=12), desk.deployment("ok", window_tokens=10)
    )
    assert isinstance(seen.error, ProviderContextTooLong)
    assert seen.error.status == 400
    assert "2048" in seen.error.message
    assert "12012" in seen.error.message
    assert desk.faultd.count("ok") == 0


@MODES
async def test_row_08_a_window_that_should_have_held_the_prompt_twice_keeps_nobody_from_being_asked(
    desk: Desk, stream: bool
) -> None:
    liar = desk.deployment("context-too-long", window_tokens=1_000_000)
    seen = await desk.ask(liar, desk.deployment("ok", window_tokens=4096), stream=stream)
    assert desk.outcomes == [("context-too-long", "context_length_exceeded"), ("ok", None)]
    assert seen.error is None


@MODES
@pytest.mark.parametrize("status", ["500", "502", "503", "529"])
async def test_row_09_a_failing_engine_is_left_for_another_one(desk: Desk, status: str, stream: bool) -> None:
    assert (await desk.ask(status, "ok", stream=stream)).deployment == "ok"
    assert desk.outcomes == [(status, "provider_unavailable"), ("ok", None)]
    assert desk.faultd.count(status) == 1
    assert desk.pauses == []


@MODES
async def test_row_09_with_nobody_left_a_failing_engine_is_asked_twice_more_after_jittered_pauses_that_double(
    desk: Desk, stream: bool
) -> None:
    seen = await desk.ask("500", stream=stream)
    assert isinstance(seen.error, ProviderUnavailable)
    assert desk.outcomes == [("500", "provider_unavailable")] * 3
    assert desk.faultd.count("500") == 3
    first, second = desk.pauses
    assert 0.5 < first < 0.75
    assert 1.0 < second < 1.5


@MODES
async def test_row_09_an_engine_that_was_loading_answers_the_second_time(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("503-once", stream=stream)
    assert seen.text == TEXT
    assert desk.outcomes == [("503-once", "provider_unavailable"), ("503-once", None)]


@MODES
async def test_row_06_a_short_pause_is_waited_out_where_nobody_else_is_left(desk: Desk, stream: bool) -> None:
    desk.faultd.script["m"] = ["429-ra2"]
    seen = await desk.ask(desk.deployment("m"), stream=stream)
    assert seen.text == TEXT
    assert desk.outcomes == [("m", "provider_rate_limited"), ("m", None)]
    [pause_s] = desk.pauses
    assert 2 < pause_s < 3
    assert desk.faultd.count("m") == 2


@MODES
async def test_row_09_a_burst_of_failures_adds_no_more_than_the_budget(desk: Desk, stream: bool) -> None:
    """20 requests a second for 30 s, to three engines that all fail, and nobody's cooldown in between."""
    clock = [0.0]
    budget = RetryBudget(0.2, lambda: clock[0])
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, clock=lambda: clock[0], sleep=desk._pause, budget=budget)
    statuses = ("500", "503", "529")
    for request in range(600):
        clock[0] = request / 20
        seen = await desk.ask(*statuses, stream=stream)
        assert isinstance(seen.error, ProviderUnavailable)
    hits = sum(map(desk.faultd.count, statuses))
    assert 600 < hits <= 600 * 1.2 + 2  # the first time, nothing says that the second and the third fail too
    assert desk.faultd.count("500") >= 600
    assert budget.refused > 0
    last = desk.attempts[-1].message
    assert last is not None
    assert last.endswith("(policy.retry_budget)")
    assert seen.error.message == last


async def test_row_09_a_spent_budget_hands_on_the_last_error_with_its_retry_after(desk: Desk) -> None:
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, budget=RetryBudget(0.0, lambda: 0.0))
    first, second = desk.deployment("429-ra3600", id="first"), desk.deployment("429-ra3600", id="second")
    seen = [await desk.ask(first, second) for _ in range(12)]
    assert desk.watch.begun == {"first": 12, "second": 12}
    assert desk.faultd.count("429-ra3600") == 12 + 1 + 10
    assert isinstance(seen[-1].error, ProviderRateLimited)
    assert seen[-1].error.retry_after_s == 3600
    assert desk.outcomes == [("first", "provider_rate_limited")]


async def test_row_09_a_fail_over_to_an_engine_that_works_is_never_refused(desk: Desk) -> None:
    budget = RetryBudget(0.0, lambda: 0.0)
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, budget=budget)
    assert {(await desk.ask("500", "ok")).deployment for _ in range(30)} == {"ok"}
    assert (budget.refused, desk.faultd.count("500"), desk.faultd.count("ok")) == (0, 30, 30)


async def test_row_09_a_fail_over_from_an_engine_that_nothing_reached_is_never_refused(desk: Desk, refused_url: str) -> None:
    budget = RetryBudget(0.0, lambda: 0.0)
    desk.dispatcher = Dispatcher(desk.lanes, desk.watch, budget=budget)
    for _ in range(30):
        assert (await desk.ask(desk.deployment("down", api_base=refused_url), "ok")).deployment == "ok"
    assert budget.refused == 0


@MODES
async def test_row_35_a_single_engine_that_always_fails_is_left_alone_soon_and_for_longer_each_time(
    desk: Desk, stream: bool
) -> None:
    fleet = desk.live(desk.deployment("500"))
    hits = []
    for _ in range(300):
        seen = await desk.ask_live(fleet, stream=stream)
        assert isinstance(seen.error, ProviderUnavailable | NoDeployment)
        desk.now += 1.0
        hits.append(desk.faultd.count("500"))
    assert hits[0] == 3
    assert hits[-1] < 15
    assert fleet.view().status("500").reason is not None
    assert len(desk.attempts) <= 1


@MODES
async def test_row_10_a_redirect_is_never_followed_and_no_credentials_go_there(desk: Desk, stream: bool) -> None:
    elsewhere = Faultd()
    await elsewhere.start()
    desk.faultd.redirect_to = elsewhere.base_url + "/chat/completions"
    seen = await desk.ask("redirect", stream=stream)
    await elsewhere.stop()
    assert isinstance(seen.error, ProviderProtocolError)
    assert "redirect" in seen.error.message
    assert (elsewhere.connections, elsewhere.hits) == (0, [])
    assert desk.faultd.count("redirect") == 1
    assert desk.outcomes == [("redirect", "provider_protocol_error")]


@MODES
@pytest.mark.parametrize("fault", ["html-200", "empty-200"])
async def test_row_11_a_200_that_is_no_answer_fails_over_and_alone_is_a_502(desk: Desk, fault: str, stream: bool) -> None:
    assert (await desk.ask(fault, "ok", stream=stream)).text == TEXT
    assert desk.outcomes == [(fault, "provider_protocol_error"), ("ok", None)]
    seen = await desk.ask(fault, stream=stream)
    assert isinstance(seen.error, ProviderProtocolError)
    assert seen.error.status == 502
    assert seen.events == []


@MODES
async def test_an_engine_that_dies_under_a_request_is_left_for_another_one(desk: Desk, stream: bool) -> None:
    assert (await desk.ask("drop", "ok", stream=stream)).deployment == "ok"
    assert desk.outcomes == [("drop", "provider_unavailable"), ("ok", None)]


@MODES
async def test_a_request_that_the_engine_refuses_is_sent_to_nobody_else(desk: Desk, stream: bool) -> None:
    seen = await desk.ask("400", "ok", stream=stream)
    assert isinstance(seen.error, ProviderRejected)
    assert desk.faultd.count("ok") == 0
    assert desk.outcomes == [("400", "provider_rejected")]


async def test_an_error_shows_the_engines_words_without_address_key_or_path(desk: Desk) -> None:
    seen = await desk.ask("400")
    assert seen.error is not None
    assert seen.error.message.startswith("400 refused the request (400): it failed at")
    for hidden in ("10.0.0.7", "sk-upstream", "/srv", KEY):
        assert hidden not in seen.error.message
