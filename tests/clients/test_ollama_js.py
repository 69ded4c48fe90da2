"""ollama-js against the real server in front of real engines: `js/ollama.mjs` holds its checks."""

from __future__ import annotations

from clients.programs import node, problems
from engines.process import ServerProcess

CHECKS = {
    *("lists", "answer", "stream", "tool call and result", "thinking", "generate", "pull", "errors", "leaving"),
}


def test_every_check_of_ollamas_javascript_client_passes(gateway: ServerProcess) -> None:
    outcomes = node("ollama.mjs", gateway.url, package="ollama")
    assert outcomes.keys() == CHECKS
    assert problems(outcomes) == {}
