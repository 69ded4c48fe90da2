from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import engine_metadata as metadata
import pytest
from engine_server import ServeEngine, ServeRaw
from hypothesis import given
from hypothesis import strategies as st

from waypost.errors import (
    ConnectFailed,
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from waypost.fleet.deployment import Deployment, Status
from waypost.fleet.engines import EngineReport, ModelReport, look
from waypost.fleet.latency import FORGET_S
from waypost.fleet.state import Fleet
from waypost.http.session import HttpSession
from waypost.secret import Secret


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def deployment(name: str, api_base: str | None = "http://127.0.0.1:9/v1", **fields: Any) -> Deployment:
    given = {"group": name, "provider": "custom_openai", "model": name, "lane": "openai", "local": True, **fields}
    return Deployment(id=name, api_base=api_base, **given)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet([deployment("a"), deployment("b")], clock=clock, rng=lambda: 0.0)


def status(fleet: Fleet, name: str) -> Status:
    """A status without what it says of the engine's memory, which has tests of its own."""
    return replace(fleet.view().status(name), residency=None)


def cooling(fleet: Fleet, name: str = "a") -> float | None:
    return fleet.view().status(name).cooling_s


def test_a_view_is_a_snapshot_in_the_order_of_the_config(fleet: Fleet) -> None:
    before = fleet.view()
    assert [d.id for d in before] == ["a", "b"]
    assert before.status("a") == Status()
    assert fleet.view() is before
    fleet.begin("a")
    assert before.status("a").in_flight == 0
    assert fleet.view().status("a").in_flight == 1


def test_of_two_deployments_with_one_id_the_first_counts(clock: Clock) -> None:
    first = deployment("a")
    assert list(Fleet([first, deployment("a", model="z")], clock=clock).view()) == [first]


def test_an_unknown_id_may_be_used_and_shows_nowhere(fleet: Fleet) -> None:
    fleet.begin("gone")
    fleet.end("gone")
    fleet.end("gone", worked=True)
    fleet.failed("gone", ConnectFailed("refused"))
    assert fleet.view().status("gone") == Status()
    assert "gone" not in fleet.view().statuses


EVENTS = st.lists(st.tuples(st.sampled_from(["begin", "end", "drop", "bring"]), st.sampled_from(["a", "b", "c"])), max_size=60)


@given(EVENTS)
def test_requests_in_flight_are_counted_right_and_never_below_zero(events: list[tuple[str, str]]) -> None:
    there, counts = {"a", "b"}, {"a": 0, "b": 0, "c": 0}
    fleet = Fleet([deployment(name) for name in sorted(there)], clock=Clock())
    for event, name in events:
        if event == "begin":
            fleet.begin(name)
            counts[name] += 1
        elif event == "end":
            fleet.end(name)
            counts[name] = max(0, counts[name] - 1)
        else:
            there = there - {name} if event == "drop" else there | {name}
            fleet.replace([deployment(other) for other in sorted(there)])
        view = fleet.view()
        assert {d.id: view.status(d.id).in_flight for d in view} == {other: counts[other] for other in there}


def test_threads_lose_no_count(fleet: Fleet) -> None:
    def work() -> None:
        for _ in range(2000):
            fleet.begin("a")
            fleet.view()
            fleet.end("a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fleet.view().status("a").in_flight == 0


def test_no_connection_cools_at_once_and_for_longer_each_time(fleet: Fleet, clock: Clock) -> None:
    lengths = []
    for _ in range(7):
        fleet.failed("a", ConnectFailed("cannot connect to the engine"))
        lengths.append(cooling(fleet))
        clock.now += lengths[-1] or 0
    assert lengths == [2, 4, 8, 16, 32, 60, 60]
    fleet.failed("a", ConnectFailed("cannot connect to the engine"))
    assert fleet.view().status("a").reason == "cannot connect to the engine"


def test_requests_that_fail_together_make_one_step(fleet: Fleet, clock: Clock) -> None:
    for _ in range(20):
        fleet.failed("a", ConnectFailed("refused"))
    assert cooling(fleet) == 2
    clock.now += 2
    assert cooling(fleet) is None
    assert fleet.view().status("a").reason is None


def test_a_year_of_failures_does_not_overflow(fleet: Fleet, clock: Clock) -> None:
    for _ in range(3000):
        fleet.failed("a", ProviderTimeout("no first byte"))
        clock.now += 61
    fleet.failed("a", ProviderTimeout("no first byte"))
    assert cooling(fleet) == 60


@pytest.mark.parametrize("error", [ProviderRejected("no"), ProviderContextTooLong("too long")])
def test_what_lies_in_the_request_never_counts(fleet: Fleet, error: ProviderError) -> None:
    for _ in range(10):
        fleet.failed("a", error)
    assert fleet.view().status("a") == Status()


def test_an_engine_gets_the_pause_it_asks_for_within_reason(fleet: Fleet) -> None:
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=30))
    fleet.failed("b", ProviderRateLimited("slow down", retry_after_s=1e12))
    assert (cooling(fleet, "a"), cooling(fleet, "b")) == (30, 3600)


