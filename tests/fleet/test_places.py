"""What a look at its engine teaches about a deployment, and who is looked at."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import engine_metadata as metadata
import pytest
from engine_server import ServeEngine

from waypost.config import loads
from waypost.fleet.deployment import Capabilities, Deployment, Price
from waypost.fleet.places import remember
from waypost.fleet.state import Fleet
from waypost.http.session import HttpSession
from waypost.secret import Secret


def configured(api_base: str | None, model: str = "alpha", **fields: Any) -> Deployment:
    given = {"provider": "custom_openai", "lane": "openai", "local": True, **fields}
    return Deployment(**{"id": model, "group": model, "model": model, "api_base": api_base, **given})


async def learned(session: Any, deployments: list[Deployment]) -> tuple[Deployment, ...]:
    fleet = Fleet(deployments, clock=time.monotonic)
    await fleet.refresh(session)
    return fleet.view().deployments


async def test_the_config_is_silent_and_the_engine_speaks(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp(vision=True))
    (deployment,) = await learned(session, [configured(f"{engine.url}/v1")])
    assert (deployment.window_tokens, deployment.capabilities.vision, deployment.capabilities.tools) == (2048, True, True)
    assert deployment.sources["window_tokens"] == deployment.sources["vision"] == "engine"


async def test_the_config_is_never_overruled(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp(vision=True))
    said = configured(f"{engine.url}/v1", window_tokens=512, capabilities=Capabilities(vision=False))
    said = replace(said, sources={"window_tokens": "config"})
    (deployment,) = await learned(session, [said])
    assert (deployment.window_tokens, deployment.capabilities.vision, deployment.capabilities.tools) == (512, False, True)


async def test_the_engine_knows_better_than_the_catalogue(session: HttpSession, serve_engine: ServeEngine) -> None:
    price = Price(1e-6, 2e-6)
    known = configured(None, window_tokens=131072, price=price, sources={"window_tokens": "catalogue", "price": "catalogue"})
    engine = await serve_engine(metadata.llamacpp())
    (deployment,) = await learned(session, [replace(known, api_base=f"{engine.url}/v1")])
    assert (deployment.window_tokens, deployment.sources["window_tokens"], deployment.price) == (2048, "engine", price)


async def test_an_assumed_window_does_not_replace_one_that_was_seen(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "alpha:latest"}, running={"alpha:latest": 32768}))
    (loaded,) = await learned(session, [configured(engine.url, provider="ollama_chat")])
    engine.answers["/api/ps"] = {"models": []}
    (unloaded,) = await learned(session, [loaded])
    assert (loaded.window_tokens, unloaded.window_tokens) == (32768, 32768)


async def test_deployments_of_one_engine_share_one_look(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "a:1b"}, {"name": "b:1b"}, {"name": "c:1b"}))
    models = [configured(engine.url, name, provider="ollama_chat") for name in ("a:1b", "b:1b")]
    await learned(session, models)
    assert engine.asked.count(("GET", "/api/tags")) == 1
    assert engine.asked.count(("POST", "/api/show")) == 2


async def test_an_engine_that_is_down_changes_nothing(session: HttpSession, unused_port: int) -> None:
    deployment = configured(f"http://127.0.0.1:{unused_port}/v1")
    assert await learned(session, [deployment]) == (deployment,)


async def test_the_key_of_the_deployment_opens_its_engine(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp())
    await learned(session, [configured(f"{engine.url}/v1", api_key=Secret("sesame"))])
    assert {headers.get("authorization") for headers in engine.headers} == {"Bearer sesame"}


@pytest.mark.parametrize(
    "deployment",
    [
        configured("https://api.openai.com/v1", local=False),
        configured("http://8.8.8.8/v1", local=False),
        configured("http://169.254.169.254/v1", local=False),
        configured(None),
        configured("http://127.0.0.1:1/v1", lane="simulated"),
    ],
)
async def test_what_is_far_away_is_not_looked_at(deployment: Deployment) -> None:
    class NoSession:
        def request(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError(f"asked {args}")

    assert await learned(NoSession(), [deployment]) == (deployment,)


async def test_a_model_that_the_engine_gets_from_elsewhere_is_not_local(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.ollama({"name": "big:cloud", "remote_host": "https://ollama.com:443"}))
    cloud = configured(engine.url, "big:cloud", provider="ollama_chat")
    trusted = replace(cloud, id="trusted", sources={"local": "config"})
    assert [d.local for d in await learned(session, [cloud, trusted])] == [False, True]


def test_what_the_engine_said_outlives_a_look_that_it_missed() -> None:
    seen = {"window_tokens": "engine", "tools": "engine", "local": "engine", "price": "catalogue"}
    before = configured(
        None, window_tokens=8192, capabilities=Capabilities(tools=True), local=False, price=Price(1.0, 1.0), sources=seen
    )
    guessed = {"window_tokens": "catalogue"}
    after = remember(configured(None, window_tokens=131_072, sources=guessed), before)
    assert (after.window_tokens, after.capabilities.tools, after.local, after.price) == (8192, True, False, None)
    assert after.sources == {"window_tokens": "engine", "tools": "engine", "local": "engine"}


def test_an_assumed_window_is_remembered_too_but_weighs_less() -> None:
    before = configured(None, window_tokens=4096, sources={"window_tokens": "assumed"})
    assert remember(configured(None), before).window_tokens == 4096
    assert remember(configured(None, window_tokens=8192, sources={"window_tokens": "engine"}), before).window_tokens == 8192


def test_a_config_that_changed_its_mind_overrules_what_is_remembered() -> None:
    before = configured(None, window_tokens=8192, local=False, sources={"window_tokens": "engine", "local": "engine"})
    said = configured(None, window_tokens=512, sources={"window_tokens": "config", "local": "config"})
    assert remember(said, before) == said


@pytest.mark.parametrize(
    ("provider", "model", "local"),
    [
        ("ollama", "gpt-oss:120b-cloud", False),
        ("ollama_chat", "glm-4.6:cloud", False),
        ("ollama_chat", "mine-cloud", False),
        ("ollama_chat", "cloud:7b", True),
        ("openai", "gpt-oss:120b-cloud", False),
        ("openai", "acme/my-cloud", True),
    ],
)
def test_a_model_of_ollamas_cloud_is_not_local_unless_the_config_says_so(provider: str, model: str, local: bool) -> None:
    listed = {"model": f"{provider}/{model}", "api_base": "http://127.0.0.1:11434", "api_key": "none"}
    config: dict[str, Any] = {"model_list": [{"model_name": "m", "litellm_params": listed}]}
    assert loads(json.dumps(config)).setup.deployments[0].local is local
    config["model_list"][0]["model_info"] = {"waypost": {"local": True}}
    assert loads(json.dumps(config)).setup.deployments[0].local is True


def test_a_model_of_ollamas_cloud_is_not_local_under_a_wildcard_either() -> None:
    pattern = configured("http://127.0.0.1:11434", "*", group="ollama_chat/*", provider="ollama_chat")
    cloud, here = pattern.meant_by("ollama_chat/glm-4.6:cloud"), pattern.meant_by("ollama_chat/qwen3:8b")
    assert cloud is not None
    assert here is not None
    assert (cloud.model, cloud.local, here.model, here.local) == ("glm-4.6:cloud", False, "qwen3:8b", True)
