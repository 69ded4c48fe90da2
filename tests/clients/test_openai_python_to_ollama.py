"""openai-python, through the real server, to an Ollama: parameters arrive where it reads them, and answers are OpenAI's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from clients.connection import connect
from clients.conversation import CLOCK, WEATHER, user
from clients.test_openai_python import PIXEL
from engines.gateway import start_waypost, stop_clean
from servers.ollama_server import Answer, Ollama, OllamaModel, in_thread

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def says(body: Any) -> Answer:
    """Calls both tools where there are some, and tells what they said."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return Answer(f"The tool says it is {last['content']}.")
    calls = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})][: len(body.get("tools") or ())]
    return Answer("" if calls else "Good morning to you.", "A greeting, it seems.", tool_calls=calls, json='{"n": 1}')


CAN = ("completion", "tools", "vision", "thinking")


@pytest.fixture(scope="module")
def ollama() -> Iterator[Ollama]:
    with in_thread(OllamaModel("able:8b", says, capabilities=CAN), OllamaModel("plain:1b", Answer("Plain."))) as server:
        yield server


@pytest.fixture(scope="module")
def client(ollama: Ollama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    settings = {"api_base": ollama.url, "num_ctx": 8192, "keep_alive": "30m", "top_k": 20, "repeat_penalty": 1.1}
    config = {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": model, **settings}}
            for name, model in (("able", "ollama_chat/able:8b"), ("older", "ollama/able:8b"), ("plain", "ollama/plain:1b"))
        ],
        "ledger": {"enabled": False},
    }
    server = start_waypost(tmp_path_factory.mktemp("waypost"), config)
    with connect(server) as opened:
        yield opened
    stop_clean(server)


def last_body(ollama: Ollama) -> Any:
    return ollama.asked("/api/chat")[-1].body


@pytest.mark.parametrize("model", ["able", "older"])
def test_both_prefixes_of_litellm_send_the_same_to_the_native_interface(client: OpenAI, ollama: Ollama, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=user("Hi!"), temperature=0.5, seed=7, stop="END", max_tokens=64, frequency_penalty=0.0
    )
    assert answer.choices[0].message.content == "Good morning to you."
    assert (answer.choices[0].finish_reason, answer.model) == ("stop", "able:8b")
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (ollama.runs[-1].prompt.tokens, 4)
    assert last_body(ollama) == {
        "model": "able:8b",
        "messages": [{"role": "user", "content": "Hi!"}],
        "stream": False,
        "truncate": False,
        "keep_alive": "30m",
        "think": False,  # 64 tokens leave no room for thoughts
        "options": {
            "num_ctx": 8192,
            "top_k": 20,
            "repeat_penalty": 1.1,
            "temperature": 0.5,
            "seed": 7,
            "stop": ["END"],
            "num_predict": 64,
            "frequency_penalty": 0.0,
        },
    }
    assert ollama.unknown_options == {}
    assert ollama.reloads == []


def test_a_stream_arrives_whole_with_thoughts_and_usage(client: OpenAI, ollama: Ollama) -> None:
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="able", messages=user("Hi!"), stream=True, stream_options=options))
    deltas: list[Any] = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Good morning to you."
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "A greeting, it seems."
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == ollama.runs[-1].answer_tokens
    assert "think" not in last_body(ollama)


@pytest.mark.parametrize(("effort", "thinks"), [("none", False), ("high", True)])
def test_the_effort_that_a_caller_asks_for_is_whether_it_thinks(
    client: OpenAI, ollama: Ollama, effort: Any, thinks: bool
) -> None:
    answer = client.chat.completions.create(model="able", messages=user("Hi!"), reasoning_effort=effort)
    message: Any = answer.choices[0].message
    assert (getattr(message, "reasoning_content", None) is not None) is thinks
    assert ollama.runs[-1].thinks is thinks
    client.chat.completions.create(model="plain", messages=user("Hi!"), reasoning_effort=effort)
    assert "think" not in last_body(ollama)


@pytest.mark.parametrize("stream", [False, True])
def test_calls_and_their_results_go_there_and_back(client: OpenAI, ollama: Ollama, stream: bool) -> None:
    if stream:
        with client.chat.completions.stream(model="able", messages=user("weather?"), tools=[WEATHER, CLOCK]) as opened:
            choice: Any = opened.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(model="able", messages=user("weather?"), tools=[WEATHER, CLOCK]).choices[0]
    calls = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {"zone": "UTC"}),
    ]
    assert len({call.id for call in calls}) == 2
    said: Any = {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude={"index"}) for call in calls]}
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    told = client.chat.completions.create(model="able", messages=[*user("weather?"), said, *results], tools=[WEATHER, CLOCK])
    assert told.choices[0].message.content == "The tool says it is sunny."
    _, assistant, first, second = last_body(ollama)["messages"]
    assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == [{"city": "Paris"}, {"zone": "UTC"}]
    assert [first["tool_name"], second["tool_name"]] == ["get_weather", "get_time"]


def test_no_tool_is_offered_where_none_may_be_called(client: OpenAI, ollama: Ollama) -> None:
    answer = client.chat.completions.create(model="able", messages=user("hi"), tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.content == "Good morning to you."
    assert "tools" not in last_body(ollama)


def test_an_image_arrives_bare_and_one_by_its_address_is_a_clear_error(client: OpenAI, ollama: Ollama) -> None:
    look = {"type": "text", "text": "What is this?"}
    client.chat.completions.create(model="able", messages=user([look, {"type": "image_url", "image_url": {"url": PIXEL}}]))
    assert last_body(ollama)["messages"][0]["images"] == [PIXEL.partition(",")[2]]
    remote = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    asked = len(ollama.requests)
    with pytest.raises(openai.BadRequestError, match="send the image itself") as refused:
        client.chat.completions.create(model="able", messages=user([look, remote]))
    assert refused.value.code == "provider_cannot"
    assert len(ollama.asked("/api/chat")) <= asked


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_ollamas_format(client: OpenAI, ollama: Ollama, stream: bool) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    answer: Any = client.chat.completions.create(model="able", messages=user("n?"), response_format=form, stream=stream)
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    else:
        text = answer.choices[0].message.content
    assert json.loads(text) == {"n": 1}
    assert last_body(ollama)["format"] == SCHEMA


def test_a_callers_window_loads_nothing_anew(client: OpenAI, ollama: Ollama) -> None:
    for window in (2048, 4096, 16_384):
        client.chat.completions.create(model="able", messages=user("Hi!"), extra_body={"num_ctx": window})
        client.chat.completions.create(model="older", messages=user("Hi!"), extra_body={"options": {"num_ctx": window}})
    assert ollama.reloads == []


def test_an_answer_is_cut_at_the_callers_cap(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="able", messages=user("Hi!"), max_tokens=2)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("length", "Good morning")
