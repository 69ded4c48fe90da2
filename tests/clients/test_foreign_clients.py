"""Clients that nobody here wrote, in front of engines that keep to OpenAI's protocol and of one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from clients.conftest import Front
from clients.programs import node, problems, python

PYTHON = {
    "langchain": "clients",
    "pydantic_ai": "clients",
    "llm": "clients",
    "instructor": "clients",
    "llamaindex": "llamaindex",
    "litellm": "litellm",
}
SCAN = ("scan", "--profile", "chat", "--format", "json", "--fail-on", "never", "--timeout", "60", "--api-key", "none")


def scan(front: Front) -> dict[str, Any]:
    """The report of compatcanary, a scanner of OpenAI-compatible servers; ``chat`` leaves the Responses API out."""
    script = "node_modules/compatcanary/src/cli.js"
    report: dict[str, Any] = node(script, *SCAN, "--base-url", front.base_url, "--model", front.model, package="compatcanary")
    return report


@pytest.mark.parametrize("client", PYTHON)
def test_every_check_of_a_python_client_passes(front: Front, client: str) -> None:
    found = problems(python(client, PYTHON[client], front.base_url, front.model, "alpha"))
    if (client, front.model) == ("instructor", "sloppy"):
        # The engine answers in words where a schema is demanded: the client learns that, and gets no wrong answer.
        assert found.keys() == {"schema"}
        assert "provider_ignored_request" in found["schema"]
    else:
        assert found == {}


def test_every_check_of_vercels_ai_sdk_passes(front: Front) -> None:
    outcomes = node("ai_sdk.mjs", front.base_url, front.model, "alpha", package="ai")
    assert outcomes.keys() == {"answer", "stream", "reasoning", "tool loop"}
    assert problems(outcomes) == {}


def test_the_compatibility_scanner_gives_all_points_where_an_engine_can_do_what_is_asked(front: Front) -> None:
    report = scan(front)
    if front.model == "sloppy":
        # What the only engine ignores is refused clearly; the rest is right.
        failed = {result["id"]: result["error"] for result in report["results"] if result["status"] != "pass"}
        assert failed.keys() == {"chat.tool_call", "chat.structured_output"}
        assert {error["httpStatus"] for error in failed.values()} == {502}
        assert all("provider_ignored_request" in str(error) for error in failed.values())
    else:
        assert [result["id"] for result in report["results"] if result["status"] != "pass"] == []
        assert report["score"] == 100
