"""Ollama's dialect through the whole server, in front of engines that answer and that fail."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any

import pytest
from front import PATIENT, Front, Said, Serve, closed, request, until

from waypost.faults.faultd import TEXT
from waypost.fleet.discovery import discover
from waypost.http.session import HttpSession

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


async def ask(front: Front, model: str, *headers: str, path: str = "/api/chat", **fields: Any) -> Said:
    return await front.ask({"model": model, **BODY, **fields}, *headers, path=path)


def lines(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.body.splitlines()]


def text_of(said: Said) -> str:
    return "".join(line["message"]["content"] for line in lines(said) if "message" in line)


async def test_a_chat_is_streamed_as_lines_that_end_with_the_figures(serve: Serve) -> None:
    front = await serve("ok")
    said = await ask(front, "ok:latest", "x-waypost-card: true", "x-request-id: mine")
    assert (said.status, said.headers["content-type"]) == (200, "application/x-ndjson")
    assert (said.headers["x-waypost-deployment"], said.headers["x-request-id"]) == ("ok", "mine")
    assert text_of(said) == TEXT
    *pieces, last = lines(said)
    assert not any(piece["done"] for piece in pieces)
    assert (last["model"], last["done"], last["done_reason"], last["eval_count"]) == ("ok:latest", True, "stop", 6)
    assert last["waypost"]["deployment"] == "ok"
    row = await front.row(said.headers["x-waypost-decision"])
    assert (row["dialect"], row["stream"], row["status"], row["completion_tokens"]) == ("ollama", True, "ok", 6)


async def test_an_answer_in_one_piece_is_one_object(serve: Serve) -> None:
    front = await serve("ok")
    said = await ask(front, "ok", stream=False)
    assert said.headers["content-type"] == "application/json"
    [answer] = lines(said)
    assert (answer["message"]["content"], answer["done_reason"]) == (TEXT, "stop")
    [generated] = lines(await ask(front, "ok", path="/api/generate", prompt="hi", stream=False))
    assert generated["response"] == TEXT
    assert "message" not in generated


async def test_what_the_engine_gets_is_openais_form_without_load_time_options(serve: Serve) -> None:
    front = await serve("ok")
    await ask(front, "ok", options={"num_ctx": 8192, "temperature": 0.1, "num_predict": 9}, keep_alive=-1)
    body = front.faultd.hits[0].body
    assert (body["temperature"], body["max_tokens"], body["stream"]) == (0.1, 9, True)
    assert body.keys().isdisjoint({"options", "num_ctx", "keep_alive", "num_predict"})


async def test_row_14_a_stream_that_is_cut_ends_with_an_error_and_is_never_done(serve: Serve) -> None:
    front = await serve("cut-3", "ok", litellm_settings={"fallbacks": [{"cut-3": ["ok"]}]})
    said = await ask(front, "cut-3")
    assert said.status == 200
    *pieces, last = lines(said)
    assert pieces
    assert last.keys() == {"error"}
    assert not any(line.get("done") for line in lines(said))
    assert front.faultd.count("ok") == 0
    row = await front.row()
    assert (row["status"], row["error"]) == ("partial", "stream_broken")


async def test_row_12_before_the_first_output_another_one_answers(serve: Serve) -> None:
    front = await serve("first-event-error", "ok", litellm_settings={"fallbacks": [{"first-event-error": ["ok"]}]})
    said = await ask(front, "first-event-error")
    assert text_of(said) == TEXT
    assert said.headers["x-waypost-fallback-from"] == "first-event-error"


async def test_row_22_half_a_call_is_not_given_as_one(serve: Serve) -> None:
    front = await serve("tool-cut")
    said = await ask(front, "tool-cut")
    assert not any("tool_calls" in line.get("message", {}) for line in lines(said))
    assert "error" in lines(said)[-1]


async def test_two_calls_arrive_whole(serve: Serve) -> None:
    front = await serve("two-calls")
    said = await ask(front, "two-calls")
    calls = [call["function"] for line in lines(said) for call in line["message"].get("tool_calls", ())]
    assert [(call["name"], type(call["arguments"])) for call in calls] == [("get_weather", dict), ("get_time", dict)]
    assert lines(said)[-1]["done_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "missing request body"),
        (b"{", 400, "JSON"),
        (b"{}", 400, "model is required"),
        ({"model": "nope", **BODY}, 404, "model 'nope' not found"),
        ({"model": "ok", **BODY, "api_base": "http://127.0.0.1:9"}, 400, "api_base"),
        ({"model": "ok", **BODY, "think": "x"}, 400, "think"),
        ({"model": "401", **BODY}, 502, "credentials"),
        ({"model": "context-too-long", **BODY}, 400, "window"),
        ({"model": "ok", "messages": [{"role": "user", "content": "x" * 4000}]}, 413, "larger"),
    ],
)
async def test_rows_54_to_61_an_error_is_a_sentence(serve: Serve, body: Any, status: int, words: str) -> None:
    front = await serve("ok", "401", "context-too-long", server={"max_body_bytes": 2000})
    said = await front.ask(body, path="/api/chat")
    assert said.status == status
    error = json.loads(said.body)
    assert error.keys() == {"error"}
    assert words in error["error"]
    assert said.headers["x-should-retry"] == ("true" if status == 502 else "false")


async def test_row_55_a_compressed_body_is_read(serve: Serve) -> None:
    front = await serve("ok")
    packed = gzip.compress(json.dumps({"model": "ok", **BODY}).encode())
    assert text_of(await front.ask(packed, "content-encoding: gzip", path="/api/chat")) == TEXT


async def test_row_26_a_client_that_leaves_before_the_first_word_frees_the_engine(serve: Serve) -> None:
    front = await serve("never-headers")
    _, writer = await front.open()
    writer.write(request({"model": "never-headers", **BODY}, path="/api/chat"))
    hit = await front.faultd.hit("never-headers")
    await closed(writer)
    await asyncio.wait_for(hit.left.wait(), 1)
    row = await asyncio.wait_for(front.row(), 1)
    assert (row["status"], row["http_status"], row["dialect"]) == ("cancelled", 499, "ollama")
    await until(lambda: front.in_flight() == 0)


async def test_row_27_a_client_that_leaves_in_the_middle_frees_the_engine(serve: Serve) -> None:
    front = await serve("endless")
    reader, writer = await front.open()
    writer.write(request({"model": "endless", **BODY}, path="/api/chat"))
    await reader.readuntil(b"word")
    [hit] = front.faultd.hits
    await closed(writer)
    await asyncio.wait_for(hit.left.wait(), 1)
    row = await asyncio.wait_for(front.row(), 1)
    assert (row["status"], row["attempts"][0]["committed"]) == ("cancelled", True)


async def test_row_15_an_engine_that_trickles_for_ever_is_ended_with_a_line_that_says_so(serve: Serve) -> None:
    front = await serve("endless", policy={"timeouts": {**PATIENT, "total_s": 0.4}})
    last = lines(await ask(front, "endless"))[-1]
    assert "total timeout" in last["error"]


async def test_row_25_a_ping_is_a_line_that_says_nothing(serve: Serve) -> None:
    front = await serve("ok-after-300ms", server={"ping_s": 0.03})
    said = await ask(front, "ok-after-300ms")
    first = lines(said)[0]
    assert (first["message"]["content"], first["done"]) == ("", False)
    assert text_of(said) == TEXT
    assert lines(said)[-1]["done"] is True


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_nothing_asked_loads_and_unloads_nothing(serve: Serve, path: str) -> None:
    front = await serve("ok")
    for model in ("auto", "chat", "ok"):
        said = await front.ask({"model": model}, path=path)
        assert (said.status, json.loads(said.body)["done_reason"]) == (200, "load")
    unloaded = await front.ask({"model": "ok", "keep_alive": 0}, path=path)
    assert json.loads(unloaded.body)["done_reason"] == "unload"
    missing = await front.ask({"model": "nope"}, path=path)
    assert missing.status == 404
    assert front.faultd.hits == []
    assert front.ledger.tail(1) == []


async def test_every_name_is_a_model_and_has_its_capabilities(serve: Serve) -> None:
    seeing = {
        "model_name": "seeing",
        "litellm_params": {"model": "hosted_vllm/meta-llama/Llama-3.2-11B-Vision", "api_base": "http://127.0.0.1:9/v1"},
    }
    seeing["model_info"] = {"supports_vision": True, "supports_function_calling": False, "max_input_tokens": 4096}
    front = await serve("ok", seeing, aliases={"zoe-action": "tool_calling"})
    tags = await get(front, "/api/tags")
    models = {model["name"]: model for model in json.loads(tags.body)["models"]}
    assert {"auto:latest", "chat:latest", "zoe-action:latest", "ok:latest", "seeing:latest"} <= models.keys()
    assert models["seeing:latest"]["capabilities"] == ["completion", "vision"]
    assert models["auto:latest"]["capabilities"] == ["completion", "tools", "vision"]
    assert len({model["digest"] for model in models.values()}) == len(models)
    assert {type(model["size"]) for model in models.values()} == {int}
    for asked in ("seeing", "seeing:latest"):
        shown = json.loads((await front.ask({"model": asked}, path="/api/show")).body)
        family = shown["model_info"]["general.architecture"]
        assert (family, shown["details"]["family"], shown["details"]["families"]) == ("llama", "llama", ["llama"])
        assert shown["model_info"][f"{family}.context_length"] == 4096
        assert shown["capabilities"] == ["completion", "vision"]
    auto = json.loads((await front.ask({"name": "auto"}, path="/api/show")).body)
    assert auto["capabilities"] == ["completion", "tools", "vision"]
    assert (auto["details"]["family"], auto["details"]["families"]) == ("", [])
    assert (await front.ask({"model": "nope"}, path="/api/show")).status == 404


async def test_row_75_lists_are_answered_from_what_is_known(serve: Serve) -> None:
    dead = {"model_name": "dead", "litellm_params": {"model": "hosted_vllm/dead", "api_base": "http://127.0.0.1:9/v1"}}
    front = await serve(dead)
    for path in ("/api/tags", "/api/ps", "/api/version", "/"):
        assert (await asyncio.wait_for(get(front, path), 1)).status == 200
    assert json.loads((await get(front, "/api/ps")).body) == {"models": []}
    assert (await get(front, "/")).body == b"Ollama is running"


async def test_a_pull_of_what_is_here_succeeds_and_another_one_is_refused(serve: Serve) -> None:
    front = await serve("ok")
    for model in ("auto", "coding", "ok:latest"):
        said = await front.ask({"model": model}, path="/api/pull")
        assert [line["status"] for line in lines(said)] == ["pulling manifest", "success"]
    assert json.loads((await front.ask({"model": "ok", "stream": False}, path="/api/pull")).body) == {"status": "success"}
    assert (await front.ask({"model": "ok", "stream": "yes"}, path="/api/pull")).status == 400
    refused = await front.ask({"model": "llama3.2"}, path="/api/pull")
    assert (refused.status, "pull it at an engine" in json.loads(refused.body)["error"]) == (404, True)


@pytest.mark.parametrize("path", ["/api/create", "/api/copy", "/api/push", "/api/blobs/sha256:00"])
async def test_what_would_change_an_engine_is_refused(serve: Serve, path: str) -> None:
    front = await serve("ok")
    said = await front.ask({"model": "ok"}, path=path)
    assert said.status == 403
    assert "left to the engines" in json.loads(said.body)["error"]


async def test_whether_an_engine_has_a_file_is_not_told_either(serve: Serve) -> None:
    front = await serve("ok")
    said = await front.exchange(b"HEAD /api/blobs/sha256:00 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert (said.status, said.body) == (403, b"")


async def test_a_wrong_method_or_path_below_api_is_told_in_ollamas_shape(serve: Serve) -> None:
    front = await serve("ok")
    wrong, unknown = await get(front, "/api/chat"), await get(front, "/api/nothing")
    assert (wrong.status, unknown.status) == (405, 404)
    assert json.loads(wrong.body).keys() == json.loads(unknown.body).keys() == {"error"}
    stranger = await front.exchange(b"GET /api/tags HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
    assert (stranger.status, json.loads(stranger.body).keys()) == (403, {"error"})
    endless = b"GET /api/tags HTTP/1.1\r\nhost: localhost\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n"
    large = await front.exchange(endless)
    assert (large.status, type(json.loads(large.body)["error"])) == (431, str)


async def test_a_waypost_where_an_ollama_would_be_does_not_find_itself(serve: Serve) -> None:
    front = await serve("ok")
    async with HttpSession() as session:
        found = await discover(session, [At(f"http://127.0.0.1:{front.port}")])
    assert found.deployments == ()
    assert "left out, as it may be this one" in found.lines[0]


@dataclass(frozen=True)
class At:
    """A target as a config gives it."""

    url: str


async def get(front: Front, path: str) -> Said:
    return await front.exchange(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
