"""What the server does beside answering: it follows its engines and its config file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from servers.ollama_server import OllamaModel, serve
from waypost.config import loads
from waypost.errors import LedgerError
from waypost.fleet.view import FleetView
from waypost.http.session import HttpSession
from waypost.ledger import MemoryLedger
from waypost.router import Router
from waypost.server import upkeep
from waypost.server.upkeep import Upkeep
from waypost.startup import put_in_force


@dataclass
class Engine:
    """An engine that lists what it is told to; with ``None`` it gives no answer of any use."""

    models: list[str] | None
    port: int = 0
    looks: int = 0
    owner: str = "somebody"

    async def list_models(self, request: web.Request) -> web.Response:
        self.looks += 1
        if self.models is None:
            return web.Response(text="<html>")
        return web.json_response({"data": [{"id": name, "object": "model", "owned_by": self.owner} for name in self.models]})


@dataclass
class Running:
    """A router that is kept, as the server keeps it."""

    router: Router
    upkeep: Upkeep

    @property
    def view(self) -> FleetView:
        return self.router.view()

    @property
    def ids(self) -> list[str]:
        return [deployment.id for deployment in self.view]

    @property
    def up(self) -> list[bool | None]:
        return [self.view.status(name).up for name in self.ids]


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(["alpha"])
    app = web.Application()
    app.router.add_get("/v1/models", engine.list_models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    engine.port = runner.addresses[0][1]
    yield engine
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with HttpSession() as opened:
        yield opened


@pytest.fixture
async def running(engine: Engine, session: HttpSession, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts a router on the engine, as the server does."""
    routers: list[Router] = []

    async def start(**blocks: Any) -> Running:
        router = Router(loads(text(engine, **blocks)), ledger=MemoryLedger(capacity=1))
        routers.append(router)
        assembly = await put_in_force(router, router.config, session)
        return Running(router, Upkeep(router, session, tmp_path / "waypost.yaml", assembly))

    yield start
    for router in routers:
        await router.aclose()


def text(engine: Engine, **blocks: Any) -> str:
    discovery = {"targets": [{"url": f"http://127.0.0.1:{engine.port}"}], "refresh_s": 3600}
    return json.dumps({"discovery": discovery, "server": {"reload_s": 3600}, **blocks})


async def until(happened: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not happened():  # noqa: ASYNC110 - the router tells nobody of a change
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), 20)


async def test_what_is_loaded_is_looked_at_again_and_again_while_there_are_calls(session: HttpSession, tmp_path: Path) -> None:
    async with serve(OllamaModel("qwen3:8b")) as ollama:
        discovery = {"targets": [{"url": ollama.url}], "refresh_s": 3600, "residency_s": 0.01}
        router = Router(loads(json.dumps({"discovery": discovery})), ledger=MemoryLedger(capacity=1))
        assembly = await put_in_force(router, router.config, session)
        looks = len(ollama.asked("/api/ps"))
        async with Upkeep(router, session, tmp_path / "waypost.yaml", assembly).running():
            router.fleet.begin("qwen3:8b")
            await ollama.seen("/api/ps", looks + 2)
        await router.aclose()


async def test_a_found_engine_that_misses_looks_is_down_and_neither_gone_nor_simulated(
    engine: Engine, running: Callable[..., Any]
) -> None:
    served = await running()
    assert (served.ids, served.up) == (["alpha"], [True])
    engine.models = None
    await served.upkeep.renew()
    assert (served.ids, served.up) == (["alpha"], [True])
    await served.upkeep.renew()
    assert (served.ids, served.up) == (["alpha"], [False])
    engine.models = ["alpha"]
    await served.upkeep.renew()
    assert (served.ids, served.up) == (["alpha"], [True])


async def test_a_model_that_its_engine_no_longer_lists_is_gone(engine: Engine, running: Callable[..., Any]) -> None:
    served = await running()
    engine.models = ["beta", "gamma"]
    await served.upkeep.renew()
    assert served.ids == ["beta", "gamma"]
    engine.models = []
    await served.upkeep.renew()
    assert served.ids == []


async def test_a_simulation_ends_with_the_first_engine_and_never_returns(engine: Engine, running: Callable[..., Any]) -> None:
    engine.models = None
    served = await running()
    await served.upkeep.renew()
    assert {deployment.lane for deployment in served.view} == {"simulated"}
    engine.models = ["alpha"]
    await served.upkeep.renew()
    assert served.ids == ["alpha"]
    for models in (None, [], None):
        engine.models = models
        await served.upkeep.renew()
        assert not any(deployment.lane == "simulated" for deployment in served.view)