def test_a_wrong_key_pauses_for_a_minute(fleet: Fleet) -> None:
    fleet.failed("a", ProviderAuthFailed("401"))
    assert cooling(fleet) == 60


def test_a_success_forgives_failures_but_does_not_end_a_pause(fleet: Fleet) -> None:
    fleet.failed("a", ConnectFailed("refused"))
    fleet.failed("b", ProviderRateLimited("slow down", retry_after_s=30))
    fleet.end("a", worked=True)
    fleet.end("b", worked=True)
    assert (cooling(fleet, "a"), cooling(fleet, "b")) == (None, 30)
    fleet.failed("a", ConnectFailed("refused"))
    assert cooling(fleet, "a") == 2


FAILURES = st.one_of(
    st.builds(ConnectFailed, st.just("refused")),
    st.builds(ProviderUnavailable, st.just("500"), retry_after_s=st.none() | st.floats(0, 1e9)),
    st.builds(ProviderRateLimited, st.just("429"), retry_after_s=st.none() | st.floats(0, 1e9)),
    st.builds(ProviderAuthFailed, st.just("401")),
    st.builds(ProviderRejected, st.just("400")),
)


@given(st.lists(st.tuples(FAILURES, st.floats(0, 100)), max_size=30))
def test_no_failure_ever_shortens_a_cooldown(failures: list[tuple[ProviderError, float]]) -> None:
    clock = Clock()
    fleet = Fleet([deployment("a")], clock=clock)
    for error, pause_s in failures:
        before = cooling(fleet) or 0.0
        fleet.failed("a", error)
        assert (cooling(fleet) or 0.0) >= before
        clock.now += pause_s


def test_other_deployments_keep_what_is_known_of_those_that_stay(fleet: Fleet) -> None:
    fleet.begin("a")
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=30))
    fleet.replace([deployment("a", weight=2.0), deployment("c")])
    assert fleet.view().status("a") == Status(None, "slow down", None, 1, 30)
    assert fleet.view().exactly("b") == ()


def test_a_deployment_that_moved_starts_afresh_with_its_requests_counted(fleet: Fleet) -> None:
    fleet.begin("a")
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=30))
    fleet.replace([deployment("a", "http://127.0.0.1:10/v1")])
    assert fleet.view().status("a") == Status(in_flight=1)


async def test_a_look_says_who_is_up_and_loaded_and_learns_the_window(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("alpha", n_ctx=4096))
    fleet = Fleet([deployment("alpha", f"{engine.url}/v1"), deployment("cloud", None)], clock=Clock())
    await fleet.refresh(session)
    assert (fleet.view().status("alpha").up, fleet.view().status("alpha").loaded) == (True, True)
    assert fleet.view().status("cloud") == Status()
    learned = fleet.view().deployments[0]
    assert (learned.window_tokens, learned.sources["window_tokens"]) == (4096, "engine")


