"""LiteLLM as this process has it: loaded late, and bent where it has no switch. Only its lane uses this."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

_connect_s: ContextVar[float | None] = ContextVar("connect_s", default=None)


class RedirectRefused(Exception):
    """A server answered with a redirect, which might carry the prompt and the key elsewhere."""


def load() -> Any:
    """Imports LiteLLM, and what it would otherwise load during the first calls: it answers twice without a network."""
    # Before the import: without it, LiteLLM fetches its price table from the network.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Its errors would ask to be filed as bugs, at an address that tells the versions here.
    os.environ["LITELLM_DISABLE_BUG_REPORT_LINK"] = "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litellm: Any = importlib.import_module("litellm")
        # Its debug log holds prompts and keys, its info log a line for each call.
        logging.getLogger("LiteLLM").setLevel(logging.WARNING)
        litellm.suppress_debug_info = True
        litellm.disable_aiohttp_trust_env = True
        _bend_transport()
        _bend_triton()
        importlib.import_module("openai.resources.chat.completions")
        ask = {"model": "hosted_vllm/none", "messages": [{"role": "user", "content": "hi"}], "mock_response": "hi"}
        litellm.completion(**ask)
        list(litellm.completion(**ask, stream=True))
    return litellm


@contextlib.contextmanager
def connecting_within(seconds: float) -> Iterator[None]:
    """What LiteLLM connects to inside must accept within ``seconds``; its own ``timeout`` is one number for everything.

    Most of its providers take no ``httpx.Timeout``, so this goes past them, to the transport.
    """
    before = _connect_s.set(seconds)
    try:
        yield
    finally:
        _connect_s.reset(before)


async def close_connections(loop: asyncio.AbstractEventLoop) -> None:
    """Closes what LiteLLM has opened in ``loop``; it opens anew at the next call. Other loops may be in the middle of calls."""
    for session in list(_transport_module().LiteLLMAiohttpTransport.sessions.pop(loop, ())):
        await session.close()


def _transport_module() -> Any:
    return importlib.import_module("litellm.llms.custom_httpx.aiohttp_transport")


def _bend_triton() -> None:
    """Makes an error in the middle of a Triton's stream one: LiteLLM takes it for a piece of text that is empty."""
    module: Any = importlib.import_module("litellm.llms.triton.completion.transformation")
    iterator: Any = module.TritonResponseIterator
    if iterator.__module__ != module.__name__:
        return

    class StrictIterator(iterator):  # type: ignore[misc]
        def chunk_parser(self, chunk: dict[str, Any]) -> Any:
            if chunk.get("error"):
                raise module.TritonError(status_code=500, message=str(chunk["error"]))
            return super().chunk_parser(chunk)

    module.TritonResponseIterator = StrictIterator


def _bend_transport() -> None:
    """Makes the transport of all of LiteLLM's asynchronous clients refuse redirects, keep the time to connect, and tell which
    sessions it has opened in which event loop: LiteLLM keeps them in several places.
    """
    module = _transport_module()
    transport: Any = module.LiteLLMAiohttpTransport
    if hasattr(transport, "sessions"):
        return

    class StrictTransport(transport):  # type: ignore[misc]
        sessions: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[Any]]] = WeakKeyDictionary()

        def _rebuild_session(self) -> Any:
            session = super()._rebuild_session()
            self.sessions.setdefault(asyncio.get_running_loop(), WeakSet()).add(session)
            return session

        async def handle_async_request(self, request: Any) -> Any:
            seconds = _connect_s.get()
            if seconds is not None:
                timeout = {**request.extensions.get("timeout", {}), "connect": seconds}
                request.extensions = {**request.extensions, "timeout": timeout}
            response = await super().handle_async_request(request)
            if 300 <= response.status_code < 400:
                await response.aclose()
                raise RedirectRefused
            return response

    module.LiteLLMAiohttpTransport = StrictTransport
