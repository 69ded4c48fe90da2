"""The LiteLLM lane gives the same answers and the same errors as the OpenAI lane, for what both can reach."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import aclosing
from typing import Any

import pytest
from desk import KEY, LITELLM_WARNS, Desk

from waypost import errors
from waypost.dispatch.events import Call
from waypost.dispatch.lanes import litellm as lane_module
from waypost.dispatch.lanes.litellm import LiteLlmLane
from waypost.faults.faultd import TEXT, Faultd
from waypost.fleet.deployment import Deployment, Timeouts
from waypost.secret import Secret

pytestmark = LITELLM_WARNS
MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
PROVIDERS = pytest.mark.parametrize("provider", ["hosted_vllm", "custom_openai", "openai"])


def through_litellm(desk: Desk, fault: str, **changes: Any) -> Deployment:
    """Its deadlines leave room for LiteLLM's own work, which takes longer than faultd's."""
    return desk.deployment(fault, **{"lane": "litellm", "timeouts": Timeouts(first_byte_s=5, idle_s=0.5), **changes})


@MODES
@PROVIDERS
async def test_it_gives_what_the_openai_lane_gives(desk: Desk, provider: str, stream: bool) -> None:
    direct = await desk.ask(desk.deployment("ok"), stream=stream)
    expected = desk.attempts[0]
    seen = await desk.ask(through_litellm(desk, "ok", provider=provider), stream=stream)
    got = desk.attempts[0]
    assert (seen.text, seen.error) == (direct.text, None)
    assert (got.finish_reason, got.cost_usd) == (expected.finish_reason, expected.cost_usd)
    assert got.usage is not None
    assert expected.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (11, 6)
    assert desk.faultd.count("ok") == 2


@MODES
async def test_no_private_field_of_litellm_reaches_the_caller(desk: Desk, stream: bool) -> None:
    seen = await desk.ask(through_litellm(desk, "ok"), stream=stream)
    allowed = {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"}
    for chunk in seen.chunks:
        assert chunk.keys() <= allowed
        for choice in chunk["choices"]:
            assert choice.keys() <= {"index", "delta", "message", "finish_reason", "logprobs"}
            said = choice.get("delta") or choice.get("message") or {}
            assert "provider_specific_fields" not in said


async def test_the_engine_gets_settings_and_known_parameters_but_no_unknown_field_of_the_caller(desk: Desk) -> None:
    of = through_litellm(desk, "ok", settings={"top_k": 7}, headers={"x-tenant": "blue"})
    await desk.ask(of, temperature=0.5, sneaky=1, mock_response="no", max_retries=5)
    [hit] = desk.faultd.hits
    assert hit.headers["authorization"] == f"Bearer {KEY}"
    assert hit.headers["x-tenant"] == "blue"
    assert (hit.body["temperature"], hit.body["top_k"]) == (0.5, 7)
    assert not {"sneaky", "mock_response", "max_retries", "shared_session"} & hit.body.keys()


def test_parameters_that_a_provider_does_not_take_are_dropped_unless_the_deployment_says_otherwise(desk: Desk) -> None:
    for transport, expected in (({}, True), ({"drop_params": False}, False)):
        of = through_litellm(desk, "ok", transport=transport)
        assert LiteLlmLane()._arguments(Call(of, {"drop_params": "no"}))["drop_params"] is expected


def test_credentials_of_the_transport_reach_litellm_as_they_are(desk: Desk) -> None:
    of = through_litellm(desk, "ok", transport={"aws_region_name": "eu-1", "aws_secret_access_key": Secret("s3cret", "KEY")})
    given = LiteLlmLane()._arguments(Call(of, {"messages": []}))
    assert (given["aws_region_name"], given["aws_secret_access_key"]) == ("eu-1", "s3cret")


@MODES
@PROVIDERS
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("400", errors.ProviderRejected),
        ("401", errors.ProviderAuthFailed),
        ("403", errors.ProviderAuthFailed),
        ("404", errors.ProviderProtocolError),
        ("429-ra7", errors.ProviderRateLimited),
        ("500", errors.ProviderUnavailable),
        ("503", errors.ProviderUnavailable),
        ("context-too-long", errors.ProviderContextTooLong),
        ("html-200", errors.ProviderError),
        ("never-headers", errors.ProviderTimeout),
    ],
)
async def test_each_failure_is_one_request_and_one_error_of_our_tree(
    desk: Desk, provider: str, fault: str, kind: type[errors.ProviderError], stream: bool
) -> None:
    desk.dispatcher._max_attempts = 1
    await desk.ask(through_litellm(desk, "ok", provider=provider), stream=stream)  # LiteLLM's first call to a provider is slow
    timeouts = Timeouts(first_byte_s=0.5, total_s=0.6) if fault == "never-headers" else Timeouts()
    seen = await desk.ask(through_litellm(desk, fault, provider=provider, timeouts=timeouts), stream=stream)
    assert isinstance(seen.error, kind)
    assert seen.error.message.startswith(f"{fault} ")
    for hidden in ("127.0.0.1", "10.0.0.7", KEY, "sk-upstream", "/srv", "litellm."):
        assert hidden not in seen.error.message
    assert desk.faultd.count(fault) == 1
    if fault == "429-ra7":
        assert isinstance(seen.error, errors.ProviderRateLimited)
        assert seen.error.retry_after_s == 7


@MODES
async def test_row_01_a_refused_connection_fails_over(desk: Desk, refused_url: str, stream: bool) -> None:
    seen = await desk.ask(through_litellm(desk, "down", api_base=refused_url), "ok", stream=stream)
    assert seen.text == TEXT
    assert desk.outcomes == [("down", "provider_unreachable"), ("ok", None)]


@MODES
@pytest.mark.parametrize("provider", ["hosted_vllm", "custom_openai", "openai", "anthropic", "gemini"])
async def test_row_02_a_host_that_drops_packets_is_left_after_the_connect_timeout(
    desk: Desk, deaf_url: str, provider: str, stream: bool
) -> None:
    timeouts = Timeouts(connect_s=0.2, first_byte_s=30, total_s=30)
    await desk.ask(through_litellm(desk, "deaf", provider=provider, api_base=deaf_url, timeouts=timeouts), stream=stream)
    [attempt] = desk.attempts
    assert attempt.message == "deaf did not accept a connection within 0.2 s (connect timeout)"


@MODES
@PROVIDERS
async def test_row_10_a_redirect_is_never_followed(desk: Desk, provider: str, stream: bool) -> None:
    elsewhere = Faultd()
    await elsewhere.start()
    desk.faultd.redirect_to = elsewhere.base_url + "/chat/completions"
    seen = await desk.ask(through_litellm(desk, "redirect", provider=provider), stream=stream)
    await elsewhere.stop()
    assert isinstance(seen.error, errors.ProviderProtocolError)
    assert "redirect" in seen.error.message
    assert elsewhere.connections == 0
    assert desk.faultd.count("redirect") == 1


@pytest.mark.parametrize("fault", ["first-event-error", "role-then-error", "stall-0", "cut-0"])
async def test_rows_12_and_13_what_fails_before_the_first_output_is_invisible(desk: Desk, fault: str) -> None:
    seen = await desk.ask(through_litellm(desk, fault), "ok")
    assert (seen.text, seen.deployment) == (TEXT, "ok")
    assert desk.faultd.count(fault) == 1


@PROVIDERS
@pytest.mark.parametrize("fault", ["cut-2", "stall-2", "error-after-2", "end-2", "tool-cut", "tool-end"])
async def test_rows_14_15_21_and_22_what_breaks_after_output_is_an_error(desk: Desk, provider: str, fault: str) -> None:
    seen = await desk.ask(through_litellm(desk, fault, provider=provider), "ok")
    assert isinstance(seen.error, errors.StreamBroken)
    assert not any(event.finish_reason for event in seen.events)
    assert desk.faultd.count("ok") == 0
    assert (desk.attempts[0].error, desk.attempts[0].committed) == ("stream_broken", True)


async def test_two_calls_that_share_an_index_are_told_apart(desk: Desk) -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get_weather", "get_time")]
    seen = await desk.ask(through_litellm(desk, "two-calls"), tools=tools)
    calls = [call for chunk in seen.chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls") or ()]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "get_weather"), (1, "get_time")]
    assert calls[0]["id"] == "call_1"
    assert calls[1]["id"]


async def test_closing_a_lane_breaks_no_call_of_another_lane_of_its_loop(desk: Desk) -> None:
    answer = await desk.open(through_litellm(desk, "endless"))
    other = LiteLlmLane()
    async for _ in other.events(Call(through_litellm(desk, "ok"), {"messages": [{"role": "user", "content": "hi"}]})):
        pass
    await other.close()
    async with aclosing(answer.events()) as events:
        assert len([await anext(events) for _ in range(5)]) == 5


async def test_closing_a_lane_breaks_no_call_of_another_loop(desk: Desk) -> None:
    """Loops of threads, as a program has them that calls `completion` and `acompletion`."""
    of = through_litellm(desk, "endless")

    async def other_loop(begun: asyncio.Event, home: asyncio.AbstractEventLoop, closed: threading.Event) -> int:
        lane = LiteLlmLane()
        call = Call(of, {"messages": [{"role": "user", "content": "hi"}], "stream": True}, stream=True)
        async with aclosing(lane.events(call)) as events:
            await anext(events)
            home.call_soon_threadsafe(begun.set)
            await asyncio.to_thread(closed.wait)
            seen = len([await anext(events) for _ in range(5)])
        await lane.close()
        return seen

    await desk.ask(through_litellm(desk, "ok"))
    begun, closed = asyncio.Event(), threading.Event()
    running = asyncio.create_task(asyncio.to_thread(asyncio.run, other_loop(begun, asyncio.get_running_loop(), closed)))
    await begun.wait()
    await desk.dispatcher.close()
    closed.set()
    assert await running == 5


async def test_closing_the_last_lane_of_a_loop_closes_its_connections(desk: Desk) -> None:
    await desk.ask(through_litellm(desk, "ok"))
    await desk.dispatcher.close()
    await asyncio.wait_for(desk.faultd.all_left(), 2)


async def test_a_missing_litellm_says_what_to_install(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("litellm")

    monkeypatch.setattr(lane_module, "load", missing)
    desk.lanes["litellm"] = LiteLlmLane()
    seen = await desk.ask(through_litellm(desk, "ok"))
    assert isinstance(seen.error, errors.ConnectFailed)
    assert "pip install 'waypost[litellm]'" in seen.error.message


def test_litellms_log_shows_no_prompt_whatever_the_level_of_ours() -> None:
    code = (
        "import logging, os; os.environ['LITELLM_LOG'] = 'DEBUG'; logging.basicConfig(level='DEBUG')\n"
        "from waypost.dispatch.lanes.litellm_library import load\n"
        "ask = [{'role': 'user', 'content': 'a-secret-prompt'}]\n"
        "load().completion(model='hosted_vllm/x', messages=ask, mock_response='hi')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert "a-secret-prompt" not in done.stdout + done.stderr


def test_opening_the_lanes_imports_no_litellm() -> None:
    check = "import sys, waypost.dispatch.lanes.litellm; sys.exit('litellm' in sys.modules or 'httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
