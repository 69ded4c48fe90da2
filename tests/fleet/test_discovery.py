from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import engine_metadata as metadata
import pytest
from aiohttp import ClientSession
from engine_server import ServeEngine, ServeRaw

from waypost.fleet.deployment import Capabilities, Deployment, Price
from waypost.fleet.discovery import DEFAULT_TARGETS, discover, enrich
from waypost.secret import Secret


@dataclass(frozen=True)
class At:
    """A target as a config gives it."""

    url: str


def configured(api_base: str | None, model: str = "alpha", **fields: Any) -> Deployment:
    given = {"provider": "custom_openai", "lane": "openai", "local": True, **fields}
    return Deployment(id=model, group=model, model=model, api_base=api_base, **given)


def test_unasked_only_this_machine_is_looked_at() -> None:
    assert {urlsplit(target.url).hostname for target in DEFAULT_TARGETS} == {"127.0.0.1"}
    assert [urlsplit(target.url).port for target in DEFAULT_TARGETS] == [11434, 8000, 8080, 1234]


async def test_with_nothing_there_it_is_quick_and_says_where_it_looked(session: ClientSession, unused_port: int) -> None:
    started = time.monotonic()
    found = await discover(session, [At(f"http://127.0.0.1:{unused_port}")] * 4)
    assert time.monotonic() - started < 2
    assert found.deployments == ()
    assert found.lines == (f"nothing at 127.0.0.1:{unused_port}",) * 4


async def test_silent_ports_are_waited_for_together(session: ClientSession, serve_raw: ServeRaw) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    targets = [At(await serve_raw(say_nothing)) for _ in range(6)]
    started = time.monotonic()
    assert (await discover(session, targets, timeout_s=0.4)).deployments == ()
    assert time.monotonic() - started < 1.2


async def test_every_model_becomes_a_local_deployment_without_a_price(
    session: ClientSession, serve_engine: ServeEngine
) -> None:
    show = metadata.ollama_show("completion", "tools", "vision")
    ollama = await serve_engine(metadata.ollama({"name": "qwen3:8b", "show": show}, running={"qwen3:8b": 8192}))
    vllm = await serve_engine(metadata.vllm())
    found = await discover(session, [At(ollama.url), At(f"{vllm.url}/v1/")])
    first, second = found.deployments
    assert (first.id, first.group, first.provider, first.model) == ("qwen3:8b", "qwen3:8b", "ollama", "qwen3:8b")
    assert (first.lane, first.local, first.api_base, first.price) == ("openai", True, f"{ollama.url}/v1", None)
    assert (first.window_tokens, first.sources["window_tokens"]) == (8192, "engine")
    assert (first.capabilities.tools, first.capabilities.vision) == (True, True)
    assert (second.provider, second.api_base, second.window_tokens) == ("hosted_vllm", f"{vllm.url}/v1", 32768)
    assert found.lines == (
        f"Ollama 0.32.0 at 127.0.0.1:{ollama.port}: 1 model",
        f"vLLM 0.32.0 at 127.0.0.1:{vllm.port}: 1 model",
    )


async def test_an_assumed_window_is_marked_as_such(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "qwen3:8b", "show": metadata.ollama_show("completion")}))
    (deployment,) = (await discover(session, [At(engine.url)])).deployments
    assert (deployment.window_tokens, deployment.sources["window_tokens"]) == (4096, "assumed")


async def test_the_same_name_in_two_engines_gives_ids_that_say_which(session: ClientSession, serve_engine: ServeEngine) -> None:
    one, two, three = [
        await serve_engine(routes)
        for routes in (metadata.llamacpp("alpha"), metadata.vllm("alpha"), metadata.llamacpp("alpha"))
    ]
    found = await discover(session, [At(one.url), At(two.url), At(three.url)])
    assert [deployment.group for deployment in found.deployments] == ["alpha"] * 3
    assert [deployment.id for deployment in found.deployments] == [
        f"llamacpp/alpha@127.0.0.1:{one.port}",
        "hosted_vllm/alpha",
        f"llamacpp/alpha@127.0.0.1:{three.port}",
    ]


async def test_what_the_config_reaches_is_not_found_again(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "known:latest"}, {"name": "fresh:7b"}, {"name": "taken:7b"}))
    known = configured(f"http://localhost:{engine.port}", "known", provider="ollama_chat", lane="litellm")
    other = configured("https://api.example.com/v1", "taken:7b", local=False)
    found = await discover(session, [At(engine.url)], beside=[known, other])
    assert [deployment.id for deployment in found.deployments] == ["fresh:7b", "ollama/taken:7b"]


