"""What Home Assistant's Ollama integration does, turn by turn, with nothing changed but its address.

It offers every tool in every turn, wants a window of its own and the model kept for ever, and asks up to ten times for one
sentence of a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from clients.conversation import WEATHER
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess

MOST_ROUNDS = 10
# Twenty, as short as can be: the scripted models have small windows.
TOOLS = [WEATHER, *({"type": "function", "function": {"name": f"Hass{number}"}} for number in range(19))]


@pytest.fixture
def client(gateway: ServerProcess) -> Iterator[ollama.Client]:
    opened = ollama.Client(gateway.url, trust_env=False)
    yield opened
    opened.close()


def say(client: ollama.Client, text: str) -> tuple[str, list[str]]:
    """What it answers in the end, and which tools it called on the way."""
    messages = [ollama.Message(role="system", content="You control a home."), ollama.Message(role="user", content=text)]
    called: list[str] = []
    for _ in range(MOST_ROUNDS):
        said = client.chat(
            model="auto",
            messages=messages,
            tools=TOOLS,
            stream=True,
            think=False,
            keep_alive="-1s",
            options={"num_ctx": 8192.0},
        )
        pieces = [piece.message for piece in said]
        content = "".join(piece.content or "" for piece in pieces)
        calls = [call for piece in pieces for call in piece.tool_calls or ()]
        if not calls:
            return content, called
        messages.append(ollama.Message(role="assistant", content=content, tool_calls=calls))
        for call in calls:
            called.append(call.function.name)
            messages.append(ollama.Message(role="tool", content='{"result": "sunny"}'))
    raise AssertionError("it never came to an end")


def test_it_finds_auto_in_the_list_and_may_pull_it(client: ollama.Client) -> None:
    assert "auto:latest" in {model.model for model in client.list().models}
    assert [step.status for step in client.pull("auto:latest", stream=True)][-1] == "success"


def test_tools_that_are_offered_make_no_command_of_small_talk(client: ollama.Client, llamacpp: LlamaCpp) -> None:
    answer, called = say(client, "Good morning! How are you today?")
    assert (answer, called) == (llamacpp.hello, [])


def test_a_command_goes_to_the_route_that_acts(client: ollama.Client, llamacpp_beta: LlamaCpp) -> None:
    answer, called = say(client, "Turn on the kitchen light")
    assert (answer, called) == (llamacpp_beta.hello, [])


def test_tools_are_called_until_there_is_an_answer(client: ollama.Client) -> None:
    answer, called = say(client, "weather?")
    assert (answer, called) == ("The tool says it is sunny", ["get_weather"])


def test_the_window_that_it_wants_goes_to_no_engine(client: ollama.Client, gateway: ServerProcess) -> None:
    say(client, "Good morning!")
    assert client.show("auto").modelinfo["waypost.context_length"] == 2048  # type: ignore[index] # it is there
    running: dict[str, Any] = {model.model or "": model.context_length for model in client.ps().models}
    assert running["alpha:latest"] == 2048
