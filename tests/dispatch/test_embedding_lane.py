"""The lane of embeddings, in Ollama's own words and through LiteLLM."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from desk import KEY, LITELLM_WARNS

from samples import deployment
from servers.ollama_server import Ollama, OllamaModel, serve
from waypost.dispatch.events import Call, Event
from waypost.dispatch.lanes.embedding import EmbeddingLane
from waypost.dispatch.lanes.litellm import LiteLlmLane
from waypost.errors import ProviderContextTooLong, ProviderProtocolError, ProviderRejected
from waypost.fleet.deployment import Deployment
from waypost.secret import Secret


@pytest.fixture
async def engine() -> AsyncIterator[Ollama]:
    async with serve(OllamaModel("embedder", capabilities=("embedding",))) as ollama:
        yield ollama


@pytest.fixture
async def lane() -> AsyncIterator[EmbeddingLane]:
    library = LiteLlmLane()
    made = EmbeddingLane(library)
    yield made
    await made.close()
    await library.close()


async def ask(lane: EmbeddingLane, where: Deployment, **body: Any) -> Event:
    call = Call(where, {"model": where.model, "input": ["a", "bb"], **body})
    async with aclosing(lane.events(call)) as events:
        [event] = [event async for event in events]
    return event


def vectors(event: Event) -> list[list[float]]:
    return [item["embedding"] for item in orjson.loads(event.payload)["data"]]


async def test_ollama_is_asked_at_its_own_path_and_told_to_cut_nothing(lane: EmbeddingLane, engine: Ollama) -> None:
    where = deployment("embedder", lane="ollama", api_base=engine.url, mode="embedding")
    event = await ask(lane, where, num_ctx=512, keep_alive="5m", user="anna")
    assert [len(vector) for vector in vectors(event)] == [4, 4]
    assert event.usage is not None
    assert event.usage.prompt_tokens
    assert event.timings is not None
    assert event.timings.load_s
    [request] = engine.asked("/api/embed")
    assert request.body == {
        "model": "embedder",
        "input": ["a", "bb"],
        "keep_alive": "5m",
        "truncate": False,
        "options": {"num_ctx": 512},
    }


async def test_an_input_that_ollama_would_cut_is_refused(lane: EmbeddingLane, engine: Ollama) -> None:
    where = deployment("embedder", lane="ollama", api_base=engine.url, mode="embedding")
    with pytest.raises(ProviderContextTooLong):
        await ask(lane, where, input="x" * 4000, num_ctx=8)


async def test_a_model_that_is_not_there_is_told(lane: EmbeddingLane, engine: Ollama) -> None:
    where = deployment("absent", lane="ollama", api_base=engine.url, mode="embedding")
    with pytest.raises(ProviderProtocolError):
        await ask(lane, where)


async def test_a_simulated_deployment_makes_no_vectors(lane: EmbeddingLane) -> None:
    with pytest.raises(ProviderRejected):
        await ask(lane, deployment("s", lane="simulated", provider="simulated"))


@LITELLM_WARNS
async def test_litellm_gives_the_same_vectors(lane: EmbeddingLane, engine: Ollama) -> None:
    direct = await ask(lane, deployment("embedder", api_base=engine.base_url, mode="embedding"))
    known: dict[str, Any] = {
        "lane": "litellm",
        "provider": "openai_like",
        "api_base": engine.base_url,
        "api_key": Secret(KEY, ""),
    }
    through = await ask(lane, deployment("embedder", **known))
    assert vectors(through) == vectors(direct)
    assert through.usage == direct.usage
    with pytest.raises(ProviderProtocolError):
        await ask(lane, deployment("absent", **known))
