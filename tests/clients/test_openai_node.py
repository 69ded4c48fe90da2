"""openai-node against the real server in front of real engines: `js/smoke.mjs` holds its checks."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engines.process import ServerProcess

SCRIPT = Path(__file__).parent / "js" / "smoke.mjs"
CHECKS = {"answer", "stream", "tool call and result", "stream helper", "leaving", "models", "unknown model", "headers"}


def test_every_check_of_the_javascript_client_passes(gateway: ServerProcess) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (SCRIPT.parent / "node_modules" / "openai").is_dir():
        pytest.skip("openai-node is not installed: `make test` installs it where npm is")
    done = subprocess.run([node, str(SCRIPT), gateway.base_url], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert outcomes.keys() == CHECKS
    assert {check: problem for check, problem in outcomes.items() if problem is not None} == {}
