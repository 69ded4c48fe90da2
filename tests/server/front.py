"""Waypost's real server in the test's own event loop, before faultd: so that tasks, memory and connections can be counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
import yaml
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from waypost.config import loads
from waypost.faults.faultd import Faultd
from waypost.ledger import MemoryLedger
from waypost.router import Router
from waypost.server.app import create_app
from waypost.server.run import open_socket, settings

PATIENT = {"connect_s": 30, "first_byte_s": 60, "idle_s": 60, "total_s": 60}


def entry(fault: str, faultd: Faultd, lane: str = "hosted_vllm", **params: Any) -> dict[str, Any]:
    """A deployment of faultd that fails with ``fault``, under that name; ``lane`` is the provider that leads to a lane."""
    at = {} if lane == "simulated" else {"api_base": faultd.base_url, "api_key": "os.environ/FAULTD_KEY"}
    return {"model_name": fault, "litellm_params": {"model": f"{lane}/{fault}", **at, **params}}


def chat(model: str = "ok", text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def request(body: Any, *headers: str, path: str = "/v1/chat/completions", host: str = "localhost") -> bytes:
    """The bytes of a whole POST."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json", f"content-length: {len(raw)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + raw


@dataclass
class Said:
    """An answer as it came over the wire."""

    raw: bytes

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")[1:]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        body = self.raw.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return body
        plain = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            plain += body[: int(size, 16)]
            body = body[int(size, 16) + 2 :]
        return plain

    @property
    def error(self) -> dict[str, Any]:
        """The error, which has OpenAI's shape."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    @property
    def events(self) -> list[str]:
        return [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line.startswith("data: ")]


class Front:
    """The server, what is behind it and what it wrote down."""

    def __init__(
        self,
        faultd: Faultd,
        models: list[dict[str, Any]],
        config: Mapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.faultd = faultd
        given = {
            "model_list": models,
            "policy": {"timeouts": PATIENT},
            "discovery": {"enabled": False},
            "environment_variables": {"FAULTD_KEY": "sk-waypost-test-key-1234"},
            **config,
            "server": {"shutdown_s": 1, **config.get("server", {})},
        }
        self.ledger = MemoryLedger()
        self.router = Router(loads(yaml.safe_dump(given), name="test"), ledger=self.ledger, clock=clock)
        self._socket = open_socket("127.0.0.1", 0, unsafe=False)
        self.port: int = self._socket.getsockname()[1]
        app = create_app(self.router, _nothing_beside, host="127.0.0.1")
        self._server = uvicorn.Server(settings(app, self.router.config))
        self._serving = asyncio.create_task(self._server._serve(sockets=[self._socket]))

    async def started(self) -> Front:
        await until(lambda: self._server.started, within_s=10)
        return self

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving

    def close_idle_after(self, seconds: int) -> None:
        """What connections that come from now on may wait for another request."""
        self._server.config.timeout_keep_alive = seconds

    async def open(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, **options)

    async def ask(self, body: Any, *headers: str, path: str = "/v1/chat/completions") -> Said:
        """The answer to one request."""
        return await self.exchange(request(body, "connection: close", *headers, path=path))

    async def exchange(self, raw: bytes) -> Said:
        """Sends bytes as they are, and reads until the server closes the connection."""
        reader, writer = await self.open()
        writer.write(raw)
        try:
            return Said(await asyncio.wait_for(reader.read(-1), 20))
        finally:
            await closed(writer)

    async def row(self, decision: str | None = None) -> dict[str, Any]:
        """The ledger's row of a decision, or the latest, as soon as there is one."""
        while True:
            found = [row["id"] for row in self.ledger.tail(1)] if decision is None else [decision]
            row = self.ledger.get(found[0]) if found else None
            if row is not None:
                return row
            await asyncio.sleep(0.005)

    def in_flight(self) -> int:
        view = self.router.view()
        return sum(view.status(deployment.id).in_flight for deployment in view)

    async def deserted(self) -> None:
        """Within a second, no client is connected and nothing is being answered."""
        await until(lambda: not self.connected() and not self._server.server_state.tasks)

    def connected(self) -> int:
        """How many clients are connected."""
        return len(self._server.server_state.connections)

    def answering(self) -> list[RequestResponseCycle]:
        """The answers that are under way, one for each client."""
        cycles = [getattr(connection, "cycle", None) for connection in self._server.server_state.connections]
        return [cycle for cycle in cycles if isinstance(cycle, RequestResponseCycle)]


class _nothing_beside:  # noqa: N801 -- it stands for a function
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


async def until(happened: Callable[[], object], within_s: float = 1.0) -> None:
    """Waits for something that nobody announces."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    while not happened():
        assert clock() < deadline
        await asyncio.sleep(0.005)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


Serve = Callable[..., Awaitable[Front]]