async def test_a_look_that_tells_nothing_new_changes_nothing(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("alpha"))
    fleet = Fleet([deployment("alpha", f"{engine.url}/v1")], clock=Clock())
    await fleet.refresh(session)
    before = fleet.view()
    await fleet.refresh(session)
    assert fleet.view() == before
    assert fleet.view().deployments[0] is before.deployments[0]


async def test_an_engine_down_at_the_start_is_listed_as_down(session: HttpSession, unused_port: int) -> None:
    fleet = Fleet([deployment("a", f"http://127.0.0.1:{unused_port}/v1")], clock=Clock())
    await fleet.refresh(session)
    status = fleet.view().status("a")
    assert (status.up, status.loaded) == (False, None)
    assert status.reason == "no engine answers; start it, or correct its api_base"


async def test_a_busy_engine_may_miss_one_look(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("a"))
    fleet = Fleet([deployment("a", f"{engine.url}/v1")], clock=Clock())
    await fleet.refresh(session)
    answers, engine.answers = engine.answers, dict.fromkeys(engine.answers, b"<html>")
    await fleet.refresh(session)
    assert fleet.view().status("a").up is True
    await fleet.refresh(session)
    assert fleet.view().status("a").up is False
    engine.answers = answers
    await fleet.refresh(session)
    assert status(fleet, "a") == Status(up=True, loaded=True)


async def test_a_success_proves_more_than_a_look(session: HttpSession, unused_port: int) -> None:
    fleet = Fleet([deployment("a", f"http://127.0.0.1:{unused_port}/v1")], clock=Clock())
    await fleet.refresh(session)
    fleet.end("a", worked=True)
    assert fleet.view().status("a") == Status(up=True)


async def test_a_model_that_its_engine_does_not_have_is_down(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "here:latest"}))
    models = [deployment(name, engine.url, provider="ollama_chat") for name in ("here", "gone")]
    fleet = Fleet(models, clock=Clock())
    await fleet.refresh(session)
    assert status(fleet, "here") == Status(up=True, loaded=False)
    assert (fleet.view().status("gone").up, "no model gone" in (fleet.view().status("gone").reason or "")) == (False, True)


@pytest.mark.parametrize("count", [5_000, 100_000])
async def test_a_model_that_may_be_in_the_part_of_a_list_that_is_not_read_is_not_missing(
    session: HttpSession, serve_engine: ServeEngine, count: int
) -> None:
    rows = [{"name": f"model-{number}:latest"} for number in range(count)]
    engine = await serve_engine(metadata.ollama(*rows))
    fleet = Fleet([deployment("model-4999", engine.url, provider="ollama_chat")], clock=Clock())
    await fleet.refresh(session, timeout_s=10)
    assert fleet.view().status("model-4999").up


async def test_an_engine_whose_window_turned_out_smaller_is_taken_to_have_that_one_until_it_says_another(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.ollama({"name": "a"}, running={"a": 16_384}))
    raw = deployment("a", engine.url, window_tokens=32_768)
    fleet = Fleet([raw], clock=Clock())
    fleet.failed("a", ProviderContextTooLong("too long"))
    assert fleet.view().deployments[0] == raw
    fleet.failed("a", ProviderContextTooLong("too long", window_tokens=4096))
    fleet.failed("a", ProviderContextTooLong("too long", window_tokens=8192))
    (shrunk,) = fleet.view()
    assert (shrunk.window_tokens, shrunk.sources["window_tokens"]) == (4096, "engine")
    assert cooling(fleet) is None
    await fleet.refresh(session)
    assert fleet.view().deployments[0].window_tokens == 16_384
    fleet.replace([raw])
    assert fleet.view().deployments[0].window_tokens == 32_768


async def test_a_dead_engine_behind_a_living_server_is_down(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.vllm("m"), status={"/health": 503})
    fleet = Fleet([deployment("m", f"{engine.url}/v1")], clock=Clock())
    await fleet.refresh(session)
    assert fleet.view().status("m") == Status(False, "its engine process has died; restart vLLM", False)


