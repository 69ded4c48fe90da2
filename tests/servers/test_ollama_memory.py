"""The memory of the Ollama for tests: loads take their seconds, options reload, and what must go goes in Ollama's order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ollama import AsyncClient, ResponseError

from servers.clocks import HandClock, JumpingClock
from servers.ollama_models import GIB
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve

HI = [{"role": "user", "content": "hi"}]


def model(name: str, gib: float = 5, **more: Any) -> OllamaModel:
    """A model that takes ``gib`` GiB whatever its window is."""
    return OllamaModel(name, Answer("one two three four"), file_bytes=int(gib * GIB), kv_bytes_per_token=0, **more)


async def chat(ollama: Ollama, name: str, **more: Any) -> Any:
    """One turn with Ollama's client."""
    client = AsyncClient(ollama.url)
    try:
        return await client.chat(name, more.pop("messages", HI), **more)
    finally:
        await client._client.aclose()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def ollama(clock: HandClock) -> AsyncIterator[Ollama]:
    """8 GiB of GPU memory; ``a`` and ``b`` fit together, ``big`` only alone."""
    models = [model("a", 3), model("b", 4), model("big", 7, load_s=40)]
    async with serve(*models, settings=OllamaSettings(gpu_bytes=8 * GIB), clock=clock) as server:
        yield server


async def test_a_load_takes_its_seconds_and_every_answer_says_what_took_how_long(ollama: Ollama, clock: HandClock) -> None:
    first = asyncio.create_task(chat(ollama, "a"))
    await clock.sleeping()
    await clock.advance(9.9)
    assert (first.done(), ollama.runs) == (False, [])
    assert ollama.resident == ["a:latest"], "a model that is being loaded is listed already"
    cold = await clock.run(first)
    assert cold.load_duration == 10_000_000_000
    assert cold.eval_duration == 4 * 20_000_000
    assert cold.prompt_eval_duration == cold.prompt_eval_count * 1_000_000
    assert cold.total_duration == cold.load_duration + cold.prompt_eval_duration + cold.eval_duration
    warm = await clock.run(chat(ollama, "a"))
    assert warm.load_duration < 10_000_000
    assert warm.prompt_eval_duration < cold.prompt_eval_duration, "it has read the same prompt before"


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"num_ctx": 8192}, ("num_ctx",)),
        ({"num_batch": 64}, ("num_batch",)),
        ({"num_gpu": 20}, ("num_gpu",)),
        ({"main_gpu": 1}, ("main_gpu",)),
        ({"use_mmap": False}, ("use_mmap",)),
        ({"num_thread": 4}, ("num_thread",)),
        ({"draft_num_predict": 4}, ("draft_num_predict",)),
        ({"num_gpu": -1}, ()),
        ({}, ()),
        ({"temperature": 0, "top_k": 1, "num_predict": 2, "seed": 7, "stop": ["x"], "keep_alive": "1h", "made_up": 1}, ()),
    ],
)
async def test_a_load_option_that_differs_reloads_and_any_other_does_not(options: Any, changed: tuple[str, ...]) -> None:
    async with serve(model("a"), settings=OllamaSettings(gpu_bytes=8 * GIB)) as ollama:
        await chat(ollama, "a", options={"num_ctx": 4096, "num_batch": 512})
        await chat(ollama, "a", options={**options})
        assert [load.changed for load in ollama.loads] == [(), *([changed] if changed else [])]
        assert set(ollama.unknown_options) == {"keep_alive", "made_up"} & set(options)
        assert [eviction.reason for eviction in ollama.evictions] == ["options"] * len(ollama.reloads)


async def test_another_shift_reloads() -> None:
    async with serve(model("a")) as ollama:
        await chat(ollama, "a")
        client = AsyncClient(ollama.url)
        for shift in (True, False):
            await client._client.post("/api/chat", json={"model": "a", "messages": HI, "shift": shift})
        await client._client.aclose()
        assert [load.changed for load in ollama.loads] == [(), ("shift",)]


async def test_before_june_2026_an_unset_window_reloaded() -> None:
    async with serve(model("a"), settings=OllamaSettings(adopts_loaded=False)) as ollama:
        await chat(ollama, "a", options={"num_ctx": 4096})
        await chat(ollama, "a")
        assert [load.changed for load in ollama.loads] == [(), ("num_ctx",)]


