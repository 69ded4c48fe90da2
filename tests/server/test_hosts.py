"""A page elsewhere cannot use a name of its own to reach a server on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from waypost.server.hosts import HostGate

Message = dict[str, Any]


def status_for(host: str, origin: str | None = None) -> int:
    sent: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    scope = {"type": "http", "path": "/v1/models", "headers": headers}
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


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8080", "https://box.lan", "http://[::1]:4100"])
def test_pages_of_this_machine_and_listed_ones_may_use_a_browser(origin: str) -> None:
    assert status_for("127.0.0.1:4100", origin) == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://203.0.113.5", "null", "", "http://localhost.evil.example"])
def test_a_form_on_another_site_cannot_reach_the_server(origin: str) -> None:
    assert status_for("127.0.0.1:4100", origin) == 403
