"""Clients of the session's server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest
from openai import AsyncOpenAI, OpenAI

from clients.connection import connect, connect_async
from engines.environments import how_to_get, python_of
from engines.gateway import fleet_config, start_waypost, stop_clean
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess
from engines.transformers_serve import start_transformers


@pytest.fixture
def client(gateway: ServerProcess) -> Iterator[OpenAI]:
    with connect(gateway) as opened:
        yield opened


@pytest.fixture
async def async_client(gateway: ServerProcess) -> AsyncIterator[AsyncOpenAI]:
    async with connect_async(gateway) as opened:
        yield opened


class Front(NamedTuple):
    """Waypost in front of engines: ``model`` is what to ask for; all of them call themselves ``alpha``."""

    base_url: str
    model: str


@pytest.fixture(scope="session")
def sloppy_gateway(tmp_path_factory: pytest.TempPathFactory, llamacpp: LlamaCpp) -> Iterator[ServerProcess]:
    """Waypost in front of `transformers serve` (``sloppy``) and of llama.cpp (``alpha``), which its routes ask second."""
    environment = python_of("transformers")
    if environment is None:
        pytest.skip(how_to_get("transformers"))
    folder = tmp_path_factory.mktemp("sloppy")
    sloppy, model = start_transformers(folder, environment, "alpha")
    try:
        config = fleet_config(folder, {"sloppy": sloppy.base_url, "alpha": llamacpp.base_url})
        config["model_list"][0]["litellm_params"]["model"] = f"openai/{model}"
        server = start_waypost(folder, config)
        yield server
        stop_clean(server)
    finally:
        sloppy.kill()


@pytest.fixture(params=["llama.cpp", "transformers", "transformers, then llama.cpp"])
def front(request: pytest.FixtureRequest) -> Front:
    if request.param == "llama.cpp":
        return Front(request.getfixturevalue("gateway").base_url, "alpha")
    server = request.getfixturevalue("sloppy_gateway")
    return Front(server.base_url, "sloppy" if request.param == "transformers" else "chat")
