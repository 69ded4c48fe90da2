"""openai-python against the real server in front of real engines."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from clients.conversation import CLOCK, COUNT, WEATHER, user
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess

TASKS = ("tool_calling", "vision", "chat", "memory", "reasoning", "coding")
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_auto_is_answered_by_a_real_engine(client: OpenAI, llamacpp: LlamaCpp) -> None:
    answer = client.chat.completions.create(model="auto", messages=user("Good morning!"))
    assert answer.choices[0].message.content == llamacpp.hello
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.prompt_tokens > 5
    assert answer.usage.completion_tokens >= 5


def test_a_named_deployment_answers_itself(client: OpenAI, llamacpp_beta: LlamaCpp) -> None:
    answer = client.chat.completions.create(model="beta", messages=user("Good morning!"))
    assert answer.choices[0].message.content == llamacpp_beta.hello


def test_a_stream_arrives_whole_and_ends_with_usage_when_asked(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="auto", messages=user("count"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).strip() == COUNT
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens >= 200


def test_a_stream_has_no_usage_chunk_unless_asked(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="auto", messages=user("Good morning!"), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_characters_split_over_tokens_arrive_whole(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="auto", messages=user("utf"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "é€😀"


def test_an_answer_is_cut_at_max_tokens(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=user("loop"), max_tokens=7)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 7


async def test_the_async_client_gets_the_same_answer(async_client: AsyncOpenAI, llamacpp: LlamaCpp) -> None:
    answer = await async_client.chat.completions.create(model="auto", messages=user("Good morning!"))
    assert answer.choices[0].message.content == llamacpp.hello


async def test_sixteen_streams_at_once_do_not_mix(async_client: AsyncOpenAI) -> None:
    async def count() -> str:
        stream = await async_client.chat.completions.create(model="auto", messages=user("count"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream]).strip()

    assert set(await asyncio.gather(*(count() for _ in range(16)))) == {COUNT}


def test_an_alias_sends_a_tool_call_its_own_way_and_takes_the_result_back(client: OpenAI) -> None:
    asked = client.chat.completions.with_raw_response.create(model="zoe-action", messages=user("weather?"), tools=[WEATHER])
    choice = asked.parse().choices[0]
    assert asked.headers["x-waypost-route"] == "tool_calling"
    assert asked.headers["x-waypost-deployment"] == "beta"
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    call: Any = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})

    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    conversation = [*user("weather?"), choice.message, result]
    told = client.chat.completions.create(model="zoe-action", messages=conversation, tools=[WEATHER])
    assert told.choices[0].message.content == "The tool says it is sunny"


def test_two_calls_in_one_answer_stay_two(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tool_calling", messages=user("both"), tools=[WEATHER, CLOCK], parallel_tool_calls=True
    )
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]


def test_the_stream_helper_assembles_a_tool_call(client: OpenAI) -> None:
    with client.chat.completions.stream(model="auto", messages=user("weather?"), tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    assert choice.message.tool_calls[0].function.name == "get_weather"


def test_an_image_without_a_model_that_sees_is_refused_by_name(client: OpenAI) -> None:
    picture = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with pytest.raises(openai.BadRequestError, match="vision") as refused:
        client.chat.completions.create(model="auto", messages=user(picture))
    assert refused.value.code == "missing_capability"


def test_an_unknown_model_is_answered_with_the_closest_names(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="alpha") as unknown:
        client.chat.completions.create(model="alpah", messages=user("Good morning!"))
    assert unknown.value.code == "model_not_found"


def test_empty_messages_are_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="auto", messages=[])
    assert refused.value.param == "messages"
    assert refused.value.type == "invalid_request_error"


def test_a_wrong_type_is_refused_by_the_path_of_its_field(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="auto", messages=[*user("Good morning!"), *user(5)])
    assert refused.value.param == "messages[1].content"


def test_malformed_json_is_a_400_in_the_error_shape(gateway: ServerProcess) -> None:
    with openai.DefaultHttpxClient(trust_env=False) as http:
        answer = http.post(f"{gateway.base_url}/chat/completions", content=b'{"model": ')
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_request_cannot_choose_the_address(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="auto", messages=user("Good morning!"), extra_body={"api_base": "http://127.0.0.1:9/v1"}
        )
    assert refused.value.code == "forbidden_field"


def test_a_prompt_over_every_window_is_refused_with_the_code_clients_know(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="auto", messages=user("zq " * 4000))
    assert refused.value.code == "context_length_exceeded"


def test_models_lists_every_name_that_can_be_asked_for(client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert names >= {"auto", "auto-fast", "auto-cheap", "auto-best", "auto-private"}
    assert names >= set(TASKS)
    assert names >= {"zoe-action", "alpha", "beta"}


@pytest.mark.parametrize("stream", [False, True])
def test_headers_name_deployment_task_and_decision(client: OpenAI, gateway: ServerProcess, stream: bool) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=user("Good morning!"), stream=stream)
    if stream:
        list(raw.parse())
    assert raw.headers["x-waypost-deployment"] == "alpha"
    assert raw.headers["x-waypost-task"] in (*TASKS, "unknown")
    status, entry = gateway.get(f"/v1/decisions/{raw.headers['x-waypost-decision']}")
    assert (status, entry["id"]) == (200, raw.headers["x-waypost-decision"])
    assert (entry["deployment"], entry["status"]) == ("alpha", "ok")
