"""The Ollama for tests, asked by Ollama's own client: it gives what the contract says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from ollama import AsyncClient, Client, ResponseError

from servers.clocks import HandClock, ScaledClock
from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, in_thread, serve

CONTRACT = json.loads((Path(__file__).parents[1] / "data" / "ollama_contract.json").read_text())
EXAMPLES = CONTRACT["examples"]
HI = [{"role": "user", "content": "hi"}]
WEATHER = EXAMPLES["chat_tools"]["body"]["tools"]
CALL = Answer(tool_calls=[("get_weather", {"city": "Paris"})])


def says(body: Any) -> Answer:
    """What ``alpha`` says: a tool call to tools, else two words."""
    return CALL if body.get("tools") else Answer("Hello there", json='{"n": 1}')


ALPHA = OllamaModel("alpha", says, trained_tokens=2048, load_s=2)
THINKER = OllamaModel("thinker", Answer("Yes.", "Let me see."), capabilities=("completion", "thinking"))
SEER = OllamaModel("seer", Answer("A cat."), capabilities=("completion", "vision"))
EMBEDDER = OllamaModel("embedder", capabilities=("embedding",))
CUT = OllamaModel("cut", Answer("one two three", error="an error was encountered", error_after=2))
BROKEN = OllamaModel("broken", load_error="llama runner process has terminated: exit status 2")


@pytest.fixture
async def ollama() -> AsyncIterator[Ollama]:
    async with serve(ALPHA, THINKER, SEER, EMBEDDER, CUT, BROKEN) as server:
        yield server


@pytest.fixture
async def client(ollama: Ollama) -> AsyncIterator[AsyncClient]:
    opened = AsyncClient(ollama.url)
    yield opened
    await opened._client.aclose()


async def asked(ollama: Ollama, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
    """Status, content type and text of one request; bytes are sent as they are."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    async with aiohttp.ClientSession() as session, session.request(method, ollama.url + path, data=data) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


