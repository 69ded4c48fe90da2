from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import engine_metadata as metadata
from engine_server import ServeEngine, ServeRaw

from waypost.fleet.deployment import Deployment
from waypost.fleet.discovery import DEFAULT_TARGETS, discover
from waypost.fleet.state import Fleet
from waypost.http.session import HttpSession


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


async def test_with_nothing_there_it_is_quick_and_says_where_it_looked(session: HttpSession, unused_port: int) -> None:
    looking = discover(session, [At(f"http://127.0.0.1:{unused_port}")] * 4, timeout_s=60)
    found = await asyncio.wait_for(looking, 30)
    assert found.deployments == ()
    assert found.lines == (f"no engine at 127.0.0.1:{unused_port}",) * 4


async def test_what_answers_and_is_no_engine_is_not_called_nothing(session: HttpSession, serve_engine: ServeEngine) -> None:
    stranger = await serve_engine({})
    [line] = (await discover(session, [At(stranger.url)])).lines
    assert line == f"no engine at {urlsplit(stranger.url).netloc}"


async def test_silent_ports_are_waited_for_together(session: HttpSession, serve_raw: ServeRaw) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    targets = [At(await serve_raw(say_nothing)) for _ in range(6)]
    started = time.monotonic()
    assert (await discover(session, targets, timeout_s=0.4)).deployments == ()
    assert time.monotonic() - started < 6 * 0.4


async def test_every_model_becomes_a_local_deployment_without_a_price(session: HttpSession, serve_engine: ServeEngine) -> None:
    show = metadata.ollama_show("completion", "tools", "vision")
    ollama = await serve_engine(metadata.ollama({"name": "qwen3:8b", "show": show}, running={"qwen3:8b": 8192}))
    vllm = await serve_engine(metadata.vllm())
    found = await discover(session, [At(ollama.url), At(f"{vllm.url}/v1/")])
    first, second = found.deployments
    assert (first.id, first.group, first.provider, first.model) == ("qwen3:8b", "qwen3:8b", "ollama_chat", "qwen3:8b")
    assert (first.lane, first.local, first.api_base, first.price) == ("ollama", True, ollama.url, None)
    assert (first.window_tokens, first.sources["window_tokens"]) == (8192, "engine")
    assert (first.capabilities.tools, first.capabilities.vision) == (True, True)
    assert (second.lane, second.api_base, second.window_tokens) == ("openai", f"{vllm.url}/v1", 32768)
    assert second.provider == "hosted_vllm"
    assert found.lines == (
        f"Ollama 0.32.0 at 127.0.0.1:{ollama.port}: 1 model",
        f"vLLM 0.32.0 at 127.0.0.1:{vllm.port}: 1 model",
    )


async def test_the_frontend_of_triton_is_called_as_any_server_of_openais_dialect(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.triton_frontend())
    (deployment,) = (await discover(session, [At(engine.url)])).deployments
    assert (deployment.provider, deployment.lane, deployment.api_base) == ("custom_openai", "openai", f"{engine.url}/v1")


async def test_an_assumed_window_is_marked_as_such(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "qwen3:8b", "show": metadata.ollama_show("completion")}))
    (deployment,) = (await discover(session, [At(engine.url)])).deployments
    assert (deployment.window_tokens, deployment.sources["window_tokens"]) == (4096, "assumed")


async def test_the_same_name_in_two_engines_gives_ids_that_say_which(session: HttpSession, serve_engine: ServeEngine) -> None:
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


async def test_what_the_config_reaches_is_not_found_again(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "known:latest"}, {"name": "fresh:7b"}, {"name": "taken:7b"}))
    known = configured(f"http://localhost:{engine.port}", "known", provider="ollama_chat", lane="ollama")
    other = configured("https://api.example.com/v1", "taken:7b", local=False)
    found = await discover(session, [At(engine.url)], beside=[known, other])
    assert [deployment.id for deployment in found.deployments] == ["fresh:7b", "ollama_chat/taken:7b"]


async def test_models_that_run_elsewhere_are_counted_and_not_used(session: HttpSession, serve_engine: ServeEngine) -> None:
    cloud = {"name": "big:cloud", "remote_host": "https://ollama.com:443"}
    engine = await serve_engine(metadata.ollama({"name": "small:1b"}, cloud))
    found = await discover(session, [At(engine.url)])
    assert [deployment.id for deployment in found.deployments] == ["small:1b"]
    assert "1 model; 1 more run elsewhere" in found.lines[0]


