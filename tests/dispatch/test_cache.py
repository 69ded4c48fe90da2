"""The response cache through a real router, in front of an engine that counts what reaches it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from waypost import Router
from waypost.errors import ProviderError, StreamBroken
from waypost.faults.exchange import Exchange
from waypost.faults.faultd import TEXT, Faultd
from waypost.faults.faults import Fault, fault_named

WEATHER = {"type": "function", "function": {"name": "switch_light", "parameters": {"type": "object"}}}


async def capped(exchange: Exchange) -> None:
    answer = exchange.completion()
    answer["choices"][0]["finish_reason"] = "length"
    await exchange.json(200, answer)


class OnceBad(Faultd):
    """Fails for the first request with the fault that is named behind ``once-``, and answers every one after it."""

    def _fault(self, model: str) -> Fault:
        if model == "capped":
            return capped
        bad = model.removeprefix("once-")
        return super()._fault(model) if bad == model else fault_named(bad if self.count(model) == 1 else "ok")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def engine() -> AsyncIterator[OnceBad]:
    server = OnceBad()
    await server.start()
    yield server
    await server.stop()


def config(engine: Faultd, *models: str, route: Any = True, **blocks: Any) -> dict[str, Any]:
    params = {"api_base": engine.base_url, "timeout": 5}
    info = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001, "supports_function_calling": True}
    return {
        "model_list": [
            {"model_name": model, "litellm_params": {"model": f"hosted_vllm/{model}", **params}, "model_info": info}
            for model in models
        ],
        "routes": {"chat": {"candidates": list(models), "cache": route}},
        "ledger": {"enabled": False},
        **blocks,
    }


Open = Callable[..., Router]


@pytest.fixture
async def open_router(engine: OnceBad) -> AsyncIterator[Open]:
    """Routers in front of ``engine``: the first word of a model name is how it answers."""
    made: list[Router] = []

    def begin(*models: str, clock: Clock | None = None, **options: Any) -> Router:
        router = Router.from_config(config(engine, *(models or ("ok",)), **options))
        if clock is not None:
            router.close()
            router = Router(router.config, clock=clock)
        made.append(router)
        return router

    yield begin
    for router in made:
        await router.aclose()


async def ask(router: Router, text: str = "Tell me a story about a fox.", **params: Any) -> str:
    """The text of one answer, streamed or not."""
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}], **params}
    if not params.get("stream"):
        return str((await router.acompletion(**asked)).choices[0].message.content)
    said = ""
    async for chunk in await router.acompletion(**asked):
        said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    return said


def recorded(router: Router) -> list[tuple[str, str | None, str | None]]:
    """Status, what the cache did, and who answered, oldest first."""
    return [(row["status"], row["cache"], row["deployment"]) for row in reversed(router.ledger.tail(100))]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_same_again_comes_from_the_cache_costs_nothing_and_says_who_had_made_it(
    open_router: Open, engine: OnceBad, stream: bool
) -> None:
    router = open_router()
    assert [await ask(router, stream=stream) for _ in range(3)] == [TEXT] * 3
    assert engine.count("ok") == 1
    assert recorded(router) == [("ok", "miss", "ok"), ("ok", "hit", "ok"), ("ok", "hit", "ok")]
    hit, _, miss = (router.ledger.get(row["id"]) for row in router.ledger.tail(3))
    assert hit is not None
    assert miss is not None
    assert (hit["attempts"], hit["cost_usd"], hit["prompt_tokens"], hit["finish_reason"]) == ([], 0.0, None, "stop")
    assert (len(miss["attempts"]), miss["cost_usd"], miss["prompt_tokens"]) == (1, pytest.approx(0.017), 11)
    assert hit["id"] != miss["id"]


async def test_a_hit_is_the_very_chunks_and_usage_only_for_who_wants_it(open_router: Open) -> None:
    router = open_router()

    async def chunks(**options: Any) -> list[Any]:
        stream = await router.acompletion("chat", "Tell me a story.", stream=True, **options)
        return [dict(chunk) async for chunk in stream]

    first = await chunks(stream_options={"include_usage": True})
    assert await chunks(stream_options={"include_usage": True}) == first
    assert await chunks() == first[:-1]
    assert [row[1] for row in recorded(router)] == ["miss", "hit", "hit"]


async def test_a_stream_and_a_whole_answer_are_not_the_same(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    assert await ask(router) == await ask(router, stream=True)
    assert engine.count("ok") == 2


async def test_a_route_has_no_cache_until_it_says_so(open_router: Open, engine: OnceBad) -> None:
    for off in (False, None):
        router = open_router(route=off)
        await ask(router)
        await ask(router)
        assert recorded(router) == [("ok", None, "ok")] * 2
        assert router._cache is None
    assert engine.count("ok") == 4


async def test_turn_on_the_light_twice_executes_twice(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    for _ in range(2):
        await ask(router, "Turn on the light", tools=[WEATHER])
        await ask(router, "Turn on the light in the kitchen")
    assert engine.count("ok") == 4
    assert [row[1] for row in recorded(router)] == [None] * 4


async def test_a_deployment_that_the_caller_named_answers_itself(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    await ask(router, model="ok")
    await ask(router, model="ok")
    assert engine.count("ok") == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"headers": {"authorization": "Bearer a"}}, {"headers": {"authorization": "Bearer b"}}),
        ({"user": "a"}, {"user": "b"}),
        ({"user": "a"}, {}),
        ({"headers": {"x-openwebui-user-id": "a"}}, {"headers": {"X-OpenWebUI-User-Id": "b"}}),
    ],
)
async def test_row_67_two_tenants_never_share(open_router: Open, engine: OnceBad, one: Any, other: Any) -> None:
    router = open_router()
    answers = await asyncio.gather(*(ask(router, **who) for who in (one, other, one, other)))
    assert answers == [TEXT] * 4
    assert engine.count("ok") == 2
    assert Counter(row[1] for row in recorded(router)) == {"miss": 2, "shared": 2}
    for who in (one, other):
        await ask(router, **who)
    assert engine.count("ok") == 2
    assert not any("Bearer" in str(hit.headers) for hit in engine.hits)


@pytest.mark.parametrize(
    ("fault", "stream", "status"),
    [
        ("once-cut-2", True, "partial"),
        ("once-error-after-2", True, "partial"),
        ("once-end-2", True, "partial"),
        ("once-400", True, "failed"),
        ("once-400", False, "failed"),
    ],
)
async def test_row_68_an_error_or_a_partial_answer_is_never_kept(
    open_router: Open, engine: OnceBad, fault: str, stream: bool, status: str
) -> None:
    router = open_router(fault)
    with pytest.raises(ProviderError) as caught:
        await ask(router, stream=stream)
    assert isinstance(caught.value, StreamBroken) == (status == "partial")
    assert [await ask(router, stream=stream) for _ in range(2)] == [TEXT] * 2
    assert [row[:2] for row in recorded(router)] == [(status, "miss"), ("ok", "miss"), ("ok", "hit")]
    assert engine.count(fault) == 2


async def test_row_68_an_answer_that_a_cap_cut_is_shared_but_not_kept(open_router: Open, engine: OnceBad) -> None:
    router = open_router("capped")
    await asyncio.gather(ask(router), ask(router))
    await ask(router)
    assert [row[1] for row in recorded(router)] == ["miss", "shared", "miss"]
    assert engine.count("capped") == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_fifty_at_once_make_one_call(open_router: Open, engine: OnceBad, stream: bool) -> None:
    router = open_router()
    assert await asyncio.gather(*(ask(router, stream=stream) for _ in range(50))) == [TEXT] * 50
    assert engine.count("ok") == 1
    assert Counter(row[1] for row in recorded(router)) == {"miss": 1, "shared": 49}
    assert sum(row["cost_usd"] for row in router.ledger.tail(50)) == pytest.approx(0.017)
    assert router.view().status("ok").in_flight == 0


async def until_waiting(*tasks: asyncio.Task[Any]) -> None:
    """Returns when every task has done what it can do without hearing from the engine or from one another."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_when_the_first_one_leaves_another_one_calls_and_nobody_loses(
    open_router: Open, engine: OnceBad, stream: bool
) -> None:
    router = open_router("once-never-headers")
    leader = asyncio.create_task(ask(router, stream=stream))
    await engine.hit("once-never-headers")
    followers = [asyncio.create_task(ask(router, stream=stream)) for _ in range(5)]
    await until_waiting(leader, *followers)
    leader.cancel()
    assert await asyncio.gather(*followers) == [TEXT] * 5
    await (await engine.hit("once-never-headers")).left.wait()
    assert engine.count("once-never-headers") == 2
    assert Counter(row[:2] for row in recorded(router)) == {("cancelled", "miss"): 1, ("ok", "miss"): 1, ("ok", "shared"): 4}