def shape(value: Any, *, optional: frozenset[str] = frozenset()) -> Any:
    """The keys and types of a JSON value."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items() if name not in optional}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("version", "response"),
        ("chat_no_stream", "response"),
        ("chat_load", "response"),
        ("tags", "response"),
        ("embed", "response"),
        ("embeddings_old", "response"),
    ],
)
async def test_a_whole_answer_has_the_fields_of_the_contract(ollama: Ollama, name: str, answer: str) -> None:
    example = EXAMPLES[name]
    method, _, path = example.get("request", "POST /api/chat").partition(" ")
    status, kind, text = await asked(ollama, method, path, example.get("body"))
    assert (status, kind) == (200, "application/json; charset=utf-8")
    assert shape(json.loads(text)) == shape(example[answer])


@pytest.mark.parametrize("name", ["chat_stream", "generate_stream"])
async def test_a_stream_is_the_default_and_its_lines_have_the_fields_of_the_contract(ollama: Ollama, name: str) -> None:
    example = EXAMPLES[name]
    path = example["request"].partition(" ")[2]
    status, kind, text = await asked(ollama, "POST", path, example["body"])
    lines = [json.loads(line) for line in text.splitlines()]
    assert (status, kind) == (200, CONTRACT["conventions"]["stream_content_type"])
    assert [shape(lines[0]), shape(lines[-1])] == [shape(line) for line in example["lines"]]
    assert [line["done"] for line in lines] == [False, False, True]


async def test_the_loaded_models_and_a_description_have_the_fields_of_the_contract(ollama: Ollama) -> None:
    assert json.loads((await asked(ollama, "GET", "/api/ps"))[2]) == EXAMPLES["ps"]["none_loaded"]
    await asked(ollama, "POST", "/api/chat", EXAMPLES["chat_load"]["body"])
    running = json.loads((await asked(ollama, "GET", "/api/ps"))[2])
    assert shape(running) == shape(EXAMPLES["ps"]["response"])
    shown = json.loads((await asked(ollama, "POST", "/api/show", EXAMPLES["show"]["body"]))[2])
    assert shape(shown) == shape(EXAMPLES["show"]["response"])
    assert shown["model_info"][shown["model_info"]["general.architecture"] + ".context_length"] == 2048


async def test_a_tool_call_comes_whole_in_a_line_of_its_own(ollama: Ollama, client: AsyncClient) -> None:
    _, _, text = await asked(ollama, "POST", "/api/chat", EXAMPLES["chat_tools"]["body"])
    lines = [json.loads(line) for line in text.splitlines()]
    assert shape(lines[0]) == shape(EXAMPLES["chat_tools"]["line"])
    assert (lines[-1]["done_reason"], lines[-1]["message"]) == ("stop", {"role": "assistant", "content": ""})
    answer = await client.chat("alpha", HI, tools=WEATHER)
    assert answer.message.tool_calls is not None
    assert answer.message.tool_calls[0].function.arguments == {"city": "Paris"}
    told = [*HI, answer.message, EXAMPLES["chat_tools"]["answer_message"]]
    assert (await client.chat("alpha", told)).message.content == "Hello there"


async def test_a_model_that_can_think_thinks_unless_told_not_to(client: AsyncClient) -> None:
    by_default = await client.chat("thinker", HI)
    assert (by_default.message.thinking, by_default.message.content) == ("Let me see.", "Yes.")
    told = await client.chat("thinker", HI, think=False)
    assert (told.message.thinking, told.message.content) == (None, "Yes.")
    lines = [line async for line in await client.chat("thinker", HI, think="low", stream=True)]
    assert "".join(line.message.thinking or "" for line in lines) == "Let me see."


@pytest.mark.parametrize("form", ["json", EXAMPLES["chat_format"]["or"]["format"]])
async def test_a_format_gives_json(client: AsyncClient, form: Any) -> None:
    answer = await client.chat("alpha", HI, format=form)
    assert json.loads(answer.message.content or "") == {"n": 1}


async def test_an_image_needs_a_model_that_sees(ollama: Ollama) -> None:
    seen = [{**EXAMPLES["chat_images"]["message"], "images": ["aGk="]}]
    assert (await asked(ollama, "POST", "/api/chat", {"model": "seer", "messages": seen}))[0] == 200
    status, _, text = await asked(ollama, "POST", "/api/chat", {"model": "alpha", "messages": seen})
    assert (status, json.loads(text)) == (500, {"error": "this model is missing data required for image input"})


async def test_the_client_lists_shows_loads_and_unloads(ollama: Ollama, client: AsyncClient) -> None:
    assert [model.model for model in (await client.list()).models] == list(ollama.library)
    assert (await client.show("alpha")).capabilities == ["completion", "tools"]
    assert (await client.chat("alpha", [])).done_reason == "load"
    assert [model.model for model in (await client.ps()).models] == ["alpha:latest"]
    assert (await client.chat("alpha", [], keep_alive=0)).done_reason == "unload"
    assert (await client.ps()).models == []
    assert (await client.generate("alpha", keep_alive="-1m")).done_reason == "load"
    assert (await client.pull("alpha")).status == "success"
    with pytest.raises(ResponseError, match="file does not exist"):
        await client.pull("nope")


def error_cases() -> list[tuple[str, str, str, Any]]:
    """For each error of the contract that one request shows: its name, and the request."""
    chat = {"model": "alpha", "messages": HI}
    return [
        ("empty body", "POST", "/api/chat", b""),
        ("invalid JSON", "POST", "/api/chat", b'{"model": '),
        ("no model", "POST", "/api/chat", {"messages": HI}),
        ("unknown model on chat, generate, show, embed", "POST", "/api/chat", {**chat, "model": "nope"}),
        ("unknown model on chat, generate, show, embed", "POST", "/api/generate", {"model": "nope", "prompt": "hi"}),
        ("unknown model on chat, generate, show, embed", "POST", "/api/show", {"model": "nope"}),
        ("unknown model on chat, generate, show, embed", "POST", "/api/embed", {"model": "nope", "input": "hi"}),
        ("tools to a model without them", "POST", "/api/chat", {**chat, "model": "seer", "tools": WEATHER}),
        ("think=true to a model without it", "POST", "/api/chat", {**chat, "think": True}),
        ("embedding model asked to chat", "POST", "/api/chat", {**chat, "model": "embedder"}),
        ("top_logprobs out of 0..20", "POST", "/api/chat", {**chat, "logprobs": True, "top_logprobs": 21}),
        (
            "embed input too long and truncate=false",
            "POST",
            "/api/embed",
            {"model": "embedder", "input": "x" * 64, "truncate": False, "options": {"num_ctx": 8}},
        ),
        ("runner died, model would not load", "POST", "/api/chat", {**chat, "model": "broken"}),
        ("wrong method", "GET", "/api/chat", None),
        ("wrong method", "POST", "/api/tags", {}),
        ("unknown path", "POST", "/api/nothing", {}),
    ]


@pytest.mark.parametrize(("when", "method", "path", "body"), error_cases())
async def test_an_error_has_the_status_and_the_body_of_the_contract(
    ollama: Ollama, when: str, method: str, path: str, body: Any
) -> None:
    said = next(error for error in CONTRACT["errors"] if error["when"] == when)
    status, kind, text = await asked(ollama, method, path, body)
    assert status == said["status"]
    if isinstance(said["body"], str):
        assert (text, kind) == (said["body"].removesuffix(" (text/plain)"), "text/plain; charset=utf-8")
        return
    told, expected = json.loads(text), said["body"]["error"]
    assert list(told) == ["error"]
    expected = expected.replace("<model>", body["model"] if isinstance(body, dict) and "model" in body else "")
    assert told["error"] == expected or "<" in expected


async def test_an_error_after_the_start_is_one_more_line(ollama: Ollama, client: AsyncClient) -> None:
    status, _, text = await asked(ollama, "POST", "/api/chat", {"model": "cut", "messages": HI})
    lines = [json.loads(line) for line in text.splitlines()]
    assert (status, lines[-1]) == (200, {"error": "an error was encountered"})
    assert [line.get("done") for line in lines] == [False, False, None]
    with pytest.raises(ResponseError, match="an error was encountered"):
        [line async for line in await client.chat("cut", HI, stream=True)]


async def test_a_full_queue_is_busy_and_a_client_that_leaves_takes_its_load_with_it() -> None:
    clock = HandClock()
    async with serve(ALPHA, THINKER, settings=OllamaSettings(max_queue=1), clock=clock) as ollama:
        leaver = asyncio.create_task(asked(ollama, "POST", "/api/chat", {"model": "alpha", "messages": HI}))
        await clock.sleeping()
        waiter = asyncio.create_task(asked(ollama, "POST", "/api/chat", {"model": "thinker", "messages": HI}))
        await ollama.seen("/api/chat", 2)
        await clock.advance(1)
        status, _, text = await asked(ollama, "POST", "/api/chat", {"model": "thinker", "messages": HI})
        busy = next(error for error in CONTRACT["errors"] if error["when"].startswith("queue full"))
        assert (status, json.loads(text)) == (busy["status"], busy["body"])
        leaver.cancel()
        assert (await clock.run(waiter))[0] == 200
        assert (ollama.requests[0].aborted, ollama.requests[0].status) == (True, 499)
        assert [(load.model, load.failed is not None) for load in ollama.loads] == [
            ("alpha:latest", True),
            ("thinker:latest", False),
        ]


async def test_a_model_that_is_removed_while_it_waits_is_gone() -> None:
    clock = HandClock()
    async with serve(ALPHA, THINKER, clock=clock) as ollama:
        first = asyncio.create_task(asked(ollama, "POST", "/api/chat", {"model": "alpha", "messages": HI}))
        await clock.sleeping()
        second = asyncio.create_task(asked(ollama, "POST", "/api/chat", {"model": "thinker", "messages": HI}))
        await ollama.seen("/api/chat", 2)
        del ollama.library["thinker:latest"]
        (status, _, text), _ = await clock.run(asyncio.gather(second, first))
        gone = next(error for error in CONTRACT["errors"] if error["when"].startswith("model gone"))
        assert (status, json.loads(text)["error"]) == (gone["status"], gone["body"]["error"].replace("nope", "thinker"))


async def test_an_option_of_the_wrong_type_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ResponseError, match='option "num_ctx" must be of type integer'):
        await client.chat("alpha", HI, options={"num_ctx": "much"})


async def test_openais_dialect_sets_a_temperature_and_knows_neither_window_nor_keep_alive(ollama: Ollama) -> None:
    body = {"model": "thinker", "messages": HI, "num_ctx": 64, "keep_alive": 0, "options": {"num_ctx": 64}}
    status, _, text = await asked(ollama, "POST", "/v1/chat/completions", body)
    answer = json.loads(text)
    assert (status, answer["system_fingerprint"]) == (200, CONTRACT["openai_compat"]["system_fingerprint"])
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Yes.", "reasoning": "Let me see."}
    assert answer["usage"]["completion_tokens"] == 4
    assert ollama.runs[-1].options == {"temperature": 1.0, "top_p": 1.0}
    assert ollama.resident == ["thinker:latest"]
    assert ollama.loads[-1].options.num_ctx == 32_768


async def test_openais_stream_ends_with_the_reason_the_counts_and_done(ollama: Ollama) -> None:
    body = {"model": "alpha", "messages": HI, "stream": True, "tools": WEATHER, "stream_options": {"include_usage": True}}
    _, kind, text = await asked(ollama, "POST", "/v1/chat/completions", body)
    *events, done = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    chunks = [json.loads(event) for event in events]
    assert (kind, done) == ("text/event-stream", "[DONE]")
    call = chunks[0]["choices"][0]["delta"]["tool_calls"][0]
    assert (call["index"], call["function"]) == (0, {"name": "get_weather", "arguments": '{"city": "Paris"}'})
    assert chunks[1]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[2]["usage"]["prompt_tokens"] > 0


async def test_openais_errors_and_its_list_of_models(ollama: Ollama) -> None:
    status, _, text = await asked(ollama, "POST", "/v1/chat/completions", {"model": "nope", "messages": HI})
    assert (status, json.loads(text)) == (404, CONTRACT["openai_compat"]["error_body"])
    listed = json.loads((await asked(ollama, "GET", "/v1/models"))[2])
    assert [row["id"] for row in listed["data"]] == list(ollama.library)


async def test_the_root_says_what_it_is(ollama: Ollama) -> None:
    assert (await asked(ollama, "GET", "/"))[2] == CONTRACT["root"]["body"]
    assert (await asked(ollama, "HEAD", "/"))[:2] == (CONTRACT["root"]["status"], CONTRACT["root"]["content_type"])


def test_a_client_that_blocks_is_served_from_a_thread() -> None:
    with in_thread(ALPHA, clock=ScaledClock(1000)) as ollama:
        client = Client(ollama.url)
        assert client.chat("alpha", HI, options={"temperature": 0}).message.content == "Hello there"
        client._client.close()
        assert [request.path for request in ollama.requests] == ["/api/chat"]
        assert ollama.requests[0].body["options"] == {"temperature": 0}
