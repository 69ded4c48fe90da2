"""openai-python with nothing changed but its address."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from engines.process import ServerProcess

# No retries: a test sees the first answer. No proxy of the environment: everything is on loopback.
SETTINGS: dict[str, Any] = {"api_key": "none", "max_retries": 0, "timeout": 60}


def connect(server: ServerProcess) -> OpenAI:
    return OpenAI(base_url=server.base_url, http_client=DefaultHttpxClient(trust_env=False), **SETTINGS)


def connect_async(server: ServerProcess) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, http_client=DefaultAsyncHttpxClient(trust_env=False), **SETTINGS)
