"""Programs on a core of their own, and what the kernel says that they use."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_S = 120.0
GATEWAY_CORE = 0
LOAD_CORE = 1
_TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A program does not do what is to be measured."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int | None) -> list[str]:
    """The start of a command line whose program shall run on that core alone, where the machine has more than one."""
    return [] if core is None or os.cpu_count() == 1 else ["taskset", "-c", str(core)]


def environment() -> dict[str, str]:
    """The environment for a program: ours, with leave to keep bytecode, or every start would compile again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Program:
    """A running program that listens on a port of loopback."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    ready_s: float = 0.0

    def stop(self) -> None:
        """Asks it to end, and ends it after 20 s."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tree(self) -> Iterator[int]:
        """Its pid and those of everything that it started."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())

    def cpu_s(self) -> float:
        """Seconds of CPU that the whole tree has used, in steps of a kernel tick (10 ms)."""
        return sum(_cpu_s(pid) for pid in self.tree())

    def resident_mb(self) -> float:
        """Resident memory of the whole tree, in units of a million bytes."""
        return sum(_status_mb(pid, "VmRSS") for pid in self.tree())

    def highest_mb(self) -> float:
        """The most that was ever resident, summed over the tree."""
        return sum(_status_mb(pid, "VmHWM") for pid in self.tree())


def start(command: Sequence[str], *, port: int, folder: Path, core: int | None, env: Mapping[str, str], ready: str) -> Program:
    """Starts ``command`` on ``core`` (``None``: any) and returns when a GET of ``ready`` is answered without a server error.

    A ``port`` of 0 stands for a program that chooses its own and prints ``PORT=number`` as a line. Raises
    `Broken` with the log where it does not start.
    """
    log = folder / f"{port}.log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment(), "HOME": str(folder), **env},
        )
    while time.perf_counter() - started < READY_S and process.poll() is None:
        listening = port or _printed_port(log)
        if listening and _answers(listening, ready):
            return Program(process, listening, log, time.perf_counter() - started)
        time.sleep(0.01)
    process.kill()
    process.wait()
    raise Broken(f"did not start: {' '.join(command)}\n{log.read_text(errors='replace')[-4000:]}")


def _printed_port(log: Path) -> int:
    found = re.search(r"^PORT=(\d+)$", log.read_text(errors="replace"), re.MULTILINE)
    return int(found.group(1)) if found else 0


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _status_mb(pid: int, key: str) -> float:
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found.group(1)) * 1024 / 1e6 if found else 0.0
