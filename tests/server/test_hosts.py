"""A page elsewhere cannot use a name of its own to reach a server on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from waypost.server.hosts import HostGate

Message = dict[str, Any]


def status_for(host: str) -> int:
    sent: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"host", host.encode())]}
    asyncio.run(HostGate(app, ["box.lan"])(scope, lambda: None, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:4100", "127.0.0.1:4100", "[::1]:4100", "192.168.1.5", "box.lan:80", ""]
)
def test_addresses_localhost_and_listed_names_pass(host: str) -> None:
    assert status_for(host) == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "x/health?", "127.0.0.1.evil.example"])
def test_row_60_any_other_name_is_refused(host: str) -> None:
    assert status_for(host) == 403
