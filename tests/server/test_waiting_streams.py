"""Streams that have nothing to say for long: pings, the bounds of what is held back, and engines that trickle."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from front import PATIENT, Serve, chat, entry

from waypost.faults.faultd import TEXT, Faultd
from waypost.faults.tool_faults import TOOLS

PING_S = 0.03


def text_of(events: list[str]) -> str:
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


async def test_row_24_an_engine_that_trickles_for_ever_is_ended_by_its_total_timeout(serve: Serve) -> None:
    front = await serve("endless", "ok", policy={"timeouts": {**PATIENT, "total_s": 0.4}})
    said = await front.ask(chat("endless", stream=True))
    assert said.status == 200
    assert " word" in text_of(said.events[:-1])
    error = json.loads(said.events[-1])["error"]
    assert (error["code"], "(total timeout)" in error["message"]) == ("stream_broken", True)
    await asyncio.wait_for(front.faultd.hits[0].left.wait(), 1)
    row = await front.row()
    assert (row["status"], row["error"]) == ("partial", "stream_broken")
    assert row["completion_tokens"] >= 1
    assert front.faultd.count("ok") == 0


@pytest.mark.parametrize("held", [False, True], ids=["sent-on", "held-back"])
async def test_row_24_a_floor_ends_the_stream_of_an_engine_that_trickles_or_has_another_one_answer_before_it_begins(
    serve: Serve, faultd: Faultd, held: bool
) -> None:
    def a_thousand_times_as_quick() -> float:  # a word takes five seconds, and longer where this machine is busy
        return 1000 * time.monotonic()

    capable = {"model_info": {"supports_function_calling": True}}
    front = await serve(
        *(entry(fault, faultd) | capable for fault in ("endless", "ok")),
        clock=a_thousand_times_as_quick,
        routes={"coding": {"candidates": ["endless", "ok"]}},
        policy={"timeouts": {**PATIENT, "min_tokens_per_s": 1}, "verify": "tools" if held else "off"},
    )
    said = await front.ask(chat("coding", stream=True, tools=TOOLS))
    assert said.status == 200
    await asyncio.wait_for(front.faultd.hits[0].left.wait(), 1)
    row = await front.row()
    outcomes = [(attempt["deployment"], attempt["error"], attempt["committed"]) for attempt in row["attempts"]]
    if held:
        assert (text_of(said.events), said.events[-1]) == (TEXT, "[DONE]")
        assert (row["status"], row["deployment"]) == ("ok", "ok")
        assert outcomes == [("endless", "provider_timeout", False), ("ok", None, True)]
    else:
        assert set(text_of(said.events[:-1]).split()) == {"word"}
        error = json.loads(said.events[-1])["error"]
        assert (error["code"], "(policy.timeouts.min_tokens_per_s)" in error["message"]) == ("stream_broken", True)
        assert (row["status"], row["error"], row["completion_tokens"] >= 1) == ("partial", "stream_broken", True)
        assert outcomes == [("endless", "stream_broken", True)]
    assert [hit.model for hit in front.faultd.hits] == (["endless", "ok"] if held else ["endless"])


async def test_row_25_pings_keep_the_connection_alive_until_the_first_output(serve: Serve) -> None:
    front = await serve("ok-after-300ms", server={"ping_s": PING_S})
    said = await front.ask(chat("ok-after-300ms", stream=True), "x-request-id: mine", "x-waypost-card: true")
    assert said.status == 200
    assert said.headers["content-type"] == "text/event-stream"
    assert said.headers["x-request-id"] == "mine"
    assert "x-waypost-deployment" not in said.headers
    pings, _, rest = said.body.rpartition(b": ping\n\n")
    assert pings.replace(b": ping\n\n", b"") == b""
    assert said.body.count(b": ping\n\n") >= 3
    assert rest.startswith(b"data: ")
    assert text_of(said.events) == TEXT
    assert said.events[-1] == "[DONE]"
    assert json.loads(said.events[-2])["waypost"]["deployment"] == "ok-after-300ms"
    row = await front.row(said.headers["x-waypost-decision"])
    assert (row["status"], row["http_status"], row["attempts"][0]["committed"]) == ("ok", 200, True)


async def test_row_25_a_fallback_still_answers_after_a_ping(serve: Serve) -> None:
    front = await serve(
        "500-after-200ms",
        "ok",
        server={"ping_s": PING_S},
        routes={"coding": {"candidates": ["500-after-200ms", "ok"]}},
    )
    said = await front.ask(chat("coding", stream=True))
    assert b": ping\n\n" in said.body
    assert text_of(said.events) == TEXT
    assert said.events[-1] == "[DONE]"
    row = await front.row()
    assert [(made["deployment"], made["error"]) for made in row["attempts"]][-1] == ("ok", None)
    assert front.faultd.count("500-after-200ms") == 1


async def test_row_25_an_error_after_a_ping_is_an_event_of_the_stream(serve: Serve) -> None:
    front = await serve("drop-after-200ms", server={"ping_s": PING_S})
    said = await front.ask(chat("drop-after-200ms", stream=True))
    assert said.status == 200
    assert b": ping\n\n" in said.body
    [event] = said.events
    assert json.loads(event)["error"]["type"] == "provider_error"
    row = await front.row()
    assert (row["status"], row["attempts"][0]["committed"]) == ("failed", False)


async def test_row_25_no_comment_comes_without_the_setting_in_an_answer_that_is_quick_or_not_streamed(serve: Serve) -> None:
    front = await serve("ok-after-300ms", "ok", server={"ping_s": PING_S})
    whole = await front.ask(chat("ok-after-300ms"))
    assert (whole.status, json.loads(whole.body)["choices"][0]["message"]["content"]) == (200, TEXT)
    quick = await front.ask(chat("ok", stream=True))
    assert quick.headers["x-waypost-deployment"] == "ok"
    assert b": ping" not in quick.body
    silent = await serve("ok-after-300ms")
    said = await silent.ask(chat("ok-after-300ms", stream=True))
    assert b": ping" not in said.body
    assert said.headers["x-waypost-deployment"] == "ok-after-300ms"


async def test_what_is_held_back_goes_out_at_its_bound_and_then_the_stream_can_only_break(serve: Serve) -> None:
    front = await serve(
        "roles-100", "ok", policy={"commit_max_bytes": 1024}, routes={"coding": {"candidates": ["roles-100", "ok"]}}
    )
    said = await front.ask(chat("coding", stream=True))
    assert said.status == 200
    assert said.headers["x-waypost-deployment"] == "roles-100"
    assert len(said.events) == 101
    assert "[DONE]" not in said.events
    assert json.loads(said.events[-1])["error"]["code"] == "stream_broken"
    row = await front.row()
    assert (row["status"], row["error"], row["http_status"]) == ("partial", "stream_broken", 200)
    assert [made["committed"] for made in row["attempts"]] == [True]
    assert front.faultd.count("ok") == 0


async def test_what_is_held_back_below_its_bound_is_never_seen_when_another_one_answers(serve: Serve) -> None:
    front = await serve("roles-100", "ok", routes={"coding": {"candidates": ["roles-100", "ok"]}})
    said = await front.ask(chat("coding", stream=True))
    assert said.headers["x-waypost-deployment"] == "ok"
    assert text_of(said.events) == TEXT
    assert said.events[-1] == "[DONE]"
    row = await front.row()
    assert (row["status"], [made["committed"] for made in row["attempts"]]) == ("ok", [False, True])


@pytest.mark.parametrize("ping_s", [None, PING_S])
async def test_an_engine_that_says_nothing_for_too_long_is_replaced(serve: Serve, ping_s: float | None) -> None:
    front = await serve(
        "stall-0",
        "ok",
        policy={"commit_max_s": 0.2, "timeouts": PATIENT},
        routes={"coding": {"candidates": ["stall-0", "ok"]}},
        server={"ping_s": ping_s},
    )
    said = await front.ask(chat("coding", stream=True))
    assert text_of(said.events) == TEXT
    assert said.events[-1] == "[DONE]"
    await asyncio.wait_for(front.faultd.hits[0].left.wait(), 1)
    row = await front.row()
    assert [(made["deployment"], made["error"]) for made in row["attempts"]] == [("stall-0", "provider_timeout"), ("ok", None)]
