"""openai-node against the real server in front of real engines: `js/smoke.mjs` holds its checks."""

from __future__ import annotations

from clients.programs import node, problems
from engines.process import ServerProcess

CHECKS = {"answer", "stream", "tool call and result", "stream helper", "leaving", "models", "unknown model", "headers"}


def test_every_check_of_the_javascript_client_passes(gateway: ServerProcess) -> None:
    outcomes = node("smoke.mjs", gateway.base_url, package="openai")
    assert outcomes.keys() == CHECKS
    assert problems(outcomes) == {}
