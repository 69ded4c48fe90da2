"""The library: one object that decides, calls and records, sync and async."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import waypost
from engines.gateway import fleet_config
from engines.llamacpp import LlamaCpp
from engines.process import free_port
from waypost import Router
from waypost.errors import ConnectFailed, InvalidRequest, MissingCapability, UnknownModel
from waypost.faults.faultd import Faultd
from waypost.router import new_id

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def hi(text: str = "hi") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def config(llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp, tmp_path: Path) -> dict[str, Any]:
    return fleet_config(tmp_path, {"alpha": llamacpp.base_url, "beta": llamacpp_beta.base_url})


def test_route_is_sync_sends_nothing_and_explains(config: dict[str, Any]) -> None:
    with Router.from_config(config) as router:
        decision = router.route("Turn on the kitchen light", tools=[WEATHER])
        assert decision.candidates
        assert decision.to_dict()["reason"]
        assert router.ledger.tail(5) == []
        with pytest.raises(InvalidRequest):
            router.route([{"role": "nobody", "content": "hi"}])


async def test_acompletion_answers_as_openai_does_and_carries_its_decision(config: dict[str, Any], llamacpp: LlamaCpp) -> None:
    async with Router.from_config(config) as router:
        reply = await router.acompletion(model="chat", messages=hi())
        assert reply.choices[0].message.content == reply["choices"][0]["message"]["content"] == llamacpp.hello
        assert reply.choices[0].message.tool_calls is None
        assert reply.usage.completion_tokens > 0
        assert (reply.decision.route, reply.attempts[-1].deployment) == ("chat", "alpha")
        text = ""
        async for chunk in await router.acompletion(model="chat", messages=hi("count"), stream=True):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert text.split() == [f"c{n:03d}" for n in range(1, 201)]
        entry = router.ledger.get(reply.decision.id)
        assert entry is not None
        assert (entry["status"], entry["deployment"]) == ("ok", "alpha")


def test_completion_works_without_async_and_beside_a_running_loop(config: dict[str, Any], llamacpp: LlamaCpp) -> None:
    with Router.from_config(config) as router:
        assert router.completion(model="chat", messages=hi()).choices[0].message.content == llamacpp.hello
        stream = router.completion(model="chat", messages=hi("count"), stream=True)
        first = [chunk for chunk, _ in zip(stream, range(3), strict=False)]
        assert len(first) == 3
        stream.close()

        async def inside() -> str:
            return str((await router.acompletion(model="chat", messages=hi())).choices[0].message.content)

        assert asyncio.run(inside()) == llamacpp.hello
    assert [entry["status"] for entry in router.ledger.tail(10)] == ["ok", "cancelled", "ok"]


async def test_a_stream_that_is_left_is_recorded_as_cancelled(config: dict[str, Any]) -> None:
    async with Router.from_config(config) as router:
        stream = await router.acompletion(model="chat", messages=hi("loop"), stream=True, max_tokens=1000)
        chunk = await anext(stream)
        await stream.aclose()
        entry = router.ledger.get(chunk.decision.id)
        assert entry is not None
        assert (entry["status"], entry["http_status"], entry["error"]) == ("cancelled", 499, "cancelled")


async def test_failures_are_typed_and_recorded(config: dict[str, Any], tmp_path: Path) -> None:
    dead = fleet_config(tmp_path, {"dead": f"http://127.0.0.1:{free_port()}/v1"})
    async with Router.from_config(dead) as router:
        with pytest.raises(UnknownModel, match="did you mean dead"):
            await router.acompletion(model="daed", messages=hi())
        picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
        with pytest.raises(MissingCapability):
            await router.acompletion(messages=[{"role": "user", "content": picture}])
        with pytest.raises(ConnectFailed):
            await router.acompletion(messages=hi())
        await router.ledger.close()
        assert [(e["status"], e["http_status"]) for e in router.ledger.tail(3)] == [
            ("failed", 502),
            ("refused", 400),
            ("refused", 404),
        ]


def test_ids_sort_by_age_and_do_not_repeat() -> None:
    old, new = new_id(1_000_000.0), new_id(1_000_000.001)
    assert old < new
    assert len({new_id(5.0) for _ in range(1000)}) == 1000
    assert len(new_id()) == 23


def test_public_names_are_there_and_cost_nothing_until_used() -> None:
    assert set(waypost.__all__) == {"Decision", "Router", "Turn", "WaypostError", "__version__"}
    code = "import sys, waypost; print([m for m in ('numpy', 'aiohttp', 'litellm', 'sqlite3', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


async def test_an_answer_that_nobody_reads_frees_its_engine_and_is_recorded(config: dict[str, Any]) -> None:
    async with Router.from_config(config) as router:
        stream = await router.acompletion(model="chat", messages=hi("count"), stream=True)
        decision = stream._exchange.decision.id
        assert router.view().status("alpha").in_flight == 1
        del stream
        assert router.view().status("alpha").in_flight == 0
        entry = router.ledger.get(decision)
        assert entry is not None
        assert entry["status"] == "cancelled"


def test_headers_count_in_any_case_and_keep_a_request_private() -> None:
    cloud = {"model_name": "cloud", "litellm_params": {"model": "anthropic/claude", "api_key": "os.environ/NOBODY"}}
    with Router.from_config({"model_list": [cloud], "ledger": {"enabled": False}}) as router:
        refusal = router.route("hi", headers={"X-Waypost-Private": "true"}).refusal
        assert refusal is not None
        assert refusal.error.code == "privacy_refused"
        for unreadable in ({"X-Waypost-Private": "true", "x-waypost-private": "false"}, {"x-waypost-private": ""}):
            with pytest.raises(InvalidRequest):
                router.route("hi", headers=unreadable)
        assert router.route("hi").refusal is None


def test_threads_share_one_loop(config: dict[str, Any], llamacpp: LlamaCpp) -> None:
    with Router.from_config(config) as router:
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: router.completion(model="chat", messages=hi()), range(8)))
        assert {reply.choices[0].message.content for reply in replies} == {llamacpp.hello}
        assert [thread.name for thread in threading.enumerate()].count("waypost-sync") == 1


async def test_look_learns_what_the_engine_says(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    entry = {"model_name": "alpha", "litellm_params": {"model": "openai/alpha", "api_base": llamacpp.base_url}}
    async with Router.from_config({"model_list": [entry], "ledger": {"path": str(tmp_path / "ledger.db")}}) as router:
        assert router.view().deployments[0].window_tokens is None
        await router.look()
        assert router.view().deployments[0].window_tokens == 2048
        assert router.view().status("alpha").up is True


def test_an_open_stream_does_not_keep_the_interpreter_from_exiting() -> None:
    code = (
        "from waypost import Router\n"
        "entry = {'model_name': 'a', 'litellm_params': {'model': 'simulated/a'}}\n"
        "router = Router.from_config({'model_list': [entry], 'ledger': {'enabled': False}})\n"
        "stream = router.completion(model='a', messages='hi', stream=True)\n"
        "print(next(stream).choices[0].delta.role)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "assistant")


def test_messages_of_a_wrong_type_are_the_callers_error(config: dict[str, Any]) -> None:
    with Router.from_config(config) as router, pytest.raises(InvalidRequest):
        router.route(5)  # type: ignore[arg-type]


async def test_a_conversation_stays_with_the_replica_that_answered_it_and_others_are_spread() -> None:
    entry = {"model_name": "twin", "litellm_params": {"model": "simulated/twin"}}
    config = {"model_list": [entry, entry], "ledger": {"enabled": False}, "discovery": {"enabled": False}}
    async with Router.from_config(config) as router:

        async def ask(session: str) -> str:
            reply = await router.acompletion("twin", hi(), headers={"x-waypost-session": session})
            return reply.attempts[-1].deployment

        first = {name: await ask(name) for name in map(str, range(20))}
        assert set(first.values()) == {"twin#1", "twin#2"}
        assert {name: await ask(name) for name in first} == first
        card = router.route(hi(), model="twin", headers={"x-waypost-session": "7"})
        assert card.candidates[0].deployment == first["7"]
        assert "answered this conversation last" in card.candidates[0].reason


async def test_a_tool_loop_stays_with_who_called_the_tool_though_the_client_names_no_conversation() -> None:
    entry = {"model_name": "twin", "litellm_params": {"model": "simulated/twin"}}
    config = {"model_list": [entry] * 8, "ledger": {"enabled": False}, "discovery": {"enabled": False}}
    tools = [{"type": "function", "function": {"name": "turn_on"}}]
    call = {"id": "c1", "type": "function", "function": {"name": "turn_on", "arguments": "{}"}}
    results = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "on"}]
    async with Router.from_config(config) as router:
        for number in range(20):
            asked = [{"role": "user", "content": f"turn on light {number}"}]
            reply = await router.acompletion("twin", asked, tools=tools)
            card = router.route([*asked, *results], model="twin", tools=tools)
            assert card.candidates[0].deployment == reply.attempts[-1].deployment


async def test_row_39_the_ledger_has_both_attempts_of_a_hedged_request_and_who_answered(tmp_path: Path) -> None:
    faultd = Faultd()
    await faultd.start()
    config = fleet_config(tmp_path, {"slow-first-30000": faultd.base_url, "ok": faultd.base_url})
    for entry in config["model_list"]:
        entry["model_info"] = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5}
    config |= {"routes": {"pair": ["slow-first-30000", "ok"]}, "policy": {"hedge": {"after": 0.05}}}
    async with Router.from_config(config) as router:
        reply = await router.acompletion("pair", hi())
        await asyncio.wait_for((await faultd.hit("slow-first-30000")).left.wait(), 1)
        await router.ledger.close()
        entry = router.ledger.get(reply.decision.id)
    await faultd.stop()
    assert entry is not None
    assert (entry["status"], entry["deployment"], entry["first_output_s"]) == ("ok", "ok", reply.attempts[1].first_output_s)
    errors = [(attempt["deployment"], attempt["error"], attempt["committed"]) for attempt in entry["attempts"]]
    assert errors == [("slow-first-30000", "hedge_lost", False), ("ok", None, True)]
    lost, won = (attempt["cost_usd"] for attempt in entry["attempts"])
    assert entry["cost_usd"] == pytest.approx(lost + won)
    assert lost > 0
    assert (entry["prompt_tokens"], entry["usage_estimated"]) == (11, False)