async def test_when_the_first_one_fails_another_one_calls_and_the_failure_is_not_shared(
    open_router: Open, engine: OnceBad
) -> None:
    router = open_router("once-400")
    answers = await asyncio.gather(*(ask(router) for _ in range(10)), return_exceptions=True)
    assert [answer for answer in answers if answer != TEXT] == [answers[0]]
    assert isinstance(answers[0], ProviderError)
    assert engine.count("once-400") == 2


async def test_when_the_first_one_breaks_off_its_stream_another_one_calls(open_router: Open, engine: OnceBad) -> None:
    router = open_router("once-cut-2")
    answers = await asyncio.gather(*(ask(router, stream=True) for _ in range(4)), return_exceptions=True)
    assert isinstance(answers[0], StreamBroken)
    assert answers[1:] == [TEXT] * 3
    assert engine.count("once-cut-2") == 2


@pytest.mark.parametrize("read", [0, 1], ids=["unread", "begun"])
@pytest.mark.parametrize("close", [True, False], ids=["closed", "dropped"])
async def test_a_stream_that_nobody_reads_to_its_end_is_not_kept_and_holds_nobody_up(
    open_router: Open, engine: OnceBad, read: int, close: bool
) -> None:
    router = open_router()
    stream = await router.acompletion("chat", "Tell me a story about a fox.", stream=True)
    for _ in range(read):
        await anext(stream)
    follower = asyncio.create_task(ask(router, stream=True))
    await until_waiting(follower)
    if close:
        await stream.aclose()
    del stream
    assert await follower == TEXT
    assert recorded(router) == [("cancelled", "miss", "ok"), ("ok", "miss", "ok")]
    assert engine.count("ok") == 2


