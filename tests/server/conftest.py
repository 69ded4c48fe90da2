"""The fault server, and Waypost's server in front of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from front import Front, Serve, entry

from waypost.faults.faultd import Faultd


@pytest.fixture
async def serve(faultd: Faultd) -> AsyncIterator[Serve]:
    """Starts a server whose deployments are faults, or entries of a model list: ``serve("ok", server={…})``."""
    async with AsyncExitStack() as stack:

        async def begin(*models: str | dict[str, Any], clock: Callable[[], float] = time.monotonic, **config: Any) -> Front:
            listed = [entry(model, faultd) if isinstance(model, str) else model for model in models]
            front = await Front(faultd, listed, config, clock).started()
            stack.push_async_callback(front.stop)
            return front

        yield begin
