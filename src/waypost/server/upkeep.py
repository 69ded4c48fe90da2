"""What a running server does beside answering: looks at its engines, follows its config file."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from waypost.config import Config
from waypost.config.watch import ConfigWatcher
from waypost.defaults import CONFIG_FILE
from waypost.router import Router
from waypost.startup import assemble

_log = logging.getLogger("waypost")


class Upkeep:
    """Keeps the fleet of a router as the engines are, and its config as the file is."""

    def __init__(self, router: Router, session: aiohttp.ClientSession, path: Path | None) -> None:
        self._router = router
        self._session = session
        self._path = path or (CONFIG_FILE if CONFIG_FILE.exists() else None)
        self._changed = asyncio.Event()
        self._config = router.config

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs for as long as the block does. SIGHUP reads the config again at once."""
        work = [self._follow_fleet(), self._look_at_engines()]
        loop = asyncio.get_running_loop()
        if self._path is not None:
            watcher = ConfigWatcher(self._path, self._take, on_error=self._keep)
            work.append(watcher.run(self._config.server.reload_s, asyncio.sleep))
            with suppress(NotImplementedError):  # Windows has no SIGHUP
                loop.add_signal_handler(signal.SIGHUP, watcher.reload)
        tasks = [asyncio.create_task(_loudly(one)) for one in work]
        try:
            yield
        finally:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(signal.SIGHUP)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, config: Config) -> None:
        self._config = config
        self._changed.set()

    def _keep(self, problems: tuple[str, ...]) -> None:
        _log.error("the config has problems; the one before it stays in force:\n%s", "\n".join(problems))

    async def _follow_fleet(self) -> None:
        """Assembles the fleet again when the config changed, and, with discovery on, from time to time."""
        while True:
            config = self._config
            pause = config.discovery.refresh_s if config.discovery.enabled else None
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)
            reloaded = self._changed.is_set()
            self._changed.clear()
            assembly = await assemble(self._config, self._session)
            self._router.apply(self._config, assembly.deployments, assembly.routes)
            if reloaded:
                _log.info("the config was read again: %d deployments", len(assembly.deployments))

    async def _look_at_engines(self) -> None:
        await self._router.fleet.run(self._session, self._config.discovery.refresh_s, asyncio.sleep)


async def _loudly(work: Coroutine[Any, Any, None]) -> None:
    """Upkeep that dies must be heard: the server goes on, with what it knew."""
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever it was, requests must go on
        _log.exception("part of the upkeep ended; restart the server to have it back")