async def test_one_look_serves_discovery_and_the_fleet(engine: Engine, running: Callable[..., Any]) -> None:
    listed = {
        "model_name": "mine",
        "litellm_params": {"model": "openai/alpha", "api_base": f"http://localhost:{engine.port}/v1"},
    }
    engine.models = ["alpha", "beta"]
    served = await running(model_list=[listed], discovery={**json.loads(text(engine))["discovery"], "enabled": True})
    assert (served.ids, served.up, engine.looks) == (["mine", "beta"], [True, True], 1)
    await served.upkeep.renew()
    assert engine.looks == 2


async def test_the_library_simulates_no_more_than_the_server(engine: Engine, running: Callable[..., Any]) -> None:
    router = (await running()).router
    await router.look()
    engine.models = None
    await router.look()
    assert [deployment.id for deployment in router.view()] == ["alpha"]


async def test_engines_are_looked_at_again_and_again(engine: Engine, running: Callable[..., Any]) -> None:
    targets = json.loads(text(engine))["discovery"]["targets"]
    served = await running(discovery={"targets": targets, "refresh_s": 0.01})
    async with served.upkeep.running():
        engine.models = ["beta"]
        await until(lambda: served.ids == ["beta"])


async def test_corrections_that_others_stored_are_taken_up_and_a_ledger_that_fails_ends_nothing(
    engine: Engine, running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    targets = json.loads(text(engine))["discovery"]["targets"]
    served = await running(discovery={"targets": targets, "refresh_s": 0.01})
    made = served.router.feedback(text="Who wrote Dune?", task="memory")
    stored = served.router.ledger.corrections
    monkeypatch.setattr(served.router.ledger, "corrections", _failing)
    async with served.upkeep.running():
        await until(lambda: bool(caplog.records))
        served.router.ledger._corrections.clear()
        monkeypatch.setattr(served.router.ledger, "corrections", stored)
        await until(lambda: served.router.route("Who wrote Dune?").task.task != "memory")
        served.router.ledger.add_corrections([made])
        await until(lambda: served.router.route("Who wrote Dune?").task.task == "memory")


def _failing() -> None:
    raise LedgerError("the disk is gone")


async def test_a_config_that_is_written_while_it_serves_takes_over(
    engine: Engine, running: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = await running()
    caplog.set_level(logging.INFO, "waypost")
    async with served.upkeep.running():
        os.kill(os.getpid(), signal.SIGHUP)
        (tmp_path / "waypost.yaml").write_text(text(engine, aliases={"mine": "alpha"}, server={"reload_s": 0.01}))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "mine" in served.router.policy.aliases)
        (tmp_path / "waypost.yaml").write_text(text(engine, aliases={"yours": "alpha"}))
        # No signal: the file itself says how often it is looked at.
        await until(lambda: "yours" in served.router.policy.aliases)
    assert {record.levelname for record in caplog.records} <= {"INFO"}


async def test_settings_that_need_a_restart_are_named(
    engine: Engine, running: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = await running()
    changed = {"server": {"port": 4999, "reload_s": 7}, "ledger": {"path": "elsewhere.db", "store_prompts": True}}
    (tmp_path / "waypost.yaml").write_text(text(engine, **changed))
    async with served.upkeep.running():
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: bool(caplog.records))
    assert [record.getMessage() for record in caplog.records] == [
        "restart the server for what is read at its start only: server.port, ledger.path"
    ]


def test_every_setting_of_server_and_ledger_is_followed_or_named() -> None:
    of = loads("")
    settings = {f"{block}.{name}" for block in ("server", "ledger") for name in type(getattr(of, block)).model_fields}
    assert settings - set(upkeep._READ_AT_START) == {"server.reload_s", "server.ping_s", "ledger.store_prompts"}


async def test_a_setting_that_an_engine_turns_out_not_to_have_is_told_once(
    engine: Engine, running: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    params = {"model": "custom_openai/alpha", "api_base": f"http://127.0.0.1:{engine.port}/v1", "typical_p": 0.9}
    routes = {"chat": {"candidates": ["alpha"], "settings": {"mirostat": 2}}}
    served = await running(model_list=[{"model_name": "alpha", "litellm_params": params}], routes=routes)
    assert served.router.config.warnings == ()
    assert caplog.messages == []
    engine.owner = "vllm"
    await served.upkeep.renew()
    await served.upkeep.renew()
    assert caplog.messages == [
        "`mirostat` does not go to `alpha`: vLLM has no such setting",
        "`typical_p` does not go to `alpha`: vLLM has no such setting",
    ]
    assert [deployment.reads for deployment in served.view] == ["vllm"]