async def test_a_silent_engine_delays_no_other(session: HttpSession, serve_engine: ServeEngine, serve_raw: ServeRaw) -> None:
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.Event().wait()

    living = await serve_engine(metadata.llamacpp("living"))
    silent = deployment("silent", f"{await serve_raw(say_nothing)}/v1")
    fleet = Fleet([silent, deployment("living", f"{living.url}/v1")], clock=Clock())
    looking = asyncio.ensure_future(fleet.refresh(session))
    await asked.wait()
    while fleet.view().status("living").up is None:  # noqa: ASYNC110 - the fleet tells nobody of a change
        await asyncio.sleep(0)
    assert not looking.done()
    assert fleet.view().status("silent").up is None
    await looking
    assert fleet.view().status("silent").up is False


async def test_two_who_ask_for_a_look_share_one(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("a"))
    fleet = Fleet([deployment("a", f"{engine.url}/v1")], clock=Clock())
    await asyncio.gather(*(fleet.refresh(session) for _ in range(5)))
    assert engine.asked.count(("GET", "/v1/models")) == 1
    assert fleet.view().status("a").up is True


async def test_an_answer_for_a_deployment_that_left_or_moved_is_dropped(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    let_go, asked = asyncio.Event(), asyncio.Event()
    routes = metadata.llamacpp("a")

    async def late(body: Any) -> Any:
        asked.set()
        await let_go.wait()
        return routes["/v1/models"]

    engine = await serve_engine({**routes, "/v1/models": late})
    here = f"{engine.url}/v1"
    fleet = Fleet([deployment("a", here), deployment("b", here)], clock=Clock())
    looking = asyncio.ensure_future(fleet.refresh(session))
    await asked.wait()
    fleet.replace([deployment("b", "http://127.0.0.1:9/v1")])
    let_go.set()
    await looking
    assert fleet.view().status("b") == Status()
    assert fleet.view().exactly("a") == ()


async def test_later_looks_ask_only_what_the_engine_knows(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.lm_studio())
    fleet = Fleet([deployment("qwen2.5-coder-7b", f"{engine.url}/v1")], clock=Clock())
    await fleet.refresh(session)
    engine.asked.clear()
    await fleet.refresh(session)
    assert engine.paths == {"/v1/models", "/api/v0/models"}


async def test_what_was_just_seen_is_not_asked_again(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp("a"))
    here = f"http://localhost:{engine.port}/v1"
    fleet = Fleet([deployment("a", here), deployment("keyed", here, model="a", api_key=Secret("k"))], clock=Clock())
    seen = {engine.url: await look(session, engine.url)}
    engine.asked.clear()
    await fleet.refresh(session, seen)
    assert [fleet.view().status(name).up for name in ("a", "keyed")] == [True, True]
    # What was seen without a key may not be what the key shows.
    assert engine.asked.count(("GET", "/v1/models")) == 1
    await fleet.refresh(session, {engine.url: None})
    await fleet.refresh(session, {engine.url: None})
    assert [fleet.view().status(name).up for name in ("a", "keyed")] == [False, True]


async def test_a_cloud_model_stays_not_local_and_its_window_known_when_the_config_is_read_again(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(
        metadata.ollama({"name": "big", "remote_host": "https://ollama.com:443"}, running={"big": 9000})
    )
    raw = deployment("big", engine.url, provider="ollama_chat")
    fleet = Fleet([raw], clock=Clock())
    await fleet.refresh(session)
    fleet.replace([raw])
    (kept,) = fleet.view()
    assert (kept.local, kept.window_tokens) == (False, 9000)
    fleet.replace([replace(raw, api_base="http://127.0.0.1:9/v1")])
    assert fleet.view().deployments[0].local is True


async def test_a_look_says_whose_settings_are_read_and_that_is_kept_when_the_config_is_read_again(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    vllm, plain = await serve_engine(metadata.vllm("m")), await serve_engine(metadata.llamacpp("q"))
    named = deployment("q", f"{plain.url}/v1", engine_kind="vllm")
    given = [deployment("m", f"{vllm.url}/v1"), named, deployment("cloud", None)]
    fleet = Fleet(given, clock=Clock())
    assert [one.reads for one in fleet.view()] == [None, "vllm", None]
    await fleet.refresh(session)
    assert [one.reads for one in fleet.view()] == ["vllm", "llamacpp", None]
    fleet.replace(given)
    assert [one.reads for one in fleet.view()] == ["vllm", "llamacpp", None]


async def test_an_engine_that_could_not_be_reached_is_used_again_once_a_look_reaches_it(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.llamacpp("a"))
    here = f"{engine.url}/v1"
    fleet = Fleet([deployment("a", here), deployment("slow", here, model="a")], clock=Clock(), rng=lambda: 0.0)
    answers, engine.answers = engine.answers, dict.fromkeys(engine.answers, b"<html>")
    await fleet.refresh(session)
    fleet.failed("a", ConnectFailed("refused"))
    fleet.failed("slow", ProviderTimeout("no first byte"))
    assert (fleet.view().status("a").up, cooling(fleet)) == (False, 2)
    engine.answers = answers
    await fleet.refresh(session)
    assert status(fleet, "a") == Status(up=True, loaded=True)
    # That it lists its models does not prove that it generates.
    assert cooling(fleet, "slow") == 2


async def test_a_pause_that_the_engine_asked_for_outlasts_a_look(session: HttpSession, fleet: Fleet) -> None:
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=30))
    fleet.failed("a", ConnectFailed("refused"))
    await fleet.refresh(session, {"http://127.0.0.1:9": EngineReport("openai", models=(ModelReport("a"),))})
    assert cooling(fleet) == 30


async def test_the_real_llamacpp_is_up_and_loaded(session: HttpSession, llamacpp: Any) -> None:
    fleet = Fleet([deployment(llamacpp.model, llamacpp.base_url)], clock=Clock())
    await fleet.refresh(session)
    assert status(fleet, llamacpp.model) == Status(up=True, loaded=True)
    assert fleet.view().deployments[0].window_tokens == 2048


def test_latency_shows_by_kind_of_answer_until_it_is_old(fleet: Fleet, clock: Clock) -> None:
    fleet.answered("a", 0.5, stream=True, session=None)
    fleet.answered("a", 4.0, stream=False, session=None)
    fleet.answered("b", None, stream=True, session=None)
    fleet.answered("gone", 1.0, stream=True, session="s")
    view = fleet.view()
    assert (view.status("a").latency_s, view.status("a").whole_latency_s) == (0.5, 4.0)
    assert (view.status("b").latency_s, view.status("b").whole_latency_s) == (None, None)
    clock.now += FORGET_S
    assert fleet.view().status("a") == Status()
    assert fleet.view_for("s", view) is view


def test_the_view_for_a_conversation_names_who_answered_it_last_unless_that_one_failed_since(fleet: Fleet) -> None:
    fleet.answered("a", None, stream=True, session="s")
    fleet.answered("b", None, stream=True, session="s")
    view = fleet.view()
    assert fleet.view_for("s", view).answered_last == ("b", "a")
    assert fleet.view_for("other", view) is fleet.view_for(None, view) is view
    fleet.failed("b", ProviderUnavailable("broke off"))
    assert fleet.view_for("s", view).answered_last == ("a",)
    fleet.end("b", worked=True)
    assert fleet.view_for("s", view).answered_last == ("b", "a")
    fleet.replace([deployment("a")])
    assert fleet.view_for("s", view).answered_last == ("a",)


def test_the_95th_percentile_is_kept_by_kind_of_answer(fleet: Fleet) -> None:
    for seconds in range(20):
        fleet.answered("a", float(seconds), stream=True, session=None)
    assert fleet.p95_s("a", stream=True) == 18.0
    assert fleet.p95_s("a", stream=False) is fleet.p95_s("b", stream=True) is fleet.p95_s("gone", stream=True) is None
