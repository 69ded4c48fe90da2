"""A server in a process of its own: started on a free port, ready when it says so, ended by its pid."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_S = 60.0
STOP_S = 20.0
POLL_S = 0.02


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ServerProcess:
    """A running server on loopback, and everything it printed."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    @property
    def url(self) -> str:
        """The root, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as ``base_url``."""
        return f"{self.url}/v1"

    def log_text(self) -> str:
        """Everything printed so far, to either stream."""
        return self.log.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET, past any proxy of the environment."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def wait_until_ready(self, path: str) -> None:
        """Returns when a GET of ``path`` gives 200; fails with the log if the process ends or takes too long."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before it was ready:\n{self.log_text()}")
            try:
                if self.get(path)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(POLL_S)
        self.kill()
        raise AssertionError(f"not ready after {READY_S:.0f} s:\n{self.log_text()}")

    def stop(self) -> int:
        """Asks the process to end (SIGTERM) and gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {STOP_S:.0f} s after SIGTERM:\n{self.log_text()}") from None

    def kill(self) -> None:
        """Ends the process at once (SIGKILL)."""
        self.process.kill()
        self.process.wait()


def start(command: Sequence[str], *, port: int, log: Path, env: Mapping[str, str], cwd: Path) -> ServerProcess:
    """Starts ``command`` with ``env`` laid over the environment; both output streams go to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **env}, cwd=cwd
        )
    return ServerProcess(process, port, log)
