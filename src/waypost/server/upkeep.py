"""What a running server does beside answering: looks at its engines, follows its config file and its ledger's corrections."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

from waypost.config import Config
from waypost.config.watch import ConfigWatcher
from waypost.defaults import CONFIG_FILE
from waypost.errors import WaypostError
from waypost.http.session import HttpSession
from waypost.router import Router
from waypost.startup import Assembly, put_in_force

_log = logging.getLogger("waypost")

# What calls that broke off leave behind is collected here and not in their middle. Looking through 10,000 rows that wait to be
# written would take a tenth of a second, in which nobody is answered.
FEW_ROWS = 500

# Everything else in a config takes effect when the file is read again.
_READ_AT_START = (
    "server.host",
    "server.port",
    "server.allow_unauthenticated_lan",
    "server.allowed_hosts",
    "server.max_body_bytes",
    "server.receive_timeout_s",
    "server.send_timeout_s",
    "server.shutdown_s",
    "ledger.enabled",
    "ledger.path",
    "ledger.queue_size",
    "policy.commit_max_bytes",
    "policy.commit_max_events",
    "policy.commit_max_s",
    "policy.retry_budget",
    "policy.slot_wait_s",
)


class Upkeep:
    """Keeps the fleet of a router as the engines are, and its config as the file is.

    ``assembly`` is what the router serves at first. Without a ``path``, ``waypost.yaml`` is followed from when it is there.
    """

    def __init__(self, router: Router, session: HttpSession, path: Path | None, assembly: Assembly) -> None:
        self._router = router
        self._session = session
        self._path = path or CONFIG_FILE
        self._assembly = assembly
        self._changed = asyncio.Event()
        self._first = self._config = router.config

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs for as long as the block does. SIGHUP reads the config again at once."""
        loop = asyncio.get_running_loop()
        watcher = ConfigWatcher(self._path, self._take, on_error=self._keep)
        with suppress(NotImplementedError, AttributeError):  # Windows has no SIGHUP
            loop.add_signal_handler(signal.SIGHUP, watcher.reload)
        work = [self._follow(), self._watch(), watcher.run(lambda: asyncio.sleep(self._config.server.reload_s))]
        tasks = [asyncio.create_task(_loudly(one)) for one in work]
        try:
            yield
        finally:
            with suppress(NotImplementedError, AttributeError):
                loop.remove_signal_handler(signal.SIGHUP)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def renew(self) -> None:
        """Puts the newest config in force, with the engines as they are."""
        config = self._config
        self._assembly = await put_in_force(self._router, config, self._session, self._assembly)

    def _take(self, config: Config) -> None:
        self._config = config
        self._changed.set()

    def _keep(self, problems: tuple[str, ...]) -> None:
        _log.error("the config has problems; the one before it stays in force:\n%s", "\n".join(problems))

    async def _watch(self) -> None:
        """Looks into the engines that have calls, as what is loaded there changes with each of them."""
        while True:
            await asyncio.sleep(self._config.discovery.residency_s)
            try:
                await self._router.fleet.watch(self._session, timeout_s=self._config.discovery.timeout_s)
            except Exception:  # noqa: BLE001 - see `_follow`
                _log.exception("what is in the memory of the engines could not be looked at")

    async def _follow(self) -> None:
        """Renews the fleet and the corrections when the config changed, and from time to time."""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._config.discovery.refresh_s)
            if self._router.ledger.queued < FEW_ROWS:
                gc.collect()
            reloaded = self._changed.is_set()
            self._changed.clear()
            try:
                await self.renew()
            except Exception:  # noqa: BLE001 - whatever it was, requests go on, and the next look may go well
                _log.exception("the fleet could not be looked at")
            try:
                await asyncio.to_thread(self._router.renew_corrections)
            except WaypostError as error:
                _log.warning("the corrections could not be looked at: %s", error.message)
            if reloaded:
                _tell(self._first, self._router)


def _tell(first: Config, router: Router) -> None:
    """Says that a config took effect, and what of it did not."""
    _log.info("the config was read again: %d deployments", len(router.view().deployments))
    waiting = [name for name in _READ_AT_START if attrgetter(name)(router.config) != attrgetter(name)(first)]
    if waiting:
        _log.warning("restart the server for what is read at its start only: %s", ", ".join(waiting))


async def _loudly(work: Coroutine[Any, Any, None]) -> None:
    """Upkeep that dies must be heard: the server goes on, with what it knew."""
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever it was, requests must go on
        _log.exception("part of the upkeep ended; restart the server to have it back")
