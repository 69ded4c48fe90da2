"""One model, many ways to ask for it: an Ollama behind Waypost loads it once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from front import Serve, chat

from servers.ollama_server import Ollama, OllamaModel, in_thread

# LiteLLM uses what pydantic deprecates, in every call.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def ollama() -> Iterator[Ollama]:
    with in_thread(OllamaModel("qwen3:8b", load_s=40, capabilities=("completion", "thinking"))) as running:
        yield running


def entry(name: str, ollama: Ollama, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": "ollama_chat/qwen3:8b", "api_base": ollama.url, **params}}


async def test_two_clients_with_different_windows_cause_no_reload(serve: Serve, ollama: Ollama) -> None:
    front = await serve(entry("qwen", ollama, num_ctx=4096))
    for num_ctx in (8192, 2048, 8192, 2048):
        body = chat("qwen", num_ctx=num_ctx, keep_alive=-1, options={"num_ctx": num_ctx, "num_gpu": 7})
        said = await front.ask(body, "x-waypost-card: true")
        assert said.status == 200, said.body
        assert json.loads(said.body)["waypost"]["ignored"] == [
            "keep_alive: -1 (how a model is loaded is for the config to say)",
            f"num_ctx: {num_ctx} (this model is loaded with 4096)",
            "num_gpu: 7 (how a model is loaded is for the config to say)",
        ]
    assert (len(ollama.loads), ollama.reloads) == (1, [])
    assert {run.options["num_ctx"] for run in ollama.runs} == {4096}


async def test_variants_and_routes_of_the_same_weights_cause_no_reload(serve: Serve, ollama: Ollama) -> None:
    front = await serve(
        entry("calm", ollama, num_ctx=4096, temperature=0.1, repeat_penalty=1.1),
        entry("wild", ollama, num_ctx=2048, temperature=0.9, top_k=99, think=False),
        routes={
            "chat": {"candidates": ["calm"], "settings": {"temperature": 0.7, "num_ctx": 8192}},
            "reasoning": {"candidates": ["wild"], "settings": {"think": True, "min_p": 0.1, "num_predict": 50}},
        },
    )
    for model in ("calm", "wild", "chat", "reasoning", "calm"):
        assert (await front.ask(chat(model))).status == 200
    assert (len(ollama.loads), ollama.reloads) == (1, [])
    assert {run.options["num_ctx"] for run in ollama.runs} == {8192}
    assert [run.options["temperature"] for run in ollama.runs] == [0.1, 0.9, 0.7, 0.9, 0.1]
    thinks = [request.body.get("think") for request in ollama.asked("/api/chat")]
    assert thinks == [None, False, None, True, None]


async def test_a_policy_may_let_clients_load_models_their_way(serve: Serve, ollama: Ollama) -> None:
    front = await serve(entry("qwen", ollama, num_ctx=4096), policy={"client_load_options": "allow"})
    for num_ctx in (4096, 8192, 4096):
        assert (await front.ask(chat("qwen", num_ctx=num_ctx))).status == 200
    assert [load.options.num_ctx for load in ollama.loads] == [4096, 8192, 4096]
