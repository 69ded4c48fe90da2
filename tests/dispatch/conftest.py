"""The fault server and the desk in front of it, for every test of dispatch."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from desk import Desk
from whole import Client, MakeClient, entry

from waypost.faults.faultd import Faultd


@pytest.fixture
def refused_url() -> str:
    """The address of a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


@pytest.fixture
async def desk(faultd: Faultd) -> AsyncIterator[Desk]:
    made = Desk(faultd)
    yield made
    await made.dispatcher.close()
    made.assert_idle()


@pytest.fixture
async def client_of(faultd: Faultd) -> AsyncIterator[MakeClient]:
    """Makes a client: names of faults, or entries of a model list, then blocks of the config."""
    async with AsyncExitStack() as stack:

        def make(*models: str | dict[str, Any], **blocks: Any) -> Client:
            entries = [model if isinstance(model, dict) else entry(faultd, model) for model in models]
            names = [one["model_name"] for one in entries]
            made = Client(faultd, entries, {"routes": {"chat": names}, **blocks})
            stack.push_async_callback(made.router.aclose)
            return made

        yield make
