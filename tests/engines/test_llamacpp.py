"""The engine that other tests rely on gives the scripted answers when it is asked directly."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from engines.llamacpp import LlamaCpp

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def ask(engine: LlamaCpp, text: str, **options: Any) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    body = {"messages": [{"role": "user", "content": text}], **options}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        choice: dict[str, Any] = json.loads(connection.getresponse().read())["choices"][0]
    finally:
        connection.close()
    return choice


def test_each_engine_says_its_own_name(llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp) -> None:
    assert ask(llamacpp, "hi")["message"]["content"] == "Hello from alpha, a tiny local model."
    assert ask(llamacpp_beta, "hi")["message"]["content"] == "Hello from beta, a tiny local model."


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("count", " ".join(f"c{n:03d}" for n in range(1, 201))),
        ("utf", "é€😀"),
        ("think", "I thought about it; the answer is 42"),
    ],
)
def test_answers_follow_the_script(llamacpp: LlamaCpp, prompt: str, answer: str) -> None:
    assert ask(llamacpp, prompt)["message"]["content"].strip() == answer


def test_an_endless_answer_ends_by_length(llamacpp: LlamaCpp) -> None:
    assert ask(llamacpp, "loop", max_tokens=7)["finish_reason"] == "length"


@pytest.mark.parametrize(("prompt", "calls"), [("weather", ["get_weather"]), ("both", ["get_weather", "get_time"])])
def test_tools_are_called_as_scripted(llamacpp: LlamaCpp, prompt: str, calls: list[str]) -> None:
    clock = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
    choice = ask(llamacpp, prompt, tools=[WEATHER, clock], parallel_tool_calls=True)
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == calls
    assert choice["finish_reason"] == "tool_calls"


def test_an_engine_can_be_made_to_die_under_a_request(start_llamacpp: Callable[..., LlamaCpp]) -> None:
    engine = start_llamacpp("doomed")
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(engine, "crash", tools=[WEATHER], tool_choice="required")
    assert engine.process.wait(10) != 0
