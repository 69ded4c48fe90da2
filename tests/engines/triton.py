"""The real Triton without an OpenAI-compatible frontend: a text in, a text out, and no counts.

Its streams end without ``[DONE]`` and without a reason, several answers where one was asked for are a 200 with an error in it,
and a model that fails is a 400 with a traceback.
"""

from __future__ import annotations

from pathlib import Path

from engines.process import ServerProcess, free_port, start

SERVER = Path(__file__).parent / "triton_server.py"
READY = "/v2/models/ensemble"


def start_triton(folder: Path, python: Path) -> ServerProcess:
    """Serves the model ``ensemble`` with an environment's Triton. The caller ends it with ``stop``."""
    port = free_port()
    environment = {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [str(python), str(SERVER), str(port)]
    server = start(command, port=port, log=folder / f"triton-{port}.log", env=environment, cwd=folder)
    server.wait_until_ready(READY)
    return server
