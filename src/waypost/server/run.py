"""Starting and stopping the server."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from waypost.addresses import is_loopback
from waypost.config import Config
from waypost.errors import StartError
from waypost.http.session import HttpSession
from waypost.router import Router
from waypost.server.app import create_app
from waypost.server.protocol import guarded
from waypost.server.upkeep import Upkeep
from waypost.startup import Assembly, put_in_force


def open_socket(host: str, port: int, *, unsafe: bool) -> socket.socket:
    """A listening socket. Raises `StartError` for a port in use, an unknown host, or a host that others can reach."""
    if not unsafe and not is_loopback(host):
        raise StartError(
            f"{host} can be reached from other machines, and this version has no authentication: "
            "bind to 127.0.0.1, or set server.allow_unauthenticated_lan to accept that"
        )
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another port with --port, or server.port in the config"
        ) from error
    listening.set_inheritable(True)
    return listening


def serve(
    path: Path | None, config: Config, host: str, listening: socket.socket, announce: Callable[[Router, Assembly], None]
) -> None:
    """Serves until SIGINT or SIGTERM; ``announce`` is called once, when requests are taken.

    ``host`` is the name that ``listening`` was opened for: the server answers to it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn takes these over while it serves, and raises them again at its end: by then we are on our way out anyway.
        signal.signal(number, lambda *_: None)
    serving = _serve(path, config, host, listening, announce)
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


def settings(app: ASGIApp, config: Config) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        app,
        http=guarded(config.server.receive_timeout_s, config.server.send_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(config.server.shutdown_s),
    )


class _Announcing(uvicorn.Server):
    """uvicorn's server, with a word when it takes requests."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts as uvicorn does."""
        await super().startup(sockets)
        if self.started:
            self._announce()


async def _serve(
    path: Path | None, config: Config, host: str, listening: socket.socket, announce: Callable[[Router, Assembly], None]
) -> None:
    async with HttpSession() as session:
        router = Router(config)
        assembly = await put_in_force(router, config, session)
        router.route("Good morning!")  # the first decision loads weights, and should not cost the first client
        _settle()
        app = create_app(router, Upkeep(router, session, path, assembly).running, host=host)
        await _Announcing(settings(app, config), lambda: announce(router, assembly)).serve(sockets=[listening])


def _settle() -> None:
    """Sets the interpreter up for serving.

    The collector of cycles is kept from what lives as long as the server, and from most requests: they leave no cycles. And the
    ledger's thread must let go when a request comes: it would keep Python's lock for 5 ms otherwise.
    """
    sys.setswitchinterval(5e-4)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
