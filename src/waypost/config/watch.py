"""Follows a config file while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from waypost.config.files import read_files
from waypost.config.loader import Config, try_load
from waypost.config.report import Report

# Time, size and inode: an editor that replaces a file changes the last, even within one tick of the first.
Stamp = tuple[int, int, int]


class ConfigWatcher:
    """Reads a config again when it, or a file that it includes, changes.

    ``apply`` gets a config only when it is whole and without a problem, so the old one serves until then; ``on_error`` gets the
    problems of a file that has some, once for each change. The file is known to be the one in force when the watcher is made; a
    file that is not there yet is waited for.
    """

    def __init__(
        self,
        path: Path,
        apply: Callable[[Config], None],
        *,
        on_error: Callable[[tuple[str, ...]], None],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._apply = apply
        self._on_error = on_error
        self._env = env
        self._seen = _stamps(read_files(path, Report()).files)
        self._asked = asyncio.Event()

    async def check(self) -> bool:
        """Reads the files if they changed since the last look; whether a new config was applied."""
        return _stamps(self._seen) != self._seen and await self._read()

    def reload(self) -> None:
        """Asks ``run`` to read the files at once, changed or not: for SIGHUP. An environment variable may have changed."""
        self._asked.set()

    async def run(self, pause: Callable[[], Awaitable[None]]) -> None:
        """Looks after every ``pause``, for ever.

        A change is read when the files have held still from one look to the next: half of a file may be a valid config too.
        """
        last = self._seen
        while True:
            await self._wait(pause)
            now = _stamps(self._seen)
            if self._asked.is_set():
                self._asked.clear()
                await self._read()
            elif now == last:
                await self.check()
            last = now

    async def _wait(self, pause: Callable[[], Awaitable[None]]) -> None:
        """Until the pause is over, or ``reload`` asks."""
        waits = [asyncio.ensure_future(pause()), asyncio.ensure_future(self._asked.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _read(self) -> bool:
        # Stamps from before the reading: a change in between is a change at the next look.
        before = _stamps(self._seen)
        if before[self._path] is None and self._seen[self._path] is None:
            return False
        loaded = await asyncio.to_thread(try_load, self._path, env=self._env)
        self._seen = {**_stamps(loaded.files), **{path: before[path] for path in loaded.files if path in before}}
        if loaded.config is None:
            self._on_error(loaded.problems)
            return False
        self._apply(loaded.config)
        return True


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp | None]:
    """The stamp of each file, ``None`` for one that is not there."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp | None:
    with suppress(OSError, RuntimeError, ValueError):
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
    return None
