from __future__ import annotations

import asyncio

import engine_metadata as metadata
import pytest
from engine_server import ServeEngine, ServeRaw

from samples import deployment
from waypost.fleet.discovery import Local
from waypost.fleet.examine import examine
from waypost.fleet.report import Examined
from waypost.http.session import HttpSession


async def examined(session: HttpSession, *urls: str, timeout_s: float = 60.0) -> list[Examined]:
    deployments = [deployment(f"d{i}", api_base=f"{url}/v1", model="alpha") for i, url in enumerate(urls)]
    return list((await examine(session, deployments, timeout_s=timeout_s)).values())


async def test_an_engine_that_answers_is_seen_once_for_all_its_deployments(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.llamacpp())
    (found,) = await examined(session, engine.url, engine.url)
    assert (found.place, found.silence) == (f"127.0.0.1:{engine.port}", None)
    assert found.report is not None
    assert found.report.kind == "llamacpp"


async def test_layers_and_trained_window_come_from_the_description_of_a_model(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    show = metadata.ollama_show("completion")
    show["model_info"]["qwen3.block_count"] = 36
    engine = await serve_engine(metadata.ollama({"name": "alpha", "show": show}))
    (found,) = await examined(session, engine.url)
    assert found.report is not None
    assert [(model.layers, model.trained_tokens) for model in found.report.models] == [(36, 131_072)]


async def test_nobody_a_page_and_silence_are_told_apart_in_bounded_time(
    session: HttpSession, serve_engine: ServeEngine, serve_raw: ServeRaw, unused_port: int
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    page = await serve_engine({"/v1/models": b"<html>hello</html>"})
    hanging = await serve_raw(silent)
    found = await examined(session, f"http://127.0.0.1:{unused_port}", page.url, timeout_s=60)
    assert [one.silence for one in found] == ["refused", "strange"]
    (found_late,) = await asyncio.wait_for(examined(session, hanging, timeout_s=0.3), 30)
    assert found_late.silence == "slow"


async def test_an_engine_that_lists_its_models_and_describes_none_is_slow(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    async def never(body: object) -> None:
        await asyncio.Event().wait()

    answers = {**metadata.ollama({"name": "alpha"}), "/api/tags": never}
    engine = await serve_engine(answers)
    (found,) = await examined(session, engine.url, timeout_s=0.3)
    assert found.silence == "slow"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}" + b" " * 3_000_000, b'{"data": "many"}'])
async def test_an_answer_that_is_no_list_of_models_is_strange(
    session: HttpSession, serve_engine: ServeEngine, body: bytes
) -> None:
    engine = await serve_engine({"/v1/models": body})
    (found,) = await examined(session, engine.url)
    assert found.silence == "strange"


async def test_a_target_of_discovery_is_examined_without_a_deployment(session: HttpSession, unused_port: int) -> None:
    found = await examine(session, (), [Local(unused_port)], timeout_s=0.3)
    assert [one.silence for one in found.values()] == ["refused"]


async def test_a_cloud_is_not_looked_at(session: HttpSession) -> None:
    cloud = deployment("c", api_base="https://api.example.com/v1", local=False)
    assert await examine(session, [cloud], timeout_s=0.3) == {}
