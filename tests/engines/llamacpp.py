"""A real llama.cpp server with a scripted tiny model."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.process import POLL_S, ServerProcess, free_port, start
from engines.tiny_model import write_tiny_model

SERVER = Path(__file__).parent / "llamacpp_server.py"
# Without the first, an abort of llama.cpp starts a debugger.
ENVIRONMENT = {"GGML_NO_BACKTRACE": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class LlamaCpp(ServerProcess):
    """The server, and the name that its model has and says."""

    model: str

    @property
    def hello(self) -> str:
        """The answer to anything that no other script answers."""
        return f"Hello from {self.model}, a tiny local model."

    def busy_slots(self) -> list[dict[str, Any]]:
        """The slots that generate now."""
        return [slot for slot in self.get("/slots")[1] if slot["is_processing"]]

    def is_free(self, *, within_s: float, every_s: float = POLL_S) -> bool:
        """Whether every slot was idle before the time was over.

        For an answer that is not streamed, the engine looks for its client after a second without any other result, and an
        answer to ``/slots`` is one: ask less often than that.
        """
        deadline = time.monotonic() + within_s
        while self.busy_slots():
            if time.monotonic() > deadline:
                return False
            time.sleep(every_s)
        return True


def start_llamacpp(
    folder: Path,
    name: str,
    *,
    window_tokens: int = 2048,
    parallel: int = 4,
    sleep_idle_s: int | None = None,
    api_key: str | None = None,
    embedding: bool = False,
    port: int | None = None,
) -> LlamaCpp:
    """Makes the model ``name`` in ``folder``, serves it, and returns when it is ready. The caller ends it.

    ``parallel=1`` makes requests queue, ``sleep_idle_s`` unloads an idle model, ``embedding`` makes it one for vectors, and a
    large ``window_tokens`` gives the ``loop`` script room to run for seconds.
    """
    model = folder / f"{name}.gguf"
    if not model.exists():
        write_tiny_model(model, name, window_tokens=window_tokens)
    port = port or free_port()
    command = [sys.executable, str(SERVER), "--model", str(model), "--alias", name, "--port", str(port)]
    command += ["--window", str(window_tokens), "--parallel", str(parallel)]
    if sleep_idle_s is not None:
        command += ["--sleep-idle", str(sleep_idle_s)]
    if embedding:
        command += ["--embedding"]
    if api_key is not None:
        command += ["--api-key", api_key]
    running = start(command, port=port, log=folder / f"{name}-{port}.log", env=ENVIRONMENT, cwd=folder)
    engine = LlamaCpp(running.process, running.port, running.log, name)
    engine.wait_until_ready("/health")
    return engine
