"""A vLLM that sleeps is woken before a call: by contract, as no vLLM with a GPU is at hand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import engine_metadata as metadata
import pytest
from aiohttp import web

from waypost.config import loads
from waypost.errors import ProviderUnavailable
from waypost.fleet.deployment import Deployment, Timeouts
from waypost.fleet.state import Fleet
from waypost.http.session import HttpSession
from waypost.ledger import MemoryLedger
from waypost.router import Router
from waypost.secret import Secret


class SleepingVllm:
    """A vLLM in sleep mode, with its endpoints for development. ``wakes``: the status that it answers to a wake-up."""

    def __init__(self) -> None:
        self.asleep = True
        self.wakes = 200
        self.asked: list[str] = []
        self.keys: set[str | None] = set()
        self.may_wake = asyncio.Event()
        self.may_wake.set()
        self.being_woken = asyncio.Event()
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        self.keys.add(request.headers.get("authorization"))
        if request.path == "/wake_up":
            self.being_woken.set()
            await self.may_wake.wait()
            self.asleep = self.asleep and self.wakes != 200
            return web.Response(status=self.wakes)
        if request.path == "/v1/chat/completions":
            message = {"role": "assistant", "content": "Hello from m."}
            answer = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            return web.json_response(answer, status=500 if self.asleep else 200)
        answers: dict[str, Any] = {**metadata.vllm("m"), "/is_sleeping": {"is_sleeping": self.asleep}}
        return web.json_response(answers[request.path]) if request.path in answers else web.Response(status=404)

    @property
    def wake_ups(self) -> int:
        return self.asked.count("POST /wake_up")


@pytest.fixture
async def vllm() -> Any:
    server = SleepingVllm()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    server.may_wake.set()
    await runner.cleanup()


@dataclass(frozen=True)
class Stated:
    url: str
    memory_gib: float | None = None
    max_models: int | None = None
    wake: bool = True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def fleet_of(vllm: SleepingVllm, session: HttpSession, clock: Clock, *, wake: bool = True, **fields: Any) -> Fleet:
    deployments = [
        Deployment(name, name, "hosted_vllm", "m", "openai", local=True, api_base=vllm.base_url, **fields)
        for name in ("m", "n")
    ]
    fleet = Fleet(deployments, clock=clock, engines=[Stated(vllm.base_url, wake=wake)])
    await fleet.refresh(session)
    return fleet


async def woken(fleet: Fleet, name: str = "m") -> None:
    waking = fleet.wake(name)
    if waking is not None:
        await waking


async def test_one_that_sleeps_is_not_loaded_and_a_load_of_it_is_short(vllm: SleepingVllm, session: HttpSession) -> None:
    fleet = await fleet_of(vllm, session, Clock())
    status = fleet.view().status("m")
    assert (status.up, status.loaded) == (True, False)
    assert status.residency is not None
    assert (status.residency.load_s, status.residency.loads_seen) == (1.0, 0)
    assert fleet.view().memories["vllm"].resident == ()


async def test_it_is_woken_before_a_call_and_what_that_took_is_learned(vllm: SleepingVllm, session: HttpSession) -> None:
    clock = Clock()
    fleet = await fleet_of(vllm, session, clock)
    vllm.may_wake.clear()
    fleet.begin("m")
    waking = asyncio.ensure_future(woken(fleet))
    await vllm.being_woken.wait()
    clock.now += 0.15
    vllm.may_wake.set()
    await waking
    assert not vllm.asleep
    status = fleet.view().status("n")
    assert status.loaded is True
    assert status.residency is not None
    assert (status.residency.load_s, status.residency.loads_seen) == (0.15, 1)
    assert fleet.wake("m") is None
    assert vllm.wake_ups == 1


async def test_a_request_to_one_that_sleeps_is_answered_when_it_is_awake(vllm: SleepingVllm) -> None:
    discovery = {"targets": [{"url": vllm.base_url}], "engines": [{"url": vllm.base_url, "wake": True}]}
    async with Router(loads(json.dumps({"discovery": discovery})), ledger=MemoryLedger(capacity=1)) as router:
        await router.look()
        assert router.view().status("m").loaded is False
        reply = await router.acompletion("m", [{"role": "user", "content": "hi"}])
        assert reply["choices"][0]["message"]["content"] == "Hello from m."
        assert router.view().status("m").loaded is True
    assert [path for path in vllm.asked if path.startswith("POST")] == ["POST /wake_up", "POST /v1/chat/completions"]


async def test_all_who_want_it_wait_for_one_wake_up(vllm: SleepingVllm, session: HttpSession) -> None:
    fleet = await fleet_of(vllm, session, Clock())
    await asyncio.gather(*(woken(fleet, name) for name in ("m", "n") * 5))
    assert vllm.wake_ups == 1


async def test_a_caller_who_leaves_stops_the_wake_up_for_nobody_else(vllm: SleepingVllm, session: HttpSession) -> None:
    fleet = await fleet_of(vllm, session, Clock())
    vllm.may_wake.clear()
    first, second = asyncio.ensure_future(woken(fleet)), asyncio.ensure_future(woken(fleet))
    await vllm.being_woken.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    vllm.may_wake.set()
    await second
    assert (vllm.asleep, vllm.wake_ups) == (False, 1)


@pytest.mark.parametrize("status", [404, 500])
async def test_one_that_does_not_wake_up_fails_with_what_to_do(vllm: SleepingVllm, session: HttpSession, status: int) -> None:
    fleet = await fleet_of(vllm, session, Clock())
    vllm.wakes = status
    with pytest.raises(ProviderUnavailable, match="--enable-sleep-mode"):
        await woken(fleet)
    vllm.wakes = 200
    await woken(fleet)
    assert not vllm.asleep


async def test_one_that_never_says_whether_it_woke_is_given_up_in_time(vllm: SleepingVllm, session: HttpSession) -> None:
    fleet = await fleet_of(vllm, session, Clock(), timeouts=Timeouts(first_byte_s=0.1))
    vllm.may_wake.clear()
    with pytest.raises(ProviderUnavailable):
        await woken(fleet)


async def test_it_is_woken_with_its_key(vllm: SleepingVllm, session: HttpSession) -> None:
    fleet = await fleet_of(vllm, session, Clock(), api_key=Secret("sesame"))
    vllm.keys.clear()
    await woken(fleet)
    assert vllm.keys == {"Bearer sesame"}


async def test_without_the_configs_word_nobody_is_asked_whether_he_sleeps_and_woken(
    vllm: SleepingVllm, session: HttpSession
) -> None:
    fleet = await fleet_of(vllm, session, Clock(), wake=False)
    await woken(fleet)
    assert fleet.view().status("m").loaded is True
    assert not {"GET /is_sleeping", "POST /wake_up"}.intersection(vllm.asked)
