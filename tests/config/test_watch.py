"""Following a config file while it serves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from waypost.config import Config
from waypost.config.watch import ConfigWatcher


class Follower:
    """A watcher on a file, with what it applied and what it complained of, and a clock that the test turns."""

    def __init__(self, path: Path) -> None:
        self.ports: list[int] = []
        self.errors: list[tuple[str, ...]] = []
        self.applied = asyncio.Event()
        self._ticks: asyncio.Queue[None] = asyncio.Queue()
        self._waiting = asyncio.Event()
        self.watcher = ConfigWatcher(path, self._apply, on_error=self.errors.append, env={})

    def _apply(self, config: Config) -> None:
        self.ports.append(config.server.port)
        self.applied.set()

    async def pause(self) -> None:
        self._waiting.set()
        await self._ticks.get()

    async def tick(self) -> None:
        """One interval passes, and the watcher has looked."""
        await self._waiting.wait()
        self._waiting.clear()
        self._ticks.put_nowait(None)
        await self._waiting.wait()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "waypost.yaml"
    path.write_text("server: {port: 1}\n")
    return path


def write(path: Path, text: str) -> None:
    """As a careless program saves: over the old one."""
    path.write_text(text)


def replace(path: Path, text: str, *, keep_time: bool = False) -> None:
    """As an editor saves: a new file takes the place of the old one."""
    beside = path.with_suffix(".tmp")
    beside.write_text(text)
    if keep_time:
        old = path.stat()
        os.utime(beside, ns=(old.st_atime_ns, old.st_mtime_ns))
    beside.replace(path)


def remove(path: Path) -> None:
    path.unlink()


async def test_a_change_is_applied_once(file: Path) -> None:
    follower = Follower(file)
    assert await follower.watcher.check() is False
    replace(file, "server: {port: 2}\n")
    assert await follower.watcher.check() is True
    assert await follower.watcher.check() is False
    assert follower.ports == [2]


async def test_a_file_of_the_same_size_and_time_is_still_another_file(file: Path) -> None:
    follower = Follower(file)
    replace(file, "server: {port: 3}\n", keep_time=True)
    assert await follower.watcher.check() is True


async def test_a_bad_file_changes_nothing_and_is_told_once(file: Path) -> None:
    follower = Follower(file)
    write(file, "server: {prot: 2}\n")
    assert await follower.watcher.check() is False
    assert await follower.watcher.check() is False
    assert follower.errors == [("waypost.yaml:1: unknown key `prot`; did you mean `port`?",)]
    write(file, "server: {port: 22}\n")
    assert await follower.watcher.check() is True
    assert follower.ports == [22]


async def test_a_file_that_goes_away_and_comes_back(file: Path) -> None:
    follower = Follower(file)
    remove(file)
    assert await follower.watcher.check() is False
    assert follower.errors == [("waypost.yaml:1: `waypost.yaml` is not a file",)]
    write(file, "server: {port: 5}\n")
    assert await follower.watcher.check() is True


async def test_a_file_that_is_not_there_yet_is_waited_for_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    follower = Follower(file)
    running = asyncio.create_task(follower.watcher.run(follower.pause))
    follower.watcher.reload()
    await follower.tick()
    await follower.tick()
    assert (follower.ports, follower.errors) == ([], [])
    write(file, "server: {port: 6}\n")
    await follower.tick()
    await follower.tick()
    assert (follower.ports, follower.errors) == ([6], [])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_included_files_are_followed_too_also_new_and_broken_ones(file: Path) -> None:
    follower = Follower(file)
    other = file.with_name("other.yaml")
    write(other, "server: [")
    write(file, "include: [other.yaml]\n")
    assert await follower.watcher.check() is False
    write(other, "server: {port: 7}\n")
    assert await follower.watcher.check() is True
    replace(other, "server: {port: 8}\n")
    assert await follower.watcher.check() is True
    assert follower.ports == [7, 8]


async def test_a_change_must_hold_still_before_it_is_read(file: Path) -> None:
    follower = Follower(file)
    running = asyncio.create_task(follower.watcher.run(follower.pause))
    await follower.tick()
    write(file, "server: {po")
    await follower.tick()
    write(file, "server: {port: 99}\n")
    await follower.tick()
    assert (follower.ports, follower.errors) == ([], [])
    await follower.tick()
    assert (follower.ports, follower.errors) == ([99], [])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_reload_reads_at_once_whether_the_file_changed_or_not(file: Path) -> None:
    follower = Follower(file)
    running = asyncio.create_task(follower.watcher.run(follower.pause))
    follower.watcher.reload()
    await asyncio.wait_for(follower.applied.wait(), 10)
    assert follower.ports == [1]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
