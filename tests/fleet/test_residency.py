"""What the fleet knows of the memory of an engine that loads and unloads, against an Ollama that does as the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import engine_metadata as metadata
import pytest
from engine_server import ServeEngine

from servers.clocks import HandClock, JumpingClock
from servers.ollama_models import GIB
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve
from waypost.config import loads
from waypost.errors import ModelLoadFailed
from waypost.fleet.deployment import Deployment
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.state import Fleet
from waypost.fleet.timings import Timings
from waypost.http.connection import HttpConnection
from waypost.http.session import HttpSession, read_up_to
from waypost.ledger import MemoryLedger
from waypost.router import Router

LONG = "word " * 200
TALKER = OllamaModel("talker", Answer("one two three four five six seven eight"), load_s=40, file_bytes=4 * GIB)
SEER = OllamaModel("seer", load_s=20, file_bytes=3 * GIB)
TWIN = OllamaModel("twin", load_s=40, file_bytes=4 * GIB, blob=TALKER.path)
ROOMY, TIGHT = OllamaSettings(gpu_bytes=16 * GIB), OllamaSettings(gpu_bytes=6 * GIB)


@dataclass(frozen=True)
class Stated:
    """What a config says of an engine."""

    url: str
    memory_gib: float | None = None
    max_models: int | None = None
    wake: bool = False


def of(ollama: Ollama, name: str, model: str | None = None, **fields: Any) -> Deployment:
    given = {"group": name, "provider": "ollama_chat", "lane": "ollama", "local": True, "window_tokens": 4096, **fields}
    return Deployment(id=name, model=model or name, api_base=ollama.url, **given)


@dataclass
class Desk:
    """A fleet in front of an Ollama, and calls as dispatch makes them."""

    fleet: Fleet
    ollama: Ollama
    session: HttpSession

    def residency(self, name: str) -> Residency:
        found = self.fleet.view().status(name).residency
        assert found is not None
        return found

    def loaded(self, *names: str) -> list[bool | None]:
        return [self.fleet.view().status(name).loaded for name in names]

    @property
    def memory(self) -> Memory:
        return self.fleet.view().memories["ollama"]

    async def call(self, name: str, prompt: str = LONG, **params: Any) -> None:
        """One call that is answered to its end."""
        model = next(one.model for one in self.fleet.view() if one.id == name)
        self.fleet.begin(name)
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **params}
        async with self.posted(body) as answer:
            assert answer.status == 200
            last = json.loads((await read_up_to(answer, 1 << 20)).splitlines()[-1])
        self.fleet.answered(name, 0.1, stream=True, session=None)
        self.fleet.timed(
            name,
            Timings(
                last["load_duration"] / 1e9,
                last["prompt_eval_duration"] / 1e9,
                last["prompt_eval_count"],
                last["eval_duration"] / 1e9,
                last["eval_count"],
            ),
        )
        self.fleet.end(name, worked=True)

    def answered(self, name: str, *, background: bool = False) -> None:
        """A call that is answered, as far as the fleet hears of it."""
        self.fleet.begin(name)
        self.fleet.answered(name, 0.1, stream=True, session=None, background=background)
        self.fleet.end(name)

    async def unloaded_by_somebody(self, model: str) -> None:
        async with self.posted({"model": model, "messages": [], "keep_alive": 0}) as answer:
            await read_up_to(answer, 1 << 20)

    def posted(self, body: Any) -> AbstractAsyncContextManager[HttpConnection]:
        return self.session.ask("POST", f"{self.ollama.url}/api/chat", timeout_s=60, body=json.dumps(body).encode())


@asynccontextmanager
async def desk(
    session: HttpSession,
    *models: OllamaModel,
    settings: OllamaSettings = ROOMY,
    clock: JumpingClock | HandClock | None = None,
    stated: Stated | None = None,
) -> AsyncIterator[Desk]:
    async with serve(*models, settings=settings, clock=clock) as ollama:
        told = [] if stated is None else [Stated(ollama.base_url, stated.memory_gib, stated.max_models)]
        fleet = Fleet([of(ollama, model.name) for model in models], clock=ollama.clock.now_s, engines=told)
        await fleet.refresh(session)
        yield Desk(fleet, ollama, session)
        assert not [run for run in ollama.runs if run.model.name not in {model.name for model in models}]


async def test_before_anything_is_loaded_a_load_is_guessed_from_the_size_of_the_file(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        assert made.residency("talker") == Residency(
            "ollama", "talker", size_bytes=round(4 * GIB * 1.2), load_s=1 + 4 * GIB / 0.5e9
        )
        assert made.memory == Memory()
        assert made.loaded("talker", "seer") == [False, False]
        assert made.ollama.loads == []


async def test_an_answer_teaches_at_once_that_its_model_is_loaded_and_how_long_that_took(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        await made.call("talker")
        known = made.residency("talker")
        assert (known.load_s, known.loads_seen) == (pytest.approx(40), 1)
        assert known.prompt_tokens_per_s == pytest.approx(1000, rel=0.01)
        assert known.answer_tokens_per_s == pytest.approx(50, rel=0.01)
        assert made.loaded("talker", "seer") == [True, False]
        assert made.memory.resident == ("talker",)
        assert len(made.ollama.asked("/api/ps")) == 2  # of the look before


async def test_the_next_look_into_it_tells_what_it_takes_and_is_remembered_after_it_left(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        await made.call("talker")
        await made.fleet.watch(session)
        instance = made.ollama.instance("talker")
        assert instance is not None
        known = made.residency("talker")
        assert (known.size_bytes, known.gpu_share, known.window_tokens) == (instance.size_bytes, 1.0, 4096)
        await made.unloaded_by_somebody("talker")
        await made.fleet.refresh(session)
        assert made.loaded("talker") == [False]
        gone = made.residency("talker")
        assert (gone.size_bytes, gone.window_tokens, gone.load_s) == (instance.size_bytes, None, pytest.approx(40))


async def test_a_warm_model_teaches_no_load_and_its_cache_no_speed(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        for _ in range(5):
            await made.call("talker")
        known = made.residency("talker")
        assert (known.loads_seen, known.load_s) == (1, pytest.approx(40))
        assert known.prompt_tokens_per_s == pytest.approx(1000, rel=0.01)


async def test_an_engine_without_calls_is_not_looked_into(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        asked = len(made.ollama.requests)
        await made.fleet.watch(session)
        assert len(made.ollama.requests) == asked
        await made.call("talker")
        await made.fleet.watch(session)
        await made.fleet.watch(session)
        assert [request.path for request in made.ollama.requests[asked:]] == ["/api/chat", "/api/ps"]


async def test_a_model_that_is_loading_is_not_loaded_though_ollama_lists_it(session: HttpSession) -> None:
    clock = HandClock()
    async with desk(session, TALKER, SEER, clock=clock) as made, AsyncExitStack() as opened:
        await clock.run(made.call("seer", keep_alive=-1))
        answered = made.posted({"model": "talker", "messages": [{"role": "user", "content": "hi"}]})
        made.fleet.begin("talker")
        assert made.memory.loading == "talker"
        await clock.run(opened.enter_async_context(answered))
        await made.fleet.watch(session)
        assert made.ollama.resident == ["seer:latest", "talker:latest"]
        assert (made.memory.resident, made.memory.loading, made.loaded("talker")) == (("seer",), "talker", [False])
        made.fleet.answered("talker", 40.0, stream=True, session=None)
        made.fleet.end("talker")
        assert made.memory.loading is None
        assert made.loaded("talker") == [True]


async def test_a_call_that_is_given_up_loads_nothing_more(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        made.fleet.begin("talker")
        assert made.memory.loading == "talker"
        made.fleet.end("talker")
        assert made.memory.loading is None
        assert made.residency("talker").loads_seen == 0


async def test_models_are_thrown_out_in_the_order_in_which_they_are_kept(session: HttpSession) -> None:
    third = OllamaModel("third", load_s=5, file_bytes=GIB)
    async with desk(session, TALKER, SEER, third) as made:
        await made.call("talker", keep_alive="5m")
        await made.call("seer", keep_alive=-1)
        await made.call("third", keep_alive="10m")
        made.ollama.clock.jump(200)  # the shortest of them expires first, the one after that was used last
        await made.call("talker", keep_alive="5m")
        await made.fleet.watch(session)
        assert made.memory.resident == ("talker", "third", "seer")
        made.fleet.begin("talker")
        assert made.memory.resident == ("third", "seer", "talker")  # whoever works is not thrown out


async def test_a_model_that_pushes_another_one_out_shows_how_much_there_is(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER, settings=TIGHT) as made:
        await made.call("talker")
        await made.fleet.watch(session)
        assert made.memory.capacity_bytes is None  # it may well be more than was ever there
        await made.call("seer")
        await made.fleet.watch(session)
        assert made.loaded("talker", "seer") == [False, True]
        assert made.memory.capacity_bytes == made.residency("talker").size_bytes
        assert [eviction.reason for eviction in made.ollama.evictions] == ["room"]


async def test_two_that_are_there_at_once_show_no_bound(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        await made.call("talker")
        await made.call("seer")
        await made.fleet.watch(session)
        await made.unloaded_by_somebody("talker")
        await made.fleet.refresh(session)
        assert (made.memory.resident, made.memory.capacity_bytes) == (("seer",), None)


async def test_a_model_that_lies_in_gpu_memory_in_part_fills_it(session: HttpSession) -> None:
    async with desk(session, TALKER, settings=OllamaSettings(gpu_bytes=3 * GIB)) as made:
        await made.call("talker")
        await made.fleet.watch(session)
        share = made.residency("talker").gpu_share
        assert share is not None
        assert 0.5 < share < 0.7
        instance = made.ollama.instance("talker")
        assert instance is not None
        assert made.memory.capacity_bytes == instance.gpu_bytes


async def test_what_the_config_states_of_an_engine_counts(session: HttpSession) -> None:
    async with desk(session, TALKER, stated=Stated("", memory_gib=8, max_models=2)) as made:
        assert (made.memory.capacity_bytes, made.memory.max_models) == (8 * GIB, 2)


async def test_a_config_says_it_of_engines_by_their_address(session: HttpSession) -> None:
    async with serve(TALKER) as ollama:
        discovery = {
            "targets": [{"url": ollama.url}],
            "engines": [{"url": ollama.base_url, "memory_gib": 8.5, "max_models": 2}],
        }
        router = Router(loads(json.dumps({"discovery": discovery})), ledger=MemoryLedger(capacity=1))
        await router.look()
        memory = router.view().memories["ollama"]
        assert (memory.capacity_bytes, memory.max_models) == (round(8.5 * GIB), 2)
        await router.aclose()


async def test_a_lying_engine_teaches_nothing_that_cannot_be(session: HttpSession, serve_engine: ServeEngine) -> None:
    row = {"name": "m:latest", "size": 1e300, "size_vram": -4, "context_length": "all", "expires_at": [], "digest": 7}
    listed = {
        "name": "m:latest",
        "size": True,
        "digest": {"sha": 1},
        "show": {"modelfile": 5, "model_info": {"x.block_count": "many"}},
    }
    engine = await serve_engine({**metadata.ollama(listed), "/api/ps": {"models": [row] * 5000}})
    fleet = Fleet([Deployment("m", "m", "ollama_chat", "m", "ollama", local=True, api_base=engine.url)], clock=lambda: 0.0)
    await fleet.refresh(session)
    assert fleet.view().status("m").residency == Residency("ollama", "m")
    assert fleet.view().memories["ollama"] == Memory(("m",))


async def test_a_load_that_failed_does_not_fit_until_something_left_or_for_five_minutes(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        await made.call("seer")
        await made.fleet.watch(session)
        made.fleet.begin("talker")
        made.fleet.failed("talker", ModelLoadFailed("out of memory"))
        made.fleet.end("talker")
        assert (made.residency("talker").misfit, made.residency("seer").misfit) == (True, False)
        assert made.memory.capacity_bytes == made.residency("seer").size_bytes
        assert made.memory.loading is None
        made.ollama.clock.jump(299)
        assert made.residency("talker").misfit
        made.ollama.clock.jump(1)
        assert not made.residency("talker").misfit
        await made.call("seer")
        made.fleet.failed("talker", ModelLoadFailed("out of memory"))
        await made.fleet.refresh(session)
        assert made.residency("talker").misfit
        await made.unloaded_by_somebody("seer")
        await made.fleet.refresh(session)
        assert not made.residency("talker").misfit


async def test_a_model_that_was_loaded_after_all_fits(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        made.fleet.failed("talker", ModelLoadFailed("out of memory"))
        await made.call("talker")
        assert not made.residency("talker").misfit


async def test_all_of_it_is_learned_from_ordinary_requests(session: HttpSession) -> None:
    broken = OllamaModel("broken", load_error="llama runner process has terminated: cudaMalloc failed: out of memory")
    async with serve(TALKER, SEER, broken, settings=ROOMY) as ollama:
        config = loads(json.dumps({"discovery": {"targets": [{"url": ollama.url}]}}))
        async with Router(config, ledger=MemoryLedger(capacity=9), clock=ollama.clock.now_s) as router:
            await router.look()

            def known(name: str) -> Residency:
                found = router.view().status(name).residency
                assert found is not None
                return found

            name = {one.model: one.id for one in router.view()}
            hello = [{"role": "user", "content": LONG}]
            await router.acompletion(name["talker:latest"], hello)
            async for _ in await router.acompletion(name["seer:latest"], hello, stream=True):
                pass
            with pytest.raises(ModelLoadFailed):
                await router.acompletion(name["broken:latest"], hello)
            talker, seer, gone = (known(name[f"{one}:latest"]) for one in ("talker", "seer", "broken"))
            assert (talker.load_s, talker.loads_seen) == (pytest.approx(40), 1)
            assert (seer.load_s, seer.loads_seen) == (pytest.approx(20), 1)
            assert talker.answer_tokens_per_s == pytest.approx(50, rel=0.01)
            assert (talker.misfit, seer.misfit, gone.misfit) == (False, False, True)
            assert set(router.view().memories["ollama"].resident) == {"talker", "seer"}


async def test_names_of_one_file_are_one_load(session: HttpSession) -> None:
    async with desk(session, TALKER, TWIN) as made:
        await made.call("twin")
        assert made.loaded("talker", "twin") == [True, True]
        assert made.residency("talker").weights == made.residency("twin").weights
        await made.fleet.watch(session)
        assert made.memory.resident == (made.residency("twin").weights,)
        await made.call("talker")
        assert len(made.ollama.loads) == 1


async def test_deployments_of_one_model_share_all_that_is_known_of_it(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        short = of(made.ollama, "short", "talker:latest", settings={"temperature": 0.1})
        made.fleet.replace([*made.fleet.view(), short])
        await made.fleet.refresh(session)
        await made.call("talker")
        assert made.residency("short") == made.residency("talker")
        assert made.loaded("short") == [True]


async def test_demand_is_the_share_of_the_latest_requests(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        for name in ("talker", "talker", "talker", "seer"):
            made.answered(name)
        assert made.residency("talker").demand == pytest.approx(0.75)
        assert made.residency("seer").demand == pytest.approx(0.25)
        made.ollama.clock.jump(3600)
        made.answered("seer")
        assert made.residency("seer").demand > 0.99
        made.ollama.clock.jump(1e7)
        made.answered("talker")
        assert made.residency("talker").demand > 0.99


async def test_what_nobody_waits_for_is_no_sign_of_demand(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        made.answered("talker")
        for _ in range(10):
            made.answered("seer", background=True)
        assert (made.residency("talker").demand, made.residency("seer").demand) == (1.0, 0.0)
        assert made.loaded("seer") == [True]


async def test_a_request_that_moves_no_share_changes_no_other_status(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        for _ in range(100):
            made.answered("talker")
        before = made.fleet.view()
        made.answered("talker")
        after = made.fleet.view()
        assert after.status("seer") is before.status("seer")
        assert made.fleet.view() is after


async def test_threads_leave_nobody_busy_and_lose_no_request(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        await made.call("talker")
        await made.call("seer")

        def work(name: str) -> None:
            for _ in range(500):
                made.fleet.begin(name)
                made.fleet.view()
                made.fleet.answered(name, 0.1, stream=True, session=None)
                made.fleet.timed(name, Timings(answer_s=1.0, answer_tokens=50))
                made.fleet.end(name)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("talker", "seer") * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {made.fleet.view().status(name).in_flight for name in ("talker", "seer")} == {0}
        assert sorted(made.memory.resident) == ["seer", "talker"]
        assert made.residency("talker").demand == pytest.approx(0.5, abs=0.03)
        await made.fleet.watch(session)
        looks = len(made.ollama.asked("/api/ps"))
        await made.fleet.watch(session)
        assert len(made.ollama.asked("/api/ps")) == looks  # nobody is busy any more


async def test_an_engine_that_is_gone_has_nothing_that_is_known_in_memory(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        await made.call("talker")
        await made.ollama.stop()
        await made.fleet.watch(session)
        assert made.memory.resident == ("talker",)  # it may miss one look
        await made.fleet.refresh(session)
        await made.fleet.refresh(session)
        assert made.loaded("talker") == [None]
        assert made.fleet.view().memories == {}
        assert made.residency("talker").load_s == pytest.approx(40)


async def test_a_deployment_that_leaves_takes_its_calls_with_it(session: HttpSession) -> None:
    async with desk(session, TALKER, SEER) as made:
        made.fleet.begin("seer")
        made.fleet.replace([one for one in made.fleet.view() if one.id == "talker"])
        assert made.fleet.view().status("seer").residency is None
        made.fleet.end("seer")
        made.fleet.timed("seer", Timings())
        assert made.residency("talker").engine == "ollama"


async def test_two_engines_are_told_apart_without_their_addresses(session: HttpSession) -> None:
    async with desk(session, TALKER) as made, serve(TALKER) as other:
        made.fleet.replace([*made.fleet.view(), of(other, "there", "talker")])
        await made.fleet.refresh(session)
        await made.call("talker")
        assert [made.residency(name).engine for name in ("talker", "there")] == ["ollama", "ollama-2"]
        assert made.loaded("talker", "there") == [True, False]
        assert "127.0.0.1" not in repr(made.fleet.view().memories)


async def test_a_conversation_is_decided_on_with_the_memories(session: HttpSession) -> None:
    async with desk(session, TALKER) as made:
        made.fleet.answered("talker", 0.1, stream=True, session="s")
        view = made.fleet.view_for("s")
        assert (view.answered_last, view.memories) == (("talker",), made.fleet.view().memories)
