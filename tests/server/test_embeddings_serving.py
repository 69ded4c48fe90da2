"""Embeddings through the whole server: OpenAI's and Ollama's paths, replicas that fail, engines that answer nonsense."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from front import Front, Said, Serve

from servers.ollama_server import Ollama, OllamaModel
from servers.ollama_server import serve as serve_ollama

PRICE = {"input_cost_per_token": 1.0e-6, "output_cost_per_token": 1.0e-6}


@pytest.fixture
async def engine() -> AsyncIterator[Ollama]:
    async with serve_ollama(OllamaModel("nomic-embed-text", capabilities=("embedding",)), OllamaModel("chatty")) as ollama:
        yield ollama


def entry(name: str, base_url: str, model: str = "nomic-embed-text", **info: Any) -> dict[str, Any]:
    params = {"model": f"hosted_vllm/{model}", "api_base": base_url}
    return {"model_name": name, "litellm_params": params, "model_info": {"mode": "embedding", **PRICE, **info}}


async def ask(front: Front, model: str = "nomic", path: str = "/v1/embeddings", **fields: Any) -> Said:
    return await front.ask(
        {"model": model, **({} if path == "/api/embeddings" else {"input": ["a", "bb"]}), **fields}, path=path
    )


async def test_vectors_come_back_in_the_order_of_the_inputs_with_their_cost(serve: Serve, engine: Ollama) -> None:
    front = await serve(entry("nomic", engine.base_url))
    said = await ask(front)
    answer = json.loads(said.body)
    assert said.status == 200, answer
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert all(len(item["embedding"]) == 4 for item in answer["data"])
    tokens = answer["usage"]["prompt_tokens"]
    assert said.headers["x-waypost-deployment"] == "nomic"
    assert float(said.headers["x-waypost-cost-usd"]) == pytest.approx(tokens * 1e-6)
    packed = json.loads((await ask(front, encoding_format="base64")).body)
    assert len(struct.unpack("<4f", b64decode(packed["data"][0]["embedding"]))) == 4
    assert all(request.body.get("encoding_format") is None for request in engine.asked("/v1/embeddings"))
    row = await front.row(said.headers["x-waypost-decision"])
    assert (row["status"], row["dialect"], row["prompt_tokens"], row["completion_tokens"]) == ("ok", "openai", tokens, 0)
    assert row["deployment"] == "nomic"


async def test_an_input_that_is_too_long_is_cut_by_an_ollama_only_where_the_caller_asks_for_it(
    serve: Serve, engine: Ollama
) -> None:
    home = {"model": "ollama/nomic-embed-text", "api_base": engine.url, "num_ctx": 8}
    native = {"model_name": "home", "litellm_params": home, "model_info": {"mode": "embedding"}}
    front = await serve(native, entry("nomic", engine.base_url))
    long = "word " * 400
    refused = await ask(front, "home", "/api/embed", input=long)
    assert (refused.status, (await ask(front, "home", "/api/embed", input=long, truncate=False)).status) == (400, 400)
    said = await ask(front, "home", "/api/embed", input=long, truncate=True)
    assert (said.status, len(json.loads(said.body)["embeddings"])) == (200, 1)
    row = await front.row(said.headers["x-waypost-decision"])
    assert (row["status"], row["deployment"]) == ("ok", "home")
    assert [request.body["truncate"] for request in engine.asked("/api/embed")] == [False, False, True]
    assert (await ask(front, "nomic", "/api/embed", truncate=True)).status == 200
    assert [request.body.get("truncate") for request in engine.asked("/v1/embeddings")] == [None]


async def test_ollamas_paths_give_the_same_vectors(serve: Serve, engine: Ollama) -> None:
    front = await serve(entry("nomic", engine.base_url))
    vectors = [item["embedding"] for item in json.loads((await ask(front)).body)["data"]]
    answer = json.loads((await ask(front, "nomic:latest", "/api/embed")).body)
    assert (answer["embeddings"], answer["model"]) == (vectors, "nomic:latest")
    old = json.loads((await ask(front, path="/api/embeddings", prompt="a")).body)
    assert old == {"embedding": vectors[0]}
    nothing = await ask(front, path="/api/embed", input=[])
    assert json.loads(nothing.body) == {"model": "nomic", "embeddings": []}
    assert (await front.row())["dialect"] == "ollama"


async def test_a_replica_answers_where_one_is_gone_and_another_model_never(serve: Serve, engine: Ollama) -> None:
    gone = "http://127.0.0.1:9/v1"
    fallbacks = {"litellm_settings": {"fallbacks": [{"nomic": ["other"]}]}}
    front = await serve(
        entry("nomic", gone), entry("nomic", engine.base_url), entry("other", engine.base_url, "bge-m3"), **fallbacks
    )
    said = await ask(front)
    assert said.status == 200
    assert said.headers["x-waypost-deployment"] == "nomic#2"
    alone = await serve(entry("nomic", gone), entry("other", engine.base_url, "bge-m3"), **fallbacks)
    refused = await ask(alone)
    assert (refused.status, refused.error["code"]) == (502, "provider_unreachable")
    assert [attempt["deployment"] for attempt in (await alone.row())["attempts"]] == ["nomic"]


async def test_a_chat_model_and_auto_are_asked_for_no_vectors_and_an_embedding_model_for_no_words(
    serve: Serve, engine: Ollama
) -> None:
    front = await serve(entry("nomic", engine.base_url), entry("chatty", engine.base_url, "chatty", mode="chat"))
    for model in ("chatty", "auto"):
        refused = await ask(front, model)
        assert (refused.status, refused.error["code"]) == (400, "missing_capability")
    words = await front.ask({"model": "nomic", "messages": [{"role": "user", "content": "hi"}]}, path="/api/chat")
    assert (words.status, "does not answer chats" in json.loads(words.body)["error"]) == (400, True)
    assert engine.requests == []
    unknown = await ask(front, "nope", "/api/embed")
    assert (unknown.status, json.loads(unknown.body)["error"].startswith("model 'nope' not found")) == (404, True)


ANSWERS: dict[str, Any] = {
    "one of two": {"data": [{"index": 0, "embedding": [1.0]}]},
    "no numbers": {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [None]}]},
    "empty": {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}]},
    "the same twice": {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
    "a chat": {"choices": []},
    "html": "<html>",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_row_11_what_is_no_vector_for_each_input_is_a_failure(serve: Serve, answer: Any) -> None:
    async with answering(answer) as url:
        front = await serve(entry("nomic", url))
        said = await ask(front)
        assert (said.status, said.error["code"]) == (502, "provider_protocol_error")


async def test_vectors_that_come_in_another_order_are_put_in_order_and_uncounted_tokens_are_estimated(serve: Serve) -> None:
    async with answering({"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]}) as url:
        front = await serve(entry("nomic", url))
        answer = json.loads((await ask(front)).body)
        assert [item["embedding"] for item in answer["data"]] == [[1.0], [2.0]]
        assert "usage" not in answer
        row = await front.row()
        assert (row["usage_estimated"], row["prompt_tokens"] > 0) == (True, True)


async def test_row_08_an_input_that_is_too_long_is_told_as_such(serve: Serve) -> None:
    error = {"error": {"message": "input is too large to process. increase the physical batch size", "code": 500}}
    async with answering(error, status=500) as url:
        front = await serve(entry("nomic", url))
        said = await ask(front)
        assert (said.status, said.error["code"]) == (400, "context_length_exceeded")


class answering:  # noqa: N801 -- it stands for a function
    """An engine that gives one answer to everything."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        async def reply(request: web.Request) -> web.Response:
            return web.json_response(answer, status=status) if isinstance(answer, dict) else web.Response(text=answer)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", reply)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
