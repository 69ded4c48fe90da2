"""Clients that are programs of their own: started against a base URL, judged by what they print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engines.environments import how_to_get, python_of

HERE = Path(__file__).parent
JAVASCRIPT = HERE / "js"
DEADLINE_S = 100
# No proxy, no telemetry, no look for newer data: nothing leaves the machine.
QUIET = {
    "NO_PROXY": "127.0.0.1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def printed(command: Sequence[str]) -> Any:
    """The JSON that a program prints."""
    with TemporaryDirectory() as home:
        environment = {**os.environ, **QUIET, "HOME": home}
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip())


def node(script: str, *arguments: str, package: str) -> Any:
    """What a script of the JavaScript tests prints; skips where node or the package is missing."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    if not (JAVASCRIPT / "node_modules" / package).is_dir():
        pytest.skip(f"{package} is not installed: `make test` installs it where npm is")
    return printed([program, str(JAVASCRIPT / script), *arguments])


def python(client: str, environment: str, *arguments: str) -> Any:
    """What a Python client's checks give; skips where its environment is missing."""
    program = python_of(environment)
    if program is None:
        pytest.skip(how_to_get(environment))
    return printed([str(program), str(HERE / "python" / "smoke.py"), client, *arguments])


def problems(outcomes: dict[str, str | None]) -> dict[str, str]:
    """The checks that failed."""
    return {check: problem for check, problem in outcomes.items() if problem is not None}
