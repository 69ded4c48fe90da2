"""Retries, cooldowns and fall-backs through the whole router: what the client, the engine and the ledger see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI
from whole import MakeClient, entry

from waypost.errors import (
    AllBusy,
    ForbiddenField,
    MissingCapability,
    NoDeployment,
    ProviderAuthFailed,
    ProviderError,
    ProviderRateLimited,
    WaypostError,
)
from waypost.faults.faultd import TEXT, Faultd

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@MODES
async def test_row_05_a_rate_limit_never_shortens_the_cooldown_that_another_one_asked_for(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    faultd.script["m"] = ["429-ra30", "429-ra1", "429"]
    client = client_of("m")
    both = await asyncio.gather(*(client.ask(stream=stream) for _ in range(3)))
    assert [type(error) for error in both] == [ProviderRateLimited] * 3
    assert client.router.view().status("m").cooling_s == 30
    assert faultd.count("m") == 3
    client.now += 29
    refused = await client.ask(stream=stream)
    assert isinstance(refused, NoDeployment)
    assert refused.retry_after_s == 1
    assert faultd.count("m") == 3
    client.now += 1
    assert await client.ask(stream=stream) == TEXT


@MODES
@pytest.mark.parametrize("status", [401, 402, 403])
async def test_row_07_a_refused_key_gives_way_to_the_next_one_and_rests(
    client_of: MakeClient, faultd: Faultd, status: int, stream: bool
) -> None:
    client = client_of(entry(faultd, f"bad-keys-{status}", "m", api_key=["sk-bad-11111111", "sk-bad-22222222", "sk-good-3333"]))
    assert await client.ask(stream=stream) == TEXT
    assert client.attempts == [("m", "provider_auth_failed"), ("m", "provider_auth_failed"), ("m", None)]
    said = [attempt["message"] for attempt in client.entry["attempts"][:2]]
    assert [message.rpartition(" (")[2] for message in said] == ["key 1 of 3)", "key 2 of 3)"]
    assert not any(shown in str(client.entry) for shown in ("sk-bad", "sk-good"))
    sent = [hit.headers["authorization"] for hit in faultd.hits]
    assert sent == ["Bearer sk-bad-11111111", "Bearer sk-bad-22222222", "Bearer sk-good-3333"]
    assert client.router.view().status("m").resting_keys == (0, 1)
    assert await client.ask(stream=stream) == TEXT
    assert len(faultd.hits) == 4
    client.now += 60
    assert client.router.view().status("m").resting_keys == ()


@MODES
async def test_row_07_when_all_keys_are_refused_the_error_is_a_502_and_shows_none(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of(entry(faultd, "bad-keys-401", "m", api_key=["sk-bad-11111111", "sk-bad-22222222"]))
    error = await client.ask(stream=stream)
    assert isinstance(error, ProviderAuthFailed)
    assert (error.status, error.message.endswith("(key 2 of 2)"), "sk-" in error.message) == (502, True, False)
    assert len(faultd.hits) == 2
    assert (client.entry["status"], client.entry["http_status"]) == ("failed", 502)
    assert client.router.view().status("m").cooling_s == 60
    assert isinstance(await client.ask(stream=stream), NoDeployment)
    assert len(faultd.hits) == 2


async def test_row_07_a_key_that_is_rate_limited_gives_way_too(client_of: MakeClient, faultd: Faultd) -> None:
    client = client_of(entry(faultd, "bad-keys-429", "m", api_key=["sk-bad-11111111", "sk-good-22222222"]))
    assert await client.ask() == TEXT
    assert client.attempts == [("m", "provider_rate_limited"), ("m", None)]
    assert client.router.view().status("m").cooling_s is None


@MODES
async def test_row_33_when_all_cool_there_is_one_503_with_the_earliest_retry_after(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of("429-ra40", "429-ra30")
    assert isinstance(await client.ask(stream=stream), ProviderRateLimited)
    client.now += 5
    error = await client.ask(stream=stream)
    assert isinstance(error, NoDeployment)
    assert (error.status, error.retry_after_s) == (503, 25)
    assert len(faultd.hits) == 2
    assert (client.entry["status"], client.entry["error"]) == ("refused", "no_deployment_available")
    assert client.attempts == []
    ready = (await client.get("/health/ready")).json()
    assert ready["cooling"] == {"429-ra40": 35, "429-ra30": 25}
    assert (ready["waiting_for_a_slot"], ready["retries_refused"]) == (0, 0)
    shown = (await client.get("/v1/models/429-ra40")).json()["waypost"]
    assert (shown["cooling_s"], shown["probing"], shown["resting_keys"]) == (35, False, [])


@MODES
async def test_row_33_a_last_resort_is_asked_although_it_cools(client_of: MakeClient, faultd: Faultd, stream: bool) -> None:
    faultd.script["b"] = ["429-ra30"]
    client = client_of("429-ra40", "b", policy={"last_resort": ["b"]})
    assert isinstance(await client.ask(stream=stream), ProviderRateLimited)
    assert await client.ask(stream=stream) == TEXT
    assert client.attempts == [("b", None)]
    [candidate] = client.entry["card"]["candidates"]
    assert candidate["last_resort"]
    assert candidate["reason"].startswith("the last resort, as everybody is down or cools")
    assert [removal["deployment"] for removal in client.entry["card"]["removed"]] == ["429-ra40"]
    assert faultd.count("b") == 2


async def test_row_33_a_last_resort_passes_every_other_guard(client_of: MakeClient, faultd: Faultd) -> None:
    cloud = entry(faultd, "cloud", info={"waypost": {"local": False}})
    client = client_of("429-ra40", cloud, policy={"last_resort": ["cloud"]}, routes={"chat": ["429-ra40"]})
    assert isinstance(await client.ask(), ProviderRateLimited)
    error = await client.ask(headers={"x-waypost-private": "true"})
    assert isinstance(error, NoDeployment)
    assert faultd.count("cloud") == 0


@MODES
async def test_row_34_of_200_who_wait_for_a_cooldown_to_end_one_goes_first(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    faultd.script["m"] = ["429-ra10", "held"]
    client = client_of("m", policy={"slot_wait_s": 0})
    assert isinstance(await client.ask(stream=stream), ProviderRateLimited)
    client.now += 10
    first = asyncio.create_task(client.ask(stream=stream))
    await _until(lambda: faultd.count("m") == 2)
    others = await asyncio.gather(*(client.ask(stream=stream) for _ in range(199)))
    assert {type(error) for error in others} == {AllBusy}
    assert {error.status for error in others if isinstance(error, AllBusy)} == {503}
    assert faultd.count("m") == 2
    faultd.gate.set()
    assert await first == TEXT
    assert set(await asyncio.gather(*(client.ask(stream=stream) for _ in range(20)))) == {TEXT}
    assert faultd.count("m") == 22


async def test_row_34_who_finds_the_engine_being_tried_goes_elsewhere_or_waits_for_it(
    client_of: MakeClient, faultd: Faultd
) -> None:
    faultd.script["m"] = ["429-ra10", "held"]
    client = client_of("m", "ok")
    assert await client.ask(model="m") is not None
    client.now += 10
    first = asyncio.create_task(client.ask(model="m"))
    await asyncio.wait_for(_until(lambda: faultd.count("m") == 2), 5)
    assert await client.ask() == TEXT
    assert client.attempts == [("ok", None)]
    waiting = [asyncio.create_task(client.ask(model="m")) for _ in range(50)]
    await _until(lambda: client.router.fleet.waiting == 50)
    assert faultd.count("m") == 2
    faultd.gate.set()
    assert {await first, *(await asyncio.gather(*waiting))} == {TEXT}


@MODES
async def test_row_36_each_process_asks_a_cooled_engine_once_in_a_cooldown(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    faultd.script["m"] = ["429-ra30"] * 4
    replicas = [client_of("m"), client_of("m")]
    for _ in range(2):
        before = faultd.count("m")
        for _ in range(20):
            for replica in replicas:
                assert isinstance(await replica.ask(stream=stream), (ProviderRateLimited, NoDeployment))
                replica.now += 1
        assert faultd.count("m") == before + 2
        for replica in replicas:
            replica.now += 10
    assert {await replica.ask(stream=stream) for replica in replicas} == {TEXT}


@pytest.mark.parametrize(
    ("lack", "asked", "missing"),
    [
        ({"supports_vision": False}, {"messages": [{"role": "user", "content": [PICTURE]}]}, "image"),
        ({"supports_function_calling": False}, {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"max_input_tokens": 64}, {"text": "word " * 200}, "window holds 64"),
    ],
    ids=["vision", "tools", "window"],
)
@MODES
async def test_row_37_a_fallback_that_lacks_what_is_asked_for_is_never_chosen_and_the_error_names_it(
    client_of: MakeClient, faultd: Faultd, lack: dict[str, Any], asked: dict[str, Any], missing: str, stream: bool
) -> None:
    able = {"supports_vision": True, "supports_function_calling": True, "max_input_tokens": 4096}
    fallbacks = {"router_settings": {"fallbacks": [{"able": ["unable"]}], "default_fallbacks": ["unable"]}}
    failing = entry(faultd, "429-ra40", "able", info=able)
    unable = entry(faultd, "ok", "unable", info={**able, **lack})
    client = client_of(failing, unable, routes={"chat": ["able"]}, **fallbacks)
    error = await client.ask(model="chat", stream=stream, **asked)
    assert isinstance(error, ProviderRateLimited)
    assert client.attempts == [("able", "provider_rate_limited")]
    assert [removal["deployment"] for removal in client.entry["card"]["removed"]] == ["unable"]
    alone = client_of(unable)
    error = await alone.ask(model="chat", stream=stream, **asked)
    assert isinstance(error, WaypostError)
    assert (error.status, missing in error.message) == (400, True)
    assert faultd.count("ok") == 0
    assert isinstance(error, MissingCapability) or error.code == "context_length_exceeded"


@pytest.mark.parametrize("field", ["num_retries", "max_retries"])
@MODES
async def test_row_32_a_caller_cannot_ask_for_retries(client_of: MakeClient, faultd: Faultd, field: str, stream: bool) -> None:
    client = client_of("429")
    assert isinstance(await client.ask(stream=stream, **{field: 5}), ForbiddenField)
    assert faultd.hits == []


@pytest.mark.parametrize(("fault", "calls"), [("429", 1), ("500", 3)])
@MODES
async def test_row_32_an_sdk_that_retries_by_itself_meets_a_cooldown_and_not_the_engine(
    client_of: MakeClient, faultd: Faultd, monkeypatch: pytest.MonkeyPatch, fault: str, calls: int, stream: bool
) -> None:
    async def no_pause(_: float) -> None: ...

    monkeypatch.setattr("anyio.sleep", no_pause)
    client = client_of(fault)
    async with client.http() as http:
        sdk = AsyncOpenAI(base_url="http://127.0.0.1/v1", api_key="none", http_client=http, max_retries=4)
        with pytest.raises(APIStatusError) as caught:
            await sdk.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hi"}], stream=stream)
    assert caught.value.status_code == 503
    entries = [client.router.ledger.get(one["id"]) for one in client.router.ledger.tail(10)]
    assert [one["status"] for one in entries if one] == ["refused"] * 4 + ["failed"]
    assert sum(len(one["attempts"]) for one in entries if one) == calls
    assert faultd.count(fault) == calls


@MODES
async def test_a_full_deployment_is_passed_over_and_waited_for_when_nobody_else_is_left(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    held = entry(faultd, "held", "one", max_parallel_requests=1)
    client = client_of(held, "ok")
    first = asyncio.create_task(client.ask(stream=stream))
    await faultd.hit("held")
    assert await client.ask(stream=stream) == TEXT
    assert client.attempts == [("ok", None)]
    second = asyncio.create_task(client.ask(model="one", stream=stream))
    await _until(lambda: client.router.fleet.waiting == 1)
    assert faultd.count("held") == 1
    faultd.gate.set()
    assert [await first, await second] == [TEXT, TEXT]
    assert faultd.count("held") == 2
    assert client.router.view().status("one").in_flight == 0


@MODES
async def test_a_request_that_finds_no_slot_in_time_gets_a_503_with_a_retry_after(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of(entry(faultd, "held", "one", max_parallel_requests=1), policy={"slot_wait_s": 0.05})
    first = asyncio.create_task(client.ask(stream=stream))
    await faultd.hit("held")
    error = await client.ask(stream=stream)
    assert isinstance(error, AllBusy)
    assert (error.status, error.retry_after_s) == (503, 1)
    assert (client.entry["status"], client.entry["error"], client.attempts) == ("failed", "all_busy", [])
    faultd.gate.set()
    assert await first == TEXT
    assert faultd.count("held") == 1


@MODES
async def test_a_client_that_leaves_the_queue_is_forgotten_at_once_and_its_slot_goes_to_the_next(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of(entry(faultd, "held", "one", max_parallel_requests=1))
    first = asyncio.create_task(client.ask(stream=stream))
    await faultd.hit("held")
    queue = [asyncio.create_task(client.ask(stream=stream)) for _ in range(3)]
    await _until(lambda: client.router.fleet.waiting == 3)
    queue[0].cancel()
    await asyncio.wait((queue[0],))
    assert client.router.fleet.waiting == 2
    assert (client.entry["status"], client.entry["http_status"], client.attempts) == ("cancelled", 499, [])
    faultd.gate.set()
    assert [await first, await queue[1], await queue[2]] == [TEXT] * 3
    assert faultd.count("held") == 3
    assert (client.router.fleet.waiting, client.router.view().status("one").in_flight) == (0, 0)


async def test_an_engine_that_dies_is_not_waited_for(client_of: MakeClient, faultd: Faultd) -> None:
    client = client_of(entry(faultd, "429-ra40", "one", max_parallel_requests=1))
    first, second = await asyncio.gather(client.ask(), client.ask())
    assert isinstance(first, ProviderError)
    assert isinstance(second, NoDeployment)
    assert not isinstance(second, AllBusy)
    assert second.retry_after_s == 40
    assert faultd.count("429-ra40") == 1


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - neither an engine nor a queue tells the test
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("retry_after", ["3600", "Fri, 02 Jan 2100 00:00:00 GMT"])
@MODES
async def test_row_06_a_pause_above_the_budget_fails_over_and_else_reaches_the_client(
    client_of: MakeClient, faultd: Faultd, retry_after: str, stream: bool
) -> None:
    faultd.retry_after = retry_after
    alone = client_of("429-said")
    refused = await alone.post(stream=stream)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "provider_rate_limited")
    assert int(refused.headers["retry-after"]) >= 3600
    assert refused.headers["x-should-retry"] == "true"
    assert faultd.count("429-said") == 1
    assert alone.attempts == [("429-said", "provider_rate_limited")]
    assert alone.router.view().status("429-said").cooling_s == 3600
    beside = client_of("429-said", "ok")
    answered = await beside.post(stream=stream)
    assert (answered.status_code, answered.headers["x-waypost-fallback-from"]) == (200, "429-said")
    assert beside.attempts == [("429-said", "provider_rate_limited"), ("ok", None)]


@MODES
async def test_row_40_a_name_that_fits_no_header_harms_neither_the_answer_nor_the_engine(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of(entry(faultd, "ok", "我的模型"))
    answer = await client.post(model="我的模型", stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-waypost-deployment"] == "%E6%88%91%E7%9A%84%E6%A8%A1%E5%9E%8B"
    assert faultd.count("ok") == 1
    assert (client.entry["status"], client.attempts) == ("ok", [("我的模型", None)])
    assert client.router.view().status("我的模型").up


@MODES
async def test_row_40_what_throws_after_a_success_never_counts_against_the_engine(
    client_of: MakeClient, faultd: Faultd, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise UnicodeEncodeError("latin-1", "我", 0, 1, "not in a header")

    client = client_of("ok")
    with monkeypatch.context() as patch:
        patch.setattr("waypost.server.chat.answer_headers", broken)
        for _ in range(10):
            assert (await client.post(stream=stream)).status_code == 500
    status = client.router.view().status("ok")
    assert (status.cooling_s, status.in_flight, faultd.count("ok")) == (None, 0, 10)
    assert client.attempts[0][1] in (None, "cancelled")
    assert (await client.post(stream=stream)).status_code == 200


@MODES
async def test_row_40_requests_that_the_engine_refuses_never_count_against_it(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    client = client_of("400")
    for _ in range(30):
        assert (await client.post(stream=stream)).status_code == 400
    assert faultd.count("400") == 30
    assert client.attempts == [("400", "provider_rejected")]
    assert client.router.view().status("400").cooling_s is None