async def test_who_waits_and_leaves_disturbs_nobody(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    leader, follower, other = (asyncio.create_task(ask(router)) for _ in range(3))
    await until_waiting(leader, follower, other)
    follower.cancel()
    assert await asyncio.gather(leader, other) == [TEXT] * 2
    assert engine.count("ok") == 1
    assert Counter(row[:2] for row in recorded(router)) == {("ok", "miss"): 1, ("ok", "shared"): 1, ("cancelled", None): 1}


async def test_a_request_for_a_new_answer_leaves_those_alone_who_wait_for_another_one(
    open_router: Open, engine: OnceBad
) -> None:
    router = open_router("once-never-headers")
    leader = asyncio.create_task(ask(router))
    await engine.hit("once-never-headers")
    follower = asyncio.create_task(ask(router))
    await until_waiting(leader, follower)
    assert await ask(router, headers={"cache-control": "no-cache"}) == TEXT
    assert not follower.done()
    leader.cancel()
    assert await follower == TEXT
    assert [row[:2] for row in recorded(router)] == [("ok", "miss"), ("cancelled", "miss"), ("ok", "hit")]
    assert engine.count("once-never-headers") == 2


async def test_nobody_waits_for_ever_for_somebody_else(
    open_router: Open, engine: OnceBad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waypost.dispatch.cache.WAIT_S", 0.05)
    router = open_router("once-never-headers")
    leader = asyncio.create_task(ask(router))
    await engine.hit("once-never-headers")
    assert await ask(router) == TEXT
    assert not leader.done()
    leader.cancel()
    assert await ask(router) == TEXT
    assert engine.count("once-never-headers") == 2


async def test_an_answer_is_kept_for_the_time_that_its_route_says(open_router: Open, engine: OnceBad) -> None:
    clock = Clock()
    router = open_router(route={"ttl_s": 60}, clock=clock)
    await ask(router)
    clock.now += 59.9
    await ask(router)
    assert engine.count("ok") == 1
    clock.now += 0.1
    await ask(router)
    assert engine.count("ok") == 2


async def test_the_bounds_of_the_config_hold(open_router: Open, engine: OnceBad) -> None:
    router = open_router(cache={"max_entries": 2})
    for text in ("Tell me a story.", "Tell me a tale.", "Tell me a story.", "Tell me a joke.", "Tell me a story."):
        await ask(router, text)
    assert [row[1] for row in recorded(router)] == ["miss", "miss", "hit", "miss", "hit"]
    await ask(router, "Tell me a tale.")
    assert engine.count("ok") == 4


async def test_an_answer_over_the_bound_of_one_is_not_kept_and_not_waited_for_in_vain(
    open_router: Open, engine: OnceBad
) -> None:
    router = open_router(cache={"max_answer_bytes": 1024})
    assert await asyncio.gather(*(ask(router, stream=True) for _ in range(3))) == [TEXT] * 3
    assert engine.count("ok") == 3
    await ask(router)
    await ask(router)
    assert engine.count("ok") == 4


async def test_a_client_may_ask_for_a_new_answer_or_for_no_trace(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    await ask(router, headers={"cache-control": "no-store"})
    await ask(router)
    await ask(router, headers={"Cache-Control": "max-age=0, No-Cache"})
    await ask(router, headers={"cache-control": "no-store, no-cache"})
    await ask(router)
    assert [row[1] for row in recorded(router)] == [None, "miss", "miss", None, "hit"]
    assert engine.count("ok") == 4


async def test_an_answer_asked_for_anew_takes_the_place_of_the_old_one(open_router: Open, engine: OnceBad) -> None:
    clock = Clock()
    router = open_router(route={"ttl_s": 60}, clock=clock)
    await ask(router)
    clock.now += 50
    await ask(router, headers={"cache-control": "no-cache"})
    clock.now += 50
    await ask(router)
    assert [row[1] for row in recorded(router)] == ["miss", "miss", "hit"]


async def test_another_config_starts_without_answers_and_the_same_one_keeps_them(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    await ask(router)
    router.apply(router.config, router.config.setup.deployments)
    await ask(router)
    other = Router.from_config(config(engine, "ok", route={"ttl_s": 299})).config
    router.apply(other, other.setup.deployments)
    await ask(router)
    assert [row[1] for row in recorded(router)] == ["miss", "hit", "miss"]


async def test_another_config_may_switch_the_cache_on_and_off(open_router: Open, engine: OnceBad) -> None:
    router = open_router(route=False)
    for route in (True, False):
        changed = Router.from_config(config(engine, "ok", route=route)).config
        router.apply(changed, changed.setup.deployments)
        await ask(router)
        await ask(router)
    assert [row[1] for row in recorded(router)] == ["miss", "hit", None, None]


async def test_a_correction_makes_the_same_request_a_new_one(open_router: Open, engine: OnceBad) -> None:
    router = open_router()
    await ask(router)
    router.feedback(text="how tall is the tower?", task="reasoning")
    await ask(router)
    assert engine.count("ok") == 2


async def test_who_stood_in_for_the_first_candidate_does_not_go_on_answering(open_router: Open, engine: OnceBad) -> None:
    router = open_router("once-drop", "ok")
    for _ in range(3):
        router.fleet.replace(())
        router.fleet.replace(router.config.setup.deployments)  # whatever failed is forgotten
        assert await ask(router) == TEXT
    assert recorded(router) == [("ok", "miss", "ok"), ("ok", "miss", "once-drop"), ("ok", "hit", "once-drop")]


async def test_a_private_request_is_not_answered_by_what_a_replica_elsewhere_said(open_router: Open, engine: OnceBad) -> None:
    router = open_router("ok", "ok")
    home, cloud = (replace(known, local=local) for known, local in zip(router.view().deployments, (True, False), strict=True))
    router.fleet.replace([cloud])
    await ask(router)
    router.fleet.replace([home, cloud])
    await ask(router, headers={"x-waypost-private": "true"})
    await ask(router, headers={"x-waypost-private": "true"})
    assert recorded(router) == [("ok", "miss", "ok#2"), ("ok", "miss", "ok#1"), ("ok", "hit", "ok#1")]
    assert engine.count("ok") == 2


def test_code_that_is_not_async_shares_the_answers_of_code_that_is() -> None:
    async def both() -> list[str | None]:
        engine = OnceBad()
        await engine.start()
        router = Router.from_config(config(engine, "ok"))
        await ask(router)
        reply = await asyncio.to_thread(router.completion, "chat", "Tell me a story about a fox.")
        assert reply.attempts == ()
        await router.aclose()
        await asyncio.to_thread(router.close)
        await engine.stop()
        return [row[1] for row in recorded(router)]

    assert asyncio.run(both()) == ["miss", "hit"]
