"""Where a request goes, and the head that it goes with."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from waypost._version import __version__
from waypost.http.pool import Origin

_PATH_MARKS = "/:@!$&'()*+,;=~%-._"
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Target(NamedTuple):
    """``head`` is the head of a request, up to where a header for its body, or the empty line, follows."""

    origin: Origin
    head: bytes

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str], *, below: str = "") -> Target:
        """A request to ``url``, or to the path ``below`` that of the ``url``. Name and password of a URL are sent with it.

        Given headers replace those that every request has. Raises ``ValueError`` for a URL or a header that cannot be sent.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no http address")
        tls = parts.scheme == "https"
        host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
        origin = Origin(host, parts.port or (443 if tls else 80), tls)
        ours = {
            "Host": parts.netloc.rpartition("@")[2] if ":" in host else host + (f":{parts.port}" if parts.port else ""),
            "User-Agent": f"waypost/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            ours["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        path = quote(parts.path.rstrip("/") + below if below else parts.path or "/", safe=_PATH_MARKS)
        query = f"?{quote(parts.query, safe=_PATH_MARKS + '?')}" if parts.query else ""
        lines = [f"{method} {path}{query} HTTP/1.1", *(f"{name}: {value}" for name, value in over(ours, headers).items())]
        if any(_UNFIT.search(line) for line in lines):
            raise ValueError("a header with a line end")
        return cls(origin, "\r\n".join([*lines, ""]).encode("latin-1"))


def over(headers: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """The headers, with the others in their place or beside them, however their names are written."""
    replaced = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(others)
