"""The real Waypost server as a process, and the config that the tests serve."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engines.process import ServerProcess, free_port, start


def fleet_config(folder: Path, engines: Mapping[str, str], *, window_tokens: int = 2048) -> dict[str, Any]:
    """A config with one deployment for each engine (name to base URL), all six tasks, and an alias.

    The first engine answers everything but tool calls; the last one answers those. So the text of an answer tells the route.
    """
    names = list(engines)
    routes = {task: {"candidates": names} for task in ("vision", "chat", "memory", "reasoning", "coding")}
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": base_url},
                "model_info": {
                    "supports_function_calling": True,
                    "supports_response_schema": True,
                    "supports_vision": False,
                    "max_input_tokens": window_tokens,
                },
            }
            for name, base_url in engines.items()
        ],
        "routes": {"tool_calling": {"candidates": names[::-1]}, **routes},
        "aliases": {"zoe-action": "tool_calling"},
        "ledger": {"path": str(folder / "ledger.db")},
    }


def start_waypost(folder: Path, config: Mapping[str, Any], *, arguments: Sequence[str] = ()) -> ServerProcess:
    """Writes ``config`` into ``folder``, serves it, and returns when it is ready. The caller ends it with ``stop_clean``."""
    file = folder / "waypost.yaml"
    file.write_text(yaml.safe_dump(dict(config)))
    port = free_port()
    address = ["--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "waypost", "serve", "-c", str(file), *address, *arguments]
    server = start(command, port=port, log=folder / f"waypost-{port}.log", env={"HOME": str(folder)}, cwd=folder)
    server.wait_until_ready("/health/ready")
    return server


def stop_clean(server: ServerProcess) -> None:
    """Ends the server as an operator would, and holds it to a clean exit without a traceback."""
    code = server.stop()
    log = server.log_text()
    assert code == 0, f"exit code {code} after SIGTERM:\n{log}"
    assert "Traceback" not in log, log
