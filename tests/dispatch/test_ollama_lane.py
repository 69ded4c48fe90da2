"""The lane to Ollama in front of an Ollama that loads, evicts and fails as the real one does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from whole import MakeClient

from servers.clocks import HandClock
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve
from waypost import errors
from waypost.config.discovery import DiscoveryTarget
from waypost.dispatch.events import Call, Event
from waypost.dispatch.lanes.ollama import OllamaLane
from waypost.dispatch.lanes.openai import OpenAiLane
from waypost.fleet.deployment import Deployment
from waypost.fleet.discovery import discover
from waypost.fleet.timings import Timings
from waypost.http.session import HttpSession

GIB = 1 << 30
MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
HI = [{"role": "user", "content": "hi"}]


def entry(ollama: Ollama, model: str, **params: Any) -> dict[str, Any]:
    params = {"model": f"ollama/{model}", "api_base": ollama.url, **params}
    return {"model_name": model.partition(":")[0], "litellm_params": params}


def of(ollama: Ollama, model: str, **changes: Any) -> Deployment:
    return Deployment(model, model, "ollama_chat", model, "ollama", local=True, **{"api_base": ollama.url, **changes})


def said(events: list[Event]) -> tuple[Any, ...]:
    """What a client makes of an answer, however it was cut into events."""
    chunks = [json.loads(event.payload) for event in events]
    parts = [choice.get("delta") or choice.get("message") or {} for chunk in chunks for choice in chunk["choices"]]
    calls = [call["function"] for part in parts for call in part.get("tool_calls") or ()]
    usage = next(event.usage for event in reversed(events) if event.usage)
    return (
        "".join(part.get("content") or "" for part in parts),
        "".join(part.get("reasoning_content") or "" for part in parts),
        [(call["name"], json.loads(call["arguments"])) for call in calls],
        [event.finish_reason for event in events if event.finish_reason],
        (usage.prompt_tokens, usage.completion_tokens),
    )


@MODES
@pytest.mark.parametrize(
    "answer",
    [
        Answer("Good morning to you."),
        Answer("Yes.", "Let me see."),
        Answer("Look:", tool_calls=[("get_time", {}), ("get_weather", {"city": "Paris"})]),
    ],
    ids=["text", "thoughts", "calls"],
)
async def test_the_same_answer_is_the_same_through_the_openai_lane(answer: Answer, stream: bool) -> None:
    model = OllamaModel("q:8b", answer, capabilities=("completion", "tools", "thinking"))
    tools = (
        [{"type": "function", "function": {"name": name}} for name in ("get_time", "get_weather")] if answer.tool_calls else []
    )
    body = {"model": "q:8b", "messages": HI, "stream": stream, "stream_options": {"include_usage": True}, "tools": tools}
    async with serve(model) as ollama:
        found = []
        for lane, address in ((OllamaLane(), ollama.url), (OpenAiLane(), ollama.base_url)):
            call = Call(of(ollama, "q:8b", api_base=address), body, stream)
            found.append(said([event async for event in lane.events(call)]))
            await lane.close()
        assert found[0] == found[1]
        assert [request.path for request in ollama.requests] == ["/api/chat", "/v1/chat/completions"]


@MODES
async def test_the_last_event_has_the_load_and_the_speeds_that_the_engine_measured(stream: bool) -> None:
    model = OllamaModel("q:8b", Answer("one two three four"), load_s=40, answer_tokens_per_s=50, prompt_tokens_per_s=100)
    async with serve(model) as ollama:
        lane = OllamaLane()
        call = Call(of(ollama, "q:8b"), {"model": "q:8b", "messages": HI}, stream)
        cold = [event async for event in lane.events(call)][-1].timings
        warm = [event async for event in lane.events(call)][-1].timings
        await lane.close()
    assert isinstance(cold, Timings)
    assert isinstance(warm, Timings)
    assert (cold.load_s, cold.answer_tokens) == (pytest.approx(40), 4)
    assert cold.answer_s == pytest.approx(4 / 50)
    assert cold.prompt_tokens is not None
    assert cold.prompt_s == pytest.approx(cold.prompt_tokens / 100)
    assert warm.load_s is not None
    assert warm.load_s < 0.01


@MODES
async def test_a_model_that_does_not_fit_is_named_so_and_the_next_candidate_answers(
    client_of: MakeClient, stream: bool
) -> None:
    words = "model requires more system memory (48.0 GiB) than is available (7.3 GiB)"
    async with serve(OllamaModel("big:70b", load_error=words), OllamaModel("small:1b", Answer("hi"))) as ollama:
        asked = client_of(entry(ollama, "big:70b"), entry(ollama, "small:1b"))
        assert await asked.ask(model="chat", stream=stream) == "hi"
        assert asked.attempts == [("big", "model_load_failed"), ("small", None)]
        assert len(ollama.asked("/api/chat")) == 2
        refused = await asked.ask(model="big", stream=stream)
        assert isinstance(refused, errors.ModelLoadFailed)
        assert "48.0 GiB" in refused.message


@MODES
async def test_an_option_of_the_wrong_type_is_the_callers_mistake_and_no_failure_of_the_model(
    client_of: MakeClient, stream: bool
) -> None:
    async with serve(OllamaModel("q:8b", Answer("hi")), OllamaModel("small:1b", Answer("hi"))) as ollama:
        asked = client_of(entry(ollama, "q:8b"), entry(ollama, "small:1b"))
        refused = await asked.ask(model="chat", stream=stream, options={"temperature": "hot"})
        assert isinstance(refused, errors.ProviderRejected)
        assert (refused.status, 'option "temperature"' in refused.message) == (400, True)
        assert len(ollama.asked("/api/chat")) == 1
        assert await asked.ask(model="chat", stream=stream) == "hi"
        assert asked.attempts == [("q", None)]


@MODES
async def test_a_full_queue_is_busy_and_no_failure_of_the_model(client_of: MakeClient, stream: bool) -> None:
    clock = HandClock()
    async with serve(OllamaModel("q:8b", Answer("hi")), settings=OllamaSettings(max_queue=1), clock=clock) as ollama:
        asked = client_of(entry(ollama, "q:8b"))
        first = [asyncio.ensure_future(asked.ask(model="q", stream=stream)) for _ in range(4)]
        done, waiting = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        [busy] = {type(task.result()) for task in done}
        assert busy is errors.ProviderRateLimited
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@MODES
async def test_a_model_that_is_not_there_says_so(client_of: MakeClient, stream: bool) -> None:
    async with serve(OllamaModel("q:8b")) as ollama:
        refused = await client_of(entry(ollama, "nope:1b")).ask(model="nope", stream=stream)
    assert isinstance(refused, errors.ProviderProtocolError)
    assert "model 'nope:1b' not found" in refused.message


@MODES
async def test_what_a_model_cannot_do_is_asked_of_the_next_one(client_of: MakeClient, stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}]
    plain = OllamaModel("plain:1b", capabilities=("completion",))
    able = OllamaModel("able:8b", Answer(tool_calls=[("get_time", {})]))
    async with serve(plain, able) as ollama:
        asked = client_of(entry(ollama, "plain:1b"), entry(ollama, "able:8b"))
        await asked.ask(model="chat", tools=tools, stream=stream)
        assert asked.attempts == [("plain", "provider_cannot"), ("able", None)]
        assert asked.router.view().status("plain").cooling_s is None
        assert asked.entry["finish_reason"] == "tool_calls"


async def test_an_error_under_way_is_a_broken_stream_and_whole_it_fails_over(client_of: MakeClient) -> None:
    cut = OllamaModel("cut:8b", Answer("one two three", error="an error was encountered", error_after=2))
    async with serve(cut, OllamaModel("q:8b", Answer("hi"))) as ollama:
        asked = client_of(entry(ollama, "cut:8b"), entry(ollama, "q:8b"))
        assert isinstance(await asked.ask(model="chat", stream=True), errors.StreamBroken)
        assert asked.attempts == [("cut", "stream_broken")]
        assert await asked.ask(model="chat") == "hi"
        assert asked.attempts == [("cut", "provider_unavailable"), ("q", None)]


@MODES
async def test_rows_26_to_28_a_caller_who_leaves_ends_the_load_or_the_answer(client_of: MakeClient, stream: bool) -> None:
    async with serve(OllamaModel("q:8b", load_s=60), clock=HandClock()) as ollama:
        asked = client_of(entry(ollama, "q:8b"))
        work = asyncio.ensure_future(asked.ask(model="q", stream=stream))
        await ollama.seen("/api/chat")
        await ollama.clock.sleeping()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await asyncio.wait_for(ollama.all_over(), 1)
        assert ollama.asked("/api/chat")[0].aborted


async def test_two_routes_with_their_own_sampling_share_one_load(client_of: MakeClient) -> None:
    async with serve(OllamaModel("q:8b", Answer("hi"))) as ollama:
        cold = entry(ollama, "q:8b", num_ctx=8192, temperature=0.1, think=False)
        warm = {**entry(ollama, "q:8b", num_ctx=8192, temperature=0.9, keep_alive=-1), "model_name": "poet"}
        asked = client_of(cold, warm)
        for name in ("q", "poet", "q", "poet"):
            assert await asked.ask(model=name) == "hi"
        assert [run.options["temperature"] for run in ollama.runs] == [0.1, 0.9, 0.1, 0.9]
        assert (len(ollama.loads), ollama.reloads) == (1, [])


async def test_what_is_found_on_this_machine_is_called_natively() -> None:
    async with serve(OllamaModel("q:8b", Answer("hi"))) as ollama, HttpSession() as session:
        found = await discover(session, [DiscoveryTarget(url=f"{ollama.url}/v1")])
        [one] = found.deployments
        assert (one.lane, one.provider, one.api_base) == ("ollama", "ollama_chat", ollama.url)
        lane = OllamaLane()
        events = [event async for event in lane.events(Call(one, {"model": "q:8b", "messages": HI}))]
        await lane.close()
        assert [event.text for event in events] == ["hi"]
        assert [request.path for request in ollama.requests if request.method == "POST"] == ["/api/show", "/api/chat"]
