"""Clients that want vectors, in front of a real engine that makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import ollama
import openai
import pytest

from clients.connection import connect
from engines.gateway import start_waypost, stop_clean
from engines.llamacpp import start_llamacpp
from engines.process import ServerProcess

ServeWaypost = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = Path(mkdtemp(dir=tmp_path_factory.mktemp("embedding")))
    engine = start_llamacpp(folder, "embedder", embedding=True)
    try:
        params = {"model": "openai/embedder", "api_base": engine.base_url}
        served = start_waypost(
            folder,
            {
                "model_list": [{"model_name": "embedder", "litellm_params": params, "model_info": {"mode": "embedding"}}],
                "routes": {"search": {"candidates": ["embedder"]}},
                "ledger": {"path": str(folder / "ledger.db")},
            },
        )
        yield served
        stop_clean(served)
    finally:
        engine.kill()


def test_openais_client_gets_vectors_packed_and_as_numbers(server: ServerProcess) -> None:
    with connect(server) as client:
        packed = client.embeddings.create(model="embedder", input=["hello", "good morning"])
        plain = client.embeddings.create(model="search", input="hello", encoding_format="float")
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="embedder", input="zq " * 4000)
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="auto", input="hello")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    assert len(packed.data) == 2
    assert packed.usage.prompt_tokens > plain.usage.prompt_tokens > 0


def test_ollamas_client_gets_the_same(server: ServerProcess) -> None:
    with closing(ollama.Client(server.url, trust_env=False)) as client:
        _ask(client)


def _ask(client: ollama.Client) -> None:
    vectors = client.embed("embedder", ["hello", "good morning"])
    assert len(vectors.embeddings) == 2
    assert client.embed("search:latest", "hello").embeddings[0] == pytest.approx(vectors.embeddings[0])
    assert client.embeddings("embedder", "hello").embedding == pytest.approx(vectors.embeddings[0])
    assert client.show("embedder").capabilities == ["embedding"]
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat("embedder", [{"role": "user", "content": "hello"}])
    assert caught.value.status_code == 400