async def test_models_that_run_elsewhere_are_counted_and_not_used(session: ClientSession, serve_engine: ServeEngine) -> None:
    cloud = {"name": "big:cloud", "remote_host": "https://ollama.com:443"}
    engine = await serve_engine(metadata.ollama({"name": "small:1b"}, cloud))
    found = await discover(session, [At(engine.url)])
    assert [deployment.id for deployment in found.deployments] == ["small:1b"]
    assert "1 model; 1 more run elsewhere" in found.lines[0]


async def test_what_cannot_serve_is_listed_and_not_used(session: ClientSession, serve_engine: ServeEngine) -> None:
    triton = await serve_engine(metadata.triton())
    dead = await serve_engine(metadata.vllm(), status={"/health": 503})
    found = await discover(session, [At(triton.url), At(dead.url)])
    assert found.deployments == ()
    assert "frontend" in found.lines[0]
    assert "restart vLLM" in found.lines[1]


async def test_a_line_does_not_show_a_password(session: ClientSession, unused_port: int) -> None:
    found = await discover(session, [At(f"http://me:sesame@127.0.0.1:{unused_port}")])
    assert "sesame" not in f"{found.lines}{found!r}"


async def test_a_name_that_would_be_a_pattern_is_left_out(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine({"/v1/models": metadata.listing({"id": "openai/*"}, {"id": "m"})})
    assert [d.id for d in (await discover(session, [At(engine.url)])).deployments] == ["m"]


async def test_the_config_is_silent_and_the_engine_speaks(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp(vision=True))
    (deployment,) = await enrich(session, [configured(f"{engine.url}/v1")])
    assert (deployment.window_tokens, deployment.capabilities.vision, deployment.capabilities.tools) == (2048, True, True)
    assert deployment.sources["window_tokens"] == deployment.sources["vision"] == "engine"


async def test_the_config_is_never_overruled(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp(vision=True))
    said = configured(f"{engine.url}/v1", window_tokens=512, capabilities=Capabilities(vision=False))
    said = replace(said, sources={"window_tokens": "config"})
    (deployment,) = await enrich(session, [said])
    assert (deployment.window_tokens, deployment.capabilities.vision, deployment.capabilities.tools) == (512, False, True)


async def test_the_engine_knows_better_than_the_catalogue(session: ClientSession, serve_engine: ServeEngine) -> None:
    price = Price(1e-6, 2e-6)
    known = configured(None, window_tokens=131072, price=price, sources={"window_tokens": "catalogue", "price": "catalogue"})
    engine = await serve_engine(metadata.llamacpp())
    (deployment,) = await enrich(session, [replace(known, api_base=f"{engine.url}/v1")])
    assert (deployment.window_tokens, deployment.sources["window_tokens"], deployment.price) == (2048, "engine", price)


async def test_an_assumed_window_does_not_replace_one_that_was_seen(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "alpha:latest"}, running={"alpha:latest": 32768}))
    (loaded,) = await enrich(session, [configured(engine.url, provider="ollama_chat")])
    engine.answers["/api/ps"] = {"models": []}
    (unloaded,) = await enrich(session, [loaded])
    assert (loaded.window_tokens, unloaded.window_tokens) == (32768, 32768)


async def test_deployments_of_one_engine_share_one_look(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "a:1b"}, {"name": "b:1b"}, {"name": "c:1b"}))
    models = [configured(engine.url, name, provider="ollama_chat") for name in ("a:1b", "b:1b")]
    await enrich(session, models)
    assert engine.asked.count(("GET", "/api/tags")) == 1
    assert engine.asked.count(("POST", "/api/show")) == 2


async def test_an_engine_that_is_down_changes_nothing(session: ClientSession, unused_port: int) -> None:
    deployment = configured(f"http://127.0.0.1:{unused_port}/v1")
    assert await enrich(session, [deployment]) == (deployment,)


async def test_the_key_of_the_deployment_opens_its_engine(session: ClientSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp())
    await enrich(session, [configured(f"{engine.url}/v1", api_key=Secret("sesame"))])
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

    assert await enrich(NoSession(), [deployment]) == (deployment,)  # type: ignore[arg-type]


async def test_a_model_that_the_engine_gets_from_elsewhere_is_not_local(
    session: ClientSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.ollama({"name": "big:cloud", "remote_host": "https://ollama.com:443"}))
    cloud = configured(engine.url, "big:cloud", provider="ollama_chat")
    trusted = replace(cloud, id="trusted", sources={"local": "config"})
    assert [d.local for d in await enrich(session, [cloud, trusted])] == [False, True]
