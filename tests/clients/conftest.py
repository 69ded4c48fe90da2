"""Clients of the session's server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

from clients.connection import connect, connect_async
from engines.process import ServerProcess


@pytest.fixture
def client(gateway: ServerProcess) -> Iterator[OpenAI]:
    with connect(gateway) as opened:
        yield opened


@pytest.fixture
async def async_client(gateway: ServerProcess) -> AsyncIterator[AsyncOpenAI]:
    async with connect_async(gateway) as opened:
        yield opened
