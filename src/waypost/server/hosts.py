"""Which names this server answers to.

A web page on another site can point a name of its own at 127.0.0.1 and talk to a server there with the visitor's browser (DNS
rebinding). An address cannot be rebound, so addresses and ``localhost`` are always fine; any other name must be listed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from waypost.dialects.openai import error_body
from waypost.errors import HostRefused
from waypost.server.reply import send_json


class HostGate:
    """Refuses requests whose ``Host`` is neither an address nor ``localhost`` nor in ``allowed`` (``server.allowed_hosts``)."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 403."""
        if scope["type"] == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            if not self._fine(host.decode("latin-1")):
                error = HostRefused("this server does not answer to that host name: list it under server.allowed_hosts")
                await send_json(send, error.status, error_body(error))
                return
        await self._app(scope, receive, send)

    def _fine(self, host: str) -> bool:
        name = host.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") < 2:
            name = name.partition(":")[0]
        if name in ("", "localhost") or name.endswith(".localhost") or name in self._allowed:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
