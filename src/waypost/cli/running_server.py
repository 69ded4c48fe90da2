"""The server that runs with a config, for commands that ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from waypost.config import Config

# A server on this machine answers a question without an engine in milliseconds.
_LISTING_S = 5.0
_MOST_BYTES = 16 << 20


def address_of(config: Config) -> str:
    """Where a server with this config answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.server.host, config.server.host)  # noqa: S104 - nothing is bound
    return f"http://[{host}]:{config.server.port}" if ":" in host else f"http://{host}:{config.server.port}"


async def deployments_of(url: str) -> list[dict[str, Any]] | None:
    """The deployments of a running Waypost, as ``GET /v1/models`` has them; ``None`` where none answers."""
    from waypost.http.session import FAILURES, HttpSession, read_up_to

    try:
        async with (
            HttpSession() as session,
            session.ask("GET", f"{url.rstrip('/')}/v1/models", timeout_s=_LISTING_S) as answer,
        ):
            rows = orjson.loads(await read_up_to(answer, _MOST_BYTES))["data"]
        return [row for row in rows if row["waypost"]["kind"] == "deployment"]
    except (*FAILURES, KeyError, TypeError):
        return None