async def test_what_cannot_serve_is_listed_and_not_used(session: HttpSession, serve_engine: ServeEngine) -> None:
    triton = await serve_engine(metadata.triton())
    dead = await serve_engine(metadata.vllm(), status={"/health": 503})
    found = await discover(session, [At(triton.url), At(dead.url)])
    assert found.deployments == ()
    assert "frontend" in found.lines[0]
    assert "restart vLLM" in found.lines[1]


async def test_a_line_does_not_show_a_password(session: HttpSession, unused_port: int) -> None:
    found = await discover(session, [At(f"http://me:sesame@127.0.0.1:{unused_port}")])
    assert "sesame" not in f"{found.lines}{found!r}"


async def test_a_name_that_would_be_a_pattern_is_left_out(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine({"/v1/models": metadata.listing({"id": "openai/*"}, {"id": "m"})})
    assert [d.id for d in (await discover(session, [At(engine.url)])).deployments] == ["m"]


async def test_a_missed_look_loses_no_deployment_and_a_look_without_the_model_does(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.llamacpp("alpha"))
    first = await discover(session, [At(engine.url)])
    engine.answers = dict.fromkeys(engine.answers, b"<html>")
    missed = await discover(session, [At(engine.url)], before=first.deployments)
    assert missed.deployments == first.deployments
    engine.answers, engine.status = metadata.vllm("alpha"), {"/health": 503}
    ill = await discover(session, [At(engine.url)], before=missed.deployments)
    assert ill.deployments == first.deployments
    engine.answers = metadata.llamacpp("beta")
    changed = await discover(session, [At(engine.url)], before=ill.deployments)
    assert [deployment.id for deployment in changed.deployments] == ["beta"]
    assert (await discover(session, [At(engine.url)], before=first.deployments, beside=changed.deployments)).deployments == ()


async def test_what_is_no_target_any_more_is_dropped(session: HttpSession, serve_engine: ServeEngine, unused_port: int) -> None:
    engine = await serve_engine(metadata.llamacpp("alpha"))
    first = await discover(session, [At(engine.url)])
    elsewhere = [At(f"http://127.0.0.1:{unused_port}")]
    assert (await discover(session, elsewhere, before=first.deployments)).deployments == ()


async def test_an_id_stays_when_another_engine_brings_the_same_name(session: HttpSession, serve_engine: ServeEngine) -> None:
    old, new = await serve_engine(metadata.llamacpp("alpha")), await serve_engine(metadata.vllm("alpha"))
    first = await discover(session, [At(old.url)])
    both = await discover(session, [At(new.url), At(old.url)], before=first.deployments)
    assert [deployment.id for deployment in both.deployments] == ["hosted_vllm/alpha", "alpha"]
    new.answers = dict.fromkeys(new.answers, b"<html>")
    again = await discover(session, [At(new.url), At(old.url)], before=both.deployments)
    assert [deployment.id for deployment in again.deployments] == ["hosted_vllm/alpha", "alpha"]


class Pointing(HttpSession):
    """The name of a stranger is this machine."""

    def ask(self, method: str, url: str, **more: Any) -> Any:
        return super().ask(method, url.replace("gpu.example.com", "127.0.0.1"), **more)


async def test_what_is_found_at_a_strangers_address_is_not_local(serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("alpha"))
    async with Pointing() as session:
        found = await discover(session, [At(f"http://gpu.example.com:{engine.port}"), At(f"http://localhost:{engine.port}")])
        assert [deployment.local for deployment in found.deployments] == [False, True]
        fleet = Fleet(found.deployments, clock=time.monotonic)
        await fleet.refresh(session, found.reports)
    assert [fleet.view().status(deployment.id).up for deployment in fleet.view()] == [True, True]


async def test_a_slow_ollama_is_not_taken_for_an_engine_without_a_cloud(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    routes = metadata.ollama({"name": "mine:latest", "remote_host": "https://ollama.com:443"}, {"name": "big:cloud"})

    enough = asyncio.Event()

    async def late(body: Any) -> Any:
        await enough.wait()

    engine = await serve_engine({**routes, "/api/tags": late})
    found = await discover(session, [At(engine.url)], timeout_s=0.3)
    assert (found.deployments, found.sightings[0].report) == ((), None)
    enough.set()


async def test_a_cloud_model_is_known_by_its_name_too(session: HttpSession, serve_engine: ServeEngine) -> None:
    names = ("glm-4.6:cloud", "gpt-oss:120b-cloud", "here:7b")
    ollama = await serve_engine(metadata.ollama(*({"name": name} for name in names)))
    plain = await serve_engine({"/v1/models": metadata.listing(*({"id": name} for name in names))})
    for engine in (ollama, plain):
        found = await discover(session, [At(engine.url)])
        assert [deployment.id for deployment in found.deployments] == ["here:7b"]
