from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import engine_metadata as metadata
import pytest
from engine_server import Engine, ServeEngine

from waypost.fleet.occupancy import gauges, read_occupancy
from waypost.fleet.probe import Probe
from waypost.fleet.report import Occupancy, Occupant
from waypost.http.session import HttpSession

VLLM_METRICS = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:time_to_first_token_seconds_sum{engine="0"} 1.5
"""


async def inside(session: HttpSession, engine: Engine, kind: str, *listed: str, **options: Any) -> Occupancy | None:
    return await read_occupancy(Probe(session, engine.url, timeout_s=1.5), kind, listed, **options)


async def test_ollama_is_asked_one_question_and_says_what_each_model_takes(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    row = {
        "name": "qwen3:8b",
        "size": 8_000_000_000,
        "size_vram": 6_000_000_000,
        "context_length": 8192,
        "expires_at": "2026-11-25T10:05:00.123456789Z",
    }
    engine = await serve_engine({"/api/ps": {"models": [row]}})
    expires_at = datetime(2026, 11, 25, 10, 5, 0, 123456, tzinfo=timezone.utc).timestamp()
    assert await inside(session, engine, "ollama") == Occupancy(
        (Occupant("qwen3:8b", 8_000_000_000, 6_000_000_000, 8192, expires_at),)
    )
    assert engine.asked == [("GET", "/api/ps")]


async def test_a_model_that_is_kept_for_ever_expires_in_centuries(session: HttpSession, serve_engine: ServeEngine) -> None:
    row = {"name": "m", "expires_at": "2318-03-15T02:14:19.776+02:00"}
    engine = await serve_engine({"/api/ps": {"models": [row]}})
    found = await inside(session, engine, "ollama")
    assert found is not None
    assert found.models is not None
    assert (found.models[0].expires_at or 0) > 10_000_000_000


@pytest.mark.parametrize("expires_at", ["never", "", 5, None, "0001-01-01T00:00:00Z" * 9, "2026-13-45T99:99:99Z"])
async def test_what_is_no_time_is_unknown(session: HttpSession, serve_engine: ServeEngine, expires_at: Any) -> None:
    row = {"name": "m", "size": "large", "size_vram": -1, "context_length": 0.5, "expires_at": expires_at}
    engine = await serve_engine({"/api/ps": {"models": [row, 7, {"name": 3}]}})
    assert await inside(session, engine, "ollama") == Occupancy((Occupant("m"),))


@pytest.mark.parametrize("kind", ["ollama", "llamacpp", "llama_swap", "lm_studio"])
async def test_an_engine_that_does_not_say_says_nothing(session: HttpSession, serve_engine: ServeEngine, kind: str) -> None:
    paths = ("/api/ps", "/props", "/running", "/api/v0/models", "/v1/models")
    engine = await serve_engine(dict.fromkeys(paths, b"<html>"))
    assert await inside(session, engine, kind, "m") is None


async def test_llamacpp_is_asked_for_its_load_only_while_calls_are_under_way(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    said = b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"
    engine = await serve_engine({**metadata.llamacpp("alpha"), "/metrics": said})
    here = (Occupant("alpha", window_tokens=2048),)
    assert await inside(session, engine, "llamacpp", "alpha") == Occupancy(here)
    assert engine.paths == {"/props"}
    assert await inside(session, engine, "llamacpp", "alpha", busy=True) == Occupancy(here, running=2, waiting=1)


async def test_llamacpp_without_metrics_counts_its_slots(session: HttpSession, serve_engine: ServeEngine) -> None:
    slots = [{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}]
    engine = await serve_engine({**metadata.llamacpp("alpha"), "/slots": slots})
    found = await inside(session, engine, "llamacpp", "alpha", busy=True)
    assert found is not None
    assert (found.running, found.waiting) == (1, None)


async def test_a_llamacpp_that_sleeps_is_not_asked_for_slots_which_would_wake_it(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine({**metadata.llamacpp("alpha", sleeping=True), "/slots": [], "/metrics": b""})
    assert await inside(session, engine, "llamacpp", "alpha", busy=True) == Occupancy(())
    assert engine.paths == {"/props"}


@pytest.mark.parametrize(("tells", "most"), [({}, None), ({"models_autoload": True}, 2)])
async def test_a_llamacpp_router_says_what_is_loaded_what_is_coming_and_how_many_fit(
    session: HttpSession, serve_engine: ServeEngine, tells: dict[str, Any], most: int | None
) -> None:
    routes = metadata.llamacpp_router()
    routes["/v1/models"]["data"][0]["status"] = {"value": "loading"}
    routes["/props"] |= {"max_instances": 2, **tells}
    engine = await serve_engine(routes)
    here = (Occupant("talker", window_tokens=16384),)
    assert await inside(session, engine, "llamacpp", "seer", "talker") == Occupancy(here, loading="seer", max_models=most)
    assert not [path for path in engine.paths if "?" in path]


async def test_llama_swap_says_what_runs_and_what_starts(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llama_swap())
    assert await inside(session, engine, "llama_swap") == Occupancy((Occupant("quick"),), loading="slow-70b")
    assert engine.paths == {"/running"}


async def test_lm_studio_says_what_is_loaded(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.lm_studio())
    assert await inside(session, engine, "lm_studio") == Occupancy((Occupant("qwen2.5-coder-7b", window_tokens=16384),))


async def test_vllm_says_how_busy_it_is_in_its_metrics(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine({"/metrics": VLLM_METRICS, "/is_sleeping": {"is_sleeping": False}})
    assert await inside(session, engine, "vllm", "m") == Occupancy(None, running=5, waiting=4, cache_used=0.25)
    assert engine.paths == {"/metrics"}


@pytest.mark.parametrize(
    ("state", "models"), [({"is_sleeping": True}, ()), ({"is_sleeping": False}, (Occupant("m"),)), (b"<html>", None)]
)
async def test_a_vllm_that_may_be_woken_is_asked_whether_it_sleeps(
    session: HttpSession, serve_engine: ServeEngine, state: Any, models: Any
) -> None:
    engine = await serve_engine({"/metrics": VLLM_METRICS, "/is_sleeping": state})
    found = await inside(session, engine, "vllm", "m", sleeps=True)
    assert found is not None
    assert found.models == models


async def test_tensorrt_llm_gives_its_latest_step(session: HttpSession, serve_engine: ServeEngine) -> None:
    steps = [{"iter": 7, "numActiveRequests": 9}, {"iter": 8, "numActiveRequests": 2, "numQueuedRequests": 5}]
    engine = await serve_engine({"/metrics": steps})
    assert await inside(session, engine, "tensorrt_llm") == Occupancy(running=2, waiting=5)
    engine.answers = {"/metrics": []}
    assert await inside(session, engine, "tensorrt_llm") == Occupancy()


async def test_the_frontend_of_triton_says_how_many_wait(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.triton_frontend())
    assert await inside(session, engine, "triton") == Occupancy(waiting=6)


async def test_metrics_without_end_are_not_read(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine({"/metrics": b"vllm:num_requests_running 1\n" * 100_000})
    assert await inside(session, engine, "vllm") == Occupancy()


@pytest.mark.parametrize("line", ["vllm:num_requests_running", "vllm:num_requests_running{", "vllm:num_requests_running{} x"])
def test_a_line_that_cannot_be_read_is_left_out(line: str) -> None:
    assert gauges(f"{line}\nvllm:num_requests_waiting 2") == {"vllm:num_requests_waiting": 2.0}


async def test_the_real_llamacpp_says_what_it_holds_and_how_busy_it_is(session: HttpSession, llamacpp: Any) -> None:
    probe = Probe(session, llamacpp.base_url, timeout_s=1.5)
    found = await read_occupancy(probe, "llamacpp", [llamacpp.model], busy=True)
    assert found is not None
    assert found.models == (Occupant(llamacpp.model, window_tokens=2048),)
    assert found.running is not None
    assert found.waiting == 0
