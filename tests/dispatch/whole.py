"""A client of a whole router in front of faultd, with a clock of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import yaml

from waypost.config import loads
from waypost.errors import WaypostError
from waypost.faults.faultd import Faultd
from waypost.router import Router
from waypost.server.app import create_app


class Client:
    """Asks a router, and keeps its clock: time passes only when told to."""

    def __init__(self, faultd: Faultd, entries: list[dict[str, Any]], blocks: dict[str, Any]) -> None:
        self.faultd = faultd
        self.now = 1000.0
        config = {"model_list": entries, "ledger": {"enabled": False}, "discovery": {"enabled": False}, **blocks}
        self.router = Router(loads(yaml.safe_dump(config), env={}), clock=lambda: self.now)

    async def ask(self, text: str = "hi", *, stream: bool = False, **params: Any) -> str | WaypostError:
        """The text of the answer, or the error."""
        messages = params.pop("messages", [{"role": "user", "content": text}])
        try:
            if not stream:
                reply = await self.router.acompletion(messages=messages, **params)
                return str(reply.choices[0].message.content)
            said = ""
            async for chunk in await self.router.acompletion(messages=messages, stream=True, **params):
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
        except WaypostError as error:
            return error
        return said

    @property
    def entry(self) -> dict[str, Any]:
        """The latest ledger entry, with its attempts."""
        [latest] = self.router.ledger.tail(1)
        entry = self.router.ledger.get(latest["id"])
        assert entry is not None
        return entry

    @property
    def attempts(self) -> list[tuple[str, str | None]]:
        """Deployment and error of each attempt of the latest request."""
        return [(attempt["deployment"], attempt["error"]) for attempt in self.entry["attempts"]]

    async def post(self, text: str = "hi", **fields: Any) -> httpx.Response:
        """The same over HTTP."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        async with self.http() as http:
            return await http.post("/v1/chat/completions", json=body)

    async def get(self, path: str) -> httpx.Response:
        """What the server says of itself."""
        async with self.http() as http:
            return await http.get(path)

    def http(self) -> httpx.AsyncClient:
        """A connection to the server around the router, without a network."""
        app = create_app(self.router, _nothing, host="127.0.0.1")
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


MakeClient = Callable[..., Client]


def entry(faultd: Faultd, model: str, name: str | None = None, info: dict[str, Any] | None = None, **params: Any) -> Any:
    """An entry of a model list: an engine of faultd that fails with ``model``."""
    base = {"model": f"openai/{model}", "api_base": faultd.base_url, "api_key": "none"}
    return {"model_name": name or model, "litellm_params": {**base, **params}, "model_info": info or {}}
