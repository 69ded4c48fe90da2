"""Which names this server answers to, and which pages may use a visitor's browser to reach it.

A web page on another site can point a name of its own at 127.0.0.1 and talk to a server there (DNS rebinding), or simply send a
form to it. An address cannot be rebound, so as a ``Host`` addresses and ``localhost`` are always fine; any other name must be
listed. A browser names the page's own site in ``Origin``: that must be this machine or be listed.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from waypost.errors import HostRefused
from waypost.server.reply import send_json
from waypost.server.spoken import spoken_at

# A path or a query in here would end up in what is read of the address (CVE-2026-48710).
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]*))(?::[0-9]{0,5})?")


class HostGate:
    """Refuses requests whose ``Host`` or ``Origin`` is a site that is not ours; ``allowed`` is ``server.allowed_hosts``."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed}
        self._admits = functools.lru_cache(256)(self._decide)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 403."""
        if scope["type"] == "http":
            headers: dict[bytes, bytes] = dict(scope["headers"])
            if not self._admits(headers.get(b"host", b""), headers.get(b"origin")):
                error = HostRefused("this server does not answer to that site: list its name under server.allowed_hosts")
                await send_json(send, error.status, spoken_at(scope["path"]).error_body(error))
                return
        await self._app(scope, receive, send)

    def _decide(self, host: bytes, origin: bytes | None) -> bool:
        name = _name(host.decode("latin-1"))
        page = None if origin is None else _name(origin.decode("latin-1").partition("://")[2])
        return bool((self._is_ours(name) or name == "" or _address(name)) and (page is None or self._is_ours(page)))

    def _is_ours(self, name: str) -> bool:
        address = _address(name)
        loopback = address is not None and address.is_loopback
        return loopback or name == "localhost" or name.endswith(".localhost") or name in self._allowed


def _name(authority: str) -> str:
    """The host of ``host:port``, in lower case and without brackets. What is neither is ``?``, which nobody is called."""
    read = _AUTHORITY.fullmatch(authority.lower())
    return "?" if read is None else read[1] or read[2]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
