"""Addresses of engines in a config: whether they can be one, whether they are ours, and what in them is secret."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from waypost.addresses import is_ours


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's address without credentials. ``authorization`` is the header that a user and password in it stand for."""

    url: str
    local: bool
    authorization: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address | None:
    """The address, or ``None`` if it is not one that can be called."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    place = f"[{host}]" if ":" in host else host
    netloc = place if port is None else f"{place}:{port}"
    url = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), parts.query, ""))
    return Address(url, is_ours(host), authorization)


def without_query(url: str) -> str:
    """The address as it may be shown: some providers take a key in the query."""
    return url.partition("?")[0]
