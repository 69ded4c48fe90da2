"""Real parts for every test: llama.cpp engines with scripted models, and Waypost itself as a process."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from engines.environments import how_to_get, python_of
from engines.gateway import fleet_config, start_waypost, stop_clean
from engines.llamacpp import LlamaCpp, start_llamacpp
from engines.process import ServerProcess
from engines.triton import start_triton
from waypost.faults.faultd import Faultd

StartLlamaCpp = Callable[..., LlamaCpp]
ServeWaypost = Callable[..., ServerProcess]


def pytest_configure() -> None:
    """What a shell starts in the background ignores interrupts, and so would commands that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models of this session and the logs of their servers are."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="session")
def llamacpp(engine_folder: Path) -> Iterator[LlamaCpp]:
    """A real llama.cpp server whose model is ``alpha``."""
    engine = start_llamacpp(engine_folder, "alpha")
    yield engine
    engine.kill()


@pytest.fixture(scope="session")
def llamacpp_beta(engine_folder: Path) -> Iterator[LlamaCpp]:
    """A second one, ``beta``: an answer says which of the two gave it."""
    engine = start_llamacpp(engine_folder, "beta")
    yield engine
    engine.kill()


@pytest.fixture(scope="session")
def triton(engine_folder: Path) -> Iterator[ServerProcess]:
    """A real Triton without an OpenAI-compatible frontend, with the model ``ensemble``."""
    environment = python_of("triton")
    if environment is None:
        pytest.skip(how_to_get("triton"))
    server = start_triton(engine_folder, environment)
    yield server
    server.stop()


@pytest.fixture(name="start_llamacpp")
def start_llamacpp_fixture(tmp_path: Path) -> Iterator[StartLlamaCpp]:
    """Starts an engine that one test may slow down or crash: the arguments of ``engines.llamacpp.start_llamacpp``."""
    with ExitStack() as stack:

        def begin(name: str, **options: Any) -> LlamaCpp:
            engine = start_llamacpp(tmp_path, name, **options)
            stack.callback(engine.kill)
            return engine

        yield begin


@pytest.fixture(scope="session")
def waypost_config(tmp_path_factory: pytest.TempPathFactory, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp) -> dict[str, Any]:
    """The fleet of the tests: ``beta`` for ``tool_calling`` and its alias ``zoe-action``, ``alpha`` for everything else."""
    engines = {engine.model: engine.base_url for engine in (llamacpp, llamacpp_beta)}
    return fleet_config(tmp_path_factory.mktemp("ledger"), engines)


@pytest.fixture
def waypost_server(tmp_path: Path) -> Iterator[ServeWaypost]:
    """Serves a config with the real server: ``waypost_server(config, arguments=[…])``. Each is held to a clean exit."""
    with ExitStack() as stack:

        def serve(config: Mapping[str, Any], **options: Any) -> ServerProcess:
            server = start_waypost(Path(mkdtemp(dir=tmp_path)), config, **options)
            stack.callback(stop_clean, server)
            return server

        yield serve


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, waypost_config: dict[str, Any]) -> Iterator[ServerProcess]:
    """One real Waypost in front of ``alpha`` and ``beta`` for the whole session."""
    server = start_waypost(tmp_path_factory.mktemp("waypost"), waypost_config)
    yield server
    stop_clean(server)


@pytest.fixture
def deaf_url() -> Iterator[str]:
    """The address of a host that drops packets: a port whose queue of connections is full, so that no other one is accepted."""
    with ExitStack() as stack:
        port = stack.enter_context(socket.socket())
        port.bind(("127.0.0.1", 0))
        port.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(port.getsockname())
        yield f"http://127.0.0.1:{port.getsockname()[1]}/v1"


@pytest.fixture
async def faultd() -> AsyncIterator[Faultd]:
    server = Faultd()
    await server.start()
    yield server
    await server.stop()
