"""A real `transformers serve` with a scripted tiny model: the server that accepts every parameter and ignores most.

It ends no stream with ``[DONE]``, leaves out fields that OpenAI's schema requires, answers mistakes as ``{"detail": …}`` or in
plain text, and ignores ``tool_choice``, ``response_format``, ``n``, ``logprobs`` and ``parallel_tool_calls``; ``stop`` stays in
the text.
"""

from __future__ import annotations

from pathlib import Path

from engines.process import ServerProcess, free_port, start
from engines.tiny_directory import write_tiny_directory


def start_transformers(folder: Path, python: Path, name: str) -> tuple[ServerProcess, str]:
    """Serves the model ``name`` with an environment's transformers; also gives the model's name there, which is its directory.

    The caller ends it with ``kill``: it does not always obey a gentler signal.
    """
    model = folder / name
    write_tiny_directory(model, name)
    home = folder / "hf"
    (home / "hub").mkdir(parents=True)
    environment = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    port = free_port()
    command = [str(python), str(python.parent / "transformers"), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    server = start(command, port=port, log=folder / f"transformers-{port}.log", env=environment, cwd=folder)
    server.wait_until_ready("/health")
    return server, str(model)
