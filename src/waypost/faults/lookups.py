"""What faultd tells about itself: the metadata that gateways look up, and its own ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from waypost.faults.exchange import Hit
from waypost.faults.faults import FAULTS

HITS_PATH = "/_faultd/hits"
_VERSION = {"version": "0.0.0-faultd"}
# A gateway that is tried out may send real keys; the ledger says that there was one, not which.
_SECRET = ("authorization", "x-api-key", "api-key", "cookie")


def looked_up(method: str, path: str, hits: list[Hit], models: Sequence[str]) -> tuple[int, dict[str, Any]] | None:
    """Status and body for a request that asks for no answer of a model; ``None`` if it asks for one.

    ``models`` are listed beside the plain names of faults: a gateway may take a model that its engine does not list for
    missing.
    ``DELETE /_faultd/hits`` empties the ledger.
    """
    path = path.partition("?")[0].rstrip("/")
    if path == HITS_PATH:
        if method == "DELETE":
            hits.clear()
        return 200, {"hits": [told(hit) for hit in hits]}
    if path == "/api/show":
        return 200, {"details": {"family": "faultd"}, "model_info": {}, "capabilities": ["completion", "tools"]}
    if method != "GET":
        return None
    return 200 if (body := _metadata(path, models)) is not None else 404, body or {"error": {"message": "no such path"}}


def told(hit: Hit) -> dict[str, Any]:
    """A hit as JSON: no secrets, and ``left_after_s`` for how long the client stayed, ``null`` if it stayed to the end."""
    headers = {name: "set" if name in _SECRET else value for name, value in hit.headers.items()}
    return {
        "model": hit.model,
        "dialect": hit.dialect,
        "path": hit.path,
        "headers": headers,
        "body": hit.body,
        "connection": hit.connection,
        "at_s": hit.at_s,
        "left_after_s": None if hit.left_at_s is None else hit.left_at_s - hit.at_s,
        "sent": hit.sent,
    }


def written(status: int, body: dict[str, Any]) -> bytes:
    """The whole response."""
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d Status\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(text), text)


def _metadata(path: str, models: Sequence[str]) -> dict[str, Any] | None:
    names = [*sorted(FAULTS), *models]
    answers: dict[str, dict[str, Any]] = {
        "/v1/models": {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "faultd"} for name in names]},
        "/api/tags": {"models": [{"name": name, "model": name, "details": {"family": "faultd"}} for name in names]},
        "/api/ps": {"models": []},
        "/api/version": _VERSION,
    }
    return answers.get(path)
