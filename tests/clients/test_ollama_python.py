"""The `ollama` client of Python, with nothing changed but its address, in front of real engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from clients.conversation import CLOCK, COUNT, WEATHER, user
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess


@pytest.fixture
def client(gateway: ServerProcess) -> Iterator[ollama.Client]:
    opened = ollama.Client(gateway.url, trust_env=False)
    yield opened
    opened.close()


def test_lists_show_and_running_models_are_read(client: ollama.Client) -> None:
    listed = {model.model for model in client.list().models}
    assert {"auto:latest", "tool_calling:latest", "zoe-action:latest", "alpha:latest", "beta:latest"} <= listed
    shown = client.show("auto")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo
    assert shown.modelinfo["waypost.context_length"] == 2048
    running = client.ps().models
    assert {model.model for model in running} == {"alpha:latest", "beta:latest"}
    assert {model.context_length for model in running} == {2048}


def test_a_chat_is_answered_whole_and_as_a_stream(client: ollama.Client, llamacpp: LlamaCpp) -> None:
    whole = client.chat("auto", user("Good morning!"), options={"num_ctx": 4096, "temperature": 0}, keep_alive="5m")
    assert (whole.message.content, whole.done_reason) == (llamacpp.hello, "stop")
    assert whole.prompt_eval_count
    pieces = list(client.chat("auto:latest", user("count"), stream=True))
    assert "".join(piece.message.content or "" for piece in pieces).strip() == COUNT
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].eval_count
    assert pieces[-1].eval_count >= 200


def test_an_answer_that_reaches_its_limit_says_so(client: ollama.Client) -> None:
    assert client.chat("auto", user("loop"), options={"num_predict": 4}).done_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_and_their_results_read(client: ollama.Client, stream: bool) -> None:
    said: Any = client.chat("zoe-action", user("both"), tools=[WEATHER, CLOCK], stream=stream)
    messages = [piece.message for piece in said] if stream else [said.message]
    calls = [call for message in messages for call in message.tool_calls or ()]
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    asked = ollama.Message(role="assistant", content="", tool_calls=calls)
    results = [ollama.Message(role="tool", content="sunny", tool_name=call.function.name) for call in calls]
    told = client.chat("zoe-action", [*user("both"), asked, *results], tools=[WEATHER, CLOCK])
    assert told.message.content == "The tool says it is sunny"


def test_thinking_has_a_field_of_its_own(client: ollama.Client) -> None:
    said = client.chat("auto", user("think"), think=True)
    assert said.message.thinking
    assert said.message.content


def test_a_prompt_is_completed(client: ollama.Client, llamacpp: LlamaCpp) -> None:
    assert client.generate("auto", "Good morning!").response == llamacpp.hello
    pieces = client.generate("auto", "Good morning!", system="be kind", stream=True)
    assert "".join(piece.response or "" for piece in pieces) == llamacpp.hello


def test_models_that_are_here_can_be_pulled_and_loaded(client: ollama.Client) -> None:
    assert client.pull("auto").status == "success"
    assert [step.status for step in client.pull("alpha:latest", stream=True)][-1] == "success"
    assert client.chat("auto", []).done_reason == "load"
    assert client.generate("alpha", keep_alive=0).done_reason == "unload"


def test_what_goes_wrong_is_an_error_with_its_status(client: ollama.Client) -> None:
    attempts: dict[int, Any] = {
        404: lambda: client.chat("nope", user("hi")),
        400: lambda: client.chat("auto", user("zq " * 4000)),
        403: lambda: client.delete("alpha"),
    }
    for status, attempt in attempts.items():
        with pytest.raises(ollama.ResponseError) as caught:
            attempt()
        assert caught.value.status_code == status
        assert isinstance(caught.value.error, str)
    with pytest.raises(ollama.ResponseError, match="not found"):
        list(client.chat("nope", user("hi"), stream=True))
    with pytest.raises(ollama.ResponseError, match="pull it at an engine"):
        client.pull("llama3.2")
