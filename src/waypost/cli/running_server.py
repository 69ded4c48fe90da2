"""The server that runs with a config, for commands that ask it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waypost.config import Config

# A server on this machine answers a question without an engine in milliseconds.
_LISTING_S = 5.0


def address_of(config: Config) -> str:
    """Where a server with this config answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.server.host, config.server.host)  # noqa: S104 - nothing is bound
    return f"http://[{host}]:{config.server.port}" if ":" in host else f"http://{host}:{config.server.port}"


async def deployments_of(url: str) -> list[dict[str, Any]] | None:
    """The deployments of a running Waypost, as ``GET /v1/models`` has them; ``None`` where none answers."""
    import aiohttp

    wait = aiohttp.ClientTimeout(total=_LISTING_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=wait) as session,
            session.get(f"{url.rstrip('/')}/v1/models") as answer,
        ):
            rows = (await answer.json())["data"]
        return [row for row in rows if row["waypost"]["kind"] == "deployment"]
    except (aiohttp.ClientError, asyncio.TimeoutError, ValueError, KeyError, TypeError):
        return None