async def test_the_modelfile_and_the_trained_window_bound_the_window() -> None:
    models = [model("set", parameters={"num_ctx": 1024}), model("small", trained_tokens=512)]
    async with serve(*models) as ollama:
        await chat(ollama, "set")
        await chat(ollama, "small", options={"num_ctx": 9999})
        assert [load.options.num_ctx for load in ollama.loads] == [1024, 512]


async def test_two_names_of_the_same_weights_share_an_instance() -> None:
    models = [
        model("plain", blob="/blobs/x"),
        model("same", blob="/blobs/x"),
        model("wider", blob="/blobs/x", parameters={"num_ctx": 64}),
    ]
    async with serve(*models) as ollama:
        for name in ("plain", "same", "wider"):
            await chat(ollama, name)
        assert [(load.model, load.changed) for load in ollama.loads] == [("plain:latest", ()), ("wider:latest", ("num_ctx",))]


async def test_models_that_fit_together_stay_together_and_one_that_does_not_makes_room(
    ollama: Ollama, clock: HandClock
) -> None:
    for name in ("a", "b"):
        await clock.run(chat(ollama, name))
    assert ollama.resident == ["a:latest", "b:latest"]
    await clock.run(chat(ollama, "big"))
    assert ollama.resident == ["big:latest"]
    assert {(eviction.reason, eviction.made_room_for) for eviction in ollama.evictions} == {("room", "big:latest")}


@pytest.mark.parametrize(
    ("alive", "evicted"),
    [({"a": "5m", "b": "1h"}, "a:latest"), ({"a": "1h", "b": "5m"}, "b:latest"), ({"a": -1, "b": "24h"}, "b:latest")],
)
async def test_the_shortest_keep_alive_goes_first_and_for_ever_last(alive: dict[str, Any], evicted: str) -> None:
    models = [model("a", 3), model("b", 3), model("c", 3)]
    async with serve(*models, settings=OllamaSettings(gpu_bytes=8 * GIB)) as ollama:
        for name, keep_alive in alive.items():
            await chat(ollama, name, keep_alive=keep_alive)
        await chat(ollama, "c")
        assert [eviction.model for eviction in ollama.evictions] == [evicted]


async def test_equal_keep_alives_go_by_the_path_of_the_file_and_not_by_last_use() -> None:
    models = [model("a", 3, blob="/2"), model("b", 3, blob="/1"), model("c", 3, blob="/3")]
    async with serve(*models, settings=OllamaSettings(gpu_bytes=8 * GIB)) as ollama:
        for name in ("a", "b", "c"):
            await chat(ollama, name)
        assert [eviction.model for eviction in ollama.evictions] == ["b:latest"]


async def test_there_is_a_most_of_loaded_models() -> None:
    async with serve(model("a", 1), model("b", 1), settings=OllamaSettings(max_loaded_models=1)) as ollama:
        for name in ("a", "b"):
            await chat(ollama, name)
        assert ollama.resident == ["b:latest"]


async def test_a_busy_model_is_waited_for_and_its_own_requests_pass_the_queue(ollama: Ollama, clock: HandClock) -> None:
    await clock.run(chat(ollama, "a", options={"num_predict": 1}))
    busy = asyncio.create_task(chat(ollama, "a"))
    await clock.sleeping()
    other = asyncio.create_task(chat(ollama, "big"))
    behind = asyncio.create_task(chat(ollama, "b"))
    await ollama.seen("/api/chat", 4)
    passing = await clock.run(chat(ollama, "a"))
    assert passing.load_duration < 10_000_000
    assert busy.done()
    await clock.run(asyncio.gather(other, behind))
    assert [load.model for load in ollama.loads] == ["a:latest", "big:latest", "b:latest"]


async def test_keep_alive_ends_on_the_clock_and_zero_ends_at_once(ollama: Ollama, clock: HandClock) -> None:
    await clock.run(chat(ollama, "a", keep_alive="90s"))
    await clock.advance(89)
    assert ollama.resident == ["a:latest"]
    await clock.advance(1)
    assert ollama.resident == []
    await clock.run(chat(ollama, "b", keep_alive=0))
    assert ollama.resident == []
    assert [(eviction.model, eviction.reason) for eviction in ollama.evictions] == [
        ("a:latest", "expired"),
        ("b:latest", "asked"),
    ]


