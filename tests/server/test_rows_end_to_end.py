"""Faults through the whole server: what the client saw, what the engine saw, and what the ledger says, together."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from front import PATIENT, Front, Said, Serve, chat, entry, until

from engines.process import ServerProcess
from waypost.faults.faultd import TEXT, Faultd
from waypost.ledger.reader import SqliteReader

ServeWaypost = Callable[..., ServerProcess]

# For what a test waits out; any other engine has all the time that a busy machine takes.
SILENT = ("never-headers", "slow-headers", "stall-")
QUICK = {"connect_s": 1, "first_byte_s": 0.5, "idle_s": 0.5, "total_s": 1}
MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


async def ask(serve: Serve, model: str | dict[str, Any], stream: bool, *others: str | dict[str, Any]) -> tuple[Front, Said]:
    """Asks a model whose fallback is ``ok``, or the others."""
    name = model if isinstance(model, str) else model["model_name"]
    behind = list(others) or ["ok"]
    names = [other if isinstance(other, str) else other["model_name"] for other in behind]
    timeouts = QUICK if name.startswith(SILENT) else PATIENT
    front = await serve(model, *behind, policy={"timeouts": timeouts}, litellm_settings={"fallbacks": [{name: names}]})
    return front, await front.ask(chat(name, stream=stream))


def text_of(said: Said) -> str:
    """The text of an answer; of a stream, only if it came to its end."""
    if said.headers["content-type"] == "application/json":
        return str(json.loads(said.body)["choices"][0]["message"]["content"])
    assert said.events[-1] == "[DONE]"
    choices = [choice for event in said.events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def attempts(row: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(attempt["deployment"], attempt["error"]) for attempt in row["attempts"]]


@MODES
@pytest.mark.parametrize(
    ("fault", "code", "both"),
    [
        pytest.param("never-headers", "provider_timeout", True, id="row_03"),
        pytest.param("slow-headers", "provider_timeout", True, id="row_04"),
        pytest.param("429-ra3600", "provider_rate_limited", True, id="row_05"),
        pytest.param("401", "provider_auth_failed", True, id="row_07"),
        pytest.param("context-too-long", "context_length_exceeded", True, id="row_08"),
        pytest.param("500", "provider_unavailable", True, id="row_09-500"),
        pytest.param("529", "provider_unavailable", True, id="row_09-529"),
        pytest.param("redirect", "provider_protocol_error", True, id="row_10"),
        pytest.param("html-200", "provider_protocol_error", True, id="row_11-html"),
        pytest.param("empty-200", "provider_protocol_error", True, id="row_11-empty"),
        pytest.param("first-event-error", "provider_unavailable", False, id="row_12"),
        pytest.param("role-then-error", "provider_unavailable", False, id="row_13"),
    ],
)
async def test_rows_03_to_13_the_fallback_answers_and_the_ledger_has_both_calls(
    serve: Serve, fault: str, code: str, both: bool, stream: bool
) -> None:
    if not (stream or both):
        pytest.skip("a fault of streams")
    front, said = await ask(serve, fault, stream)
    assert (said.status, text_of(said)) == (200, TEXT)
    assert said.headers["x-waypost-fallback-from"] == fault
    assert (front.faultd.count(fault), front.faultd.count("ok")) == (1, 1)
    row = await front.row()
    assert (row["status"], row["deployment"], row["error"]) == ("ok", "ok", None)
    assert attempts(row) == [(fault, code), ("ok", None)]


@MODES
@pytest.mark.parametrize("base", ["refused", "http://nobody.invalid/v1"], ids=["row_01", "row_02"])
async def test_rows_01_and_02_who_cannot_be_reached_is_left_for_the_fallback_and_the_ledger_says_so(
    serve: Serve, faultd: Faultd, base: str, stream: bool
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1" if base == "refused" else base
    front, said = await ask(serve, entry("lost", faultd, api_base=address), stream)
    assert (said.status, text_of(said)) == (200, TEXT)
    assert [hit.model for hit in front.faultd.hits] == ["ok"]
    row = await front.row()
    assert (row["status"], attempts(row)) == ("ok", [("lost", "provider_unreachable"), ("ok", None)])
    assert address not in json.dumps(row)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("cut-2", id="row_14"),
        pytest.param("error-after-2", id="row_14-error"),
        pytest.param("stall-2", id="row_15"),
        pytest.param("end-2", id="row_21"),
        pytest.param("tool-cut", id="row_22"),
        pytest.param("big-event", id="row_31"),
    ],
)
async def test_rows_14_15_21_22_23_and_31_what_breaks_off_is_told_in_band_and_nobody_else_is_asked(
    serve: Serve, fault: str
) -> None:
    front, said = await ask(serve, fault, True)
    assert said.status == 200
    assert json.loads(said.events[-1])["error"]["code"] == "stream_broken"
    chunks = [json.loads(event) for event in said.events[:-1]]
    assert not any(choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"])
    assert (front.faultd.count(fault), front.faultd.count("ok")) == (1, 0)
    row = await front.row()
    assert (row["status"], row["error"], row["http_status"]) == ("partial", "stream_broken", 200)
    assert attempts(row) == [(fault, "stream_broken")]
    assert row["completion_tokens"] is not None


@pytest.mark.parametrize(
    ("fault", "skipped"),
    [
        pytest.param("malformed-event", 2, id="row_16"),
        pytest.param("bytes", 0, id="rows_17_and_18"),
        *(
            pytest.param(fault, 0, id=f"row_19-{fault}")
            for fault in ("crlf", "cr", "no-space", "comments", "multi-line", "bom")
        ),
        pytest.param("no-blank-line", 0, id="row_19-no-blank-line"),
        pytest.param("no-done", 0, id="row_20"),
    ],
)
async def test_rows_16_to_20_the_answer_is_whole_and_the_ledger_counts_what_was_left_out(
    serve: Serve, fault: str, skipped: int
) -> None:
    front, said = await ask(serve, fault, True)
    assert (said.status, text_of(said)) == (200, TEXT)
    assert (front.faultd.count(fault), front.faultd.count("ok")) == (1, 0)
    row = await front.row()
    assert (row["status"], row["finish_reason"], attempts(row)) == ("ok", "stop", [(fault, None)])
    assert row["attempts"][0]["skipped_events"] == skipped


@MODES
@pytest.mark.parametrize(("fault", "counted"), [("usage-missing", None), ("usage-zero", 0)])
async def test_row_30_the_ledger_tells_an_estimate_from_a_zero(
    serve: Serve, fault: str, counted: int | None, stream: bool
) -> None:
    front, said = await ask(serve, fault, stream)
    assert text_of(said) == TEXT
    assert front.faultd.count(fault) == 1
    row = await front.row()
    assert row["usage_estimated"] is (counted is None)
    assert row["completion_tokens"] == 0 if counted == 0 else row["completion_tokens"] > 0


async def test_row_35_a_deployment_that_always_fails_is_left_out_and_the_ledger_shows_who_answered(serve: Serve) -> None:
    front, said = await ask(serve, "500", False)
    for _ in range(19):
        said = await front.ask(chat("500"))
        assert text_of(said) == TEXT
    assert front.faultd.count("500") < 10
    assert front.faultd.count("ok") == 20
    row = await front.row()
    assert attempts(row) == [("ok", None)]
    assert [removal["deployment"] for removal in row["card"]["removed"]] == ["500"]


async def test_row_36_of_two_processes_each_asks_a_cooled_engine_once_and_one_ledger_tells_both(
    faultd: Faultd, waypost_server: ServeWaypost, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    faultd.models = ("429-ra60", "ok")
    config = {
        "model_list": [entry(fault, faultd) for fault in faultd.models],
        "routes": {"chat": list(faultd.models)},
        "environment_variables": {"FAULTD_KEY": "none"},
        "discovery": {"enabled": False},
        "ledger": {"path": str(ledger)},
    }
    servers = [await asyncio.to_thread(waypost_server, config) for _ in range(2)]
    async with httpx.AsyncClient(trust_env=False) as client:
        for number in range(10):
            said = await client.post(f"{servers[number % 2].url}/v1/chat/completions", json=chat("chat"))
            assert (said.status_code, said.json()["choices"][0]["message"]["content"]) == (200, TEXT)
    assert [hit.model for hit in faultd.hits].count("429-ra60") == 2
    assert [hit.model for hit in faultd.hits].count("ok") == 10
    reader = SqliteReader(ledger)
    await until(lambda: len(reader.tail(11)) == 10, within_s=5)
    rows = [reader.get(row["id"]) or {} for row in reader.tail(11)]
    assert {row["status"] for row in rows} == {"ok"}
    both, alone = [("429-ra60", "provider_rate_limited"), ("ok", None)], [("ok", None)]
    assert sorted(attempts(row) for row in rows) == [both, both, *[alone] * 8]
    assert sum("429-ra60" in [removal["deployment"] for removal in row["card"]["removed"]] for row in rows) == 8


@MODES
async def test_row_38_models_that_stand_in_for_each_other_are_asked_once_each_and_the_ledger_has_both(
    serve: Serve, faultd: Faultd, stream: bool
) -> None:
    models = [{**entry(f"html-200@{name}", faultd), "model_name": name} for name in "ab"]
    loop = [{"a": ["b", "a"]}, {"b": ["a"]}]
    front = await serve(*models, litellm_settings={"fallbacks": loop}, router_settings={"model_group_alias": {"x": "a"}})
    said = await front.ask(chat("x", stream=stream))
    assert (said.status, said.error["code"]) == (502, "provider_protocol_error")
    assert [hit.model for hit in front.faultd.hits] == ["html-200@a", "html-200@b"]
    row = await front.row()
    assert (row["status"], row["error"], row["requested"]) == ("failed", "provider_protocol_error", "x")
    assert attempts(row) == [("a", "provider_protocol_error"), ("b", "provider_protocol_error")]


async def test_row_60_a_host_that_holds_a_path_reaches_no_engine_and_no_ledger(serve: Serve) -> None:
    front = await serve("ok")
    said = await front.exchange(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x/health?\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert (said.status, said.error["code"]) == (403, "host_refused")
    assert (front.faultd.hits, front.ledger.tail(1)) == ([], [])