async def test_parallel_requests_take_memory_and_more_than_that_wait() -> None:
    clock = HandClock()
    wide = OllamaModel(
        "wide", Answer("word"), file_bytes=GIB, kv_bytes_per_token=1024, bytes_per_token=1000, answer_tokens_per_s=1
    )
    async with serve(wide, settings=OllamaSettings(num_parallel=2), clock=clock) as ollama:
        await clock.run(chat(ollama, "wide", options={"num_ctx": 1024}))
        instance = ollama.instance("wide")
        assert instance is not None
        assert instance.size_bytes == GIB + 2 * 1024 * 1024
        began_s = clock.now_s()
        await clock.run(asyncio.gather(*(chat(ollama, "wide") for _ in range(4))))
        assert 2 <= clock.now_s() - began_s < 2.1


async def test_a_model_beyond_the_gpu_is_slow_and_one_beyond_everything_fails() -> None:
    models = [model("half", 16), model("huge", 100)]
    async with serve(*models, settings=OllamaSettings(gpu_bytes=8 * GIB, ram_bytes=16 * GIB)) as ollama:
        answer = await chat(ollama, "half")
        assert answer.eval_duration == 4 * 20_000_000 * 5.5, "half of it is ten times slower"
        client = AsyncClient(ollama.url)
        (running,) = (await client.ps()).models
        await client._client.aclose()
        assert (running.size, running.size_vram) == (16 * GIB, 8 * GIB)
        with pytest.raises(ResponseError, match="model requires more system memory") as failure:
            await chat(ollama, "huge")
        assert failure.value.status_code == 500
        with pytest.raises(ResponseError, match="out of memory"):
            await chat(ollama, "half", options={"num_gpu": 99})
        assert [bool(load.failed) for load in ollama.loads] == [False, True, True]


async def test_the_oldest_messages_are_dropped_in_silence_and_the_system_prompt_stays() -> None:
    async with serve(OllamaModel("a", Answer("ok"))) as ollama:
        system = {"role": "system", "content": "s" * 200}
        turns = [{"role": "user", "content": f"{number}" * 400} for number in range(5)]
        answer = await chat(ollama, "a", messages=[system, *turns], options={"num_ctx": 300})
        run = ollama.runs[-1]
        assert (run.prompt.dropped, answer.prompt_eval_count) == (3, run.prompt.tokens)
        assert run.prompt.tokens <= 300
        assert "s" * 200 in run.prompt.text
        one = await chat(ollama, "a", messages=[{"role": "user", "content": "x" * 4000}])
        assert one.prompt_eval_count == 300, "even the last message alone is cut"
        client = AsyncClient(ollama.url)
        body = {"model": "a", "messages": turns, "options": {"num_ctx": 300}, "truncate": False}
        refused = await client._client.post("/api/chat", json=body)
        await client._client.aclose()
        assert (refused.status_code, refused.json()) == (400, {"error": "the input length exceeds the context length"})


async def test_a_limit_a_stop_and_a_full_window_end_an_answer() -> None:
    async with serve(model("a")) as ollama:
        short = await chat(ollama, "a", options={"num_predict": 2})
        assert (short.message.content, short.done_reason, short.eval_count) == ("one two", "length", 2)
        stopped = await chat(ollama, "a", options={"stop": [" three"]})
        assert (stopped.message.content, stopped.done_reason) == ("one two", "stop")


async def test_a_client_that_leaves_frees_the_model_and_is_counted(ollama: Ollama, clock: HandClock) -> None:
    await clock.run(chat(ollama, "a"))
    leaver = asyncio.create_task(chat(ollama, "a"))
    await clock.sleeping()
    leaver.cancel()
    await clock.advance(0)
    await ollama.all_over()
    assert ollama.requests[-1].aborted
    assert ollama.runs[-1].aborted
    await clock.advance(300)
    assert ollama.resident == []


async def test_a_clock_that_jumps_says_what_a_load_takes() -> None:
    clock = JumpingClock()
    async with serve(model("big", load_s=40), clock=clock) as ollama:
        assert (await chat(ollama, "big")).load_duration == 40_000_000_000
        clock.jump(301)
        assert ollama.resident == []
