"""Ollama's requests become turns whose bodies are in OpenAI's form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from ollama_bodies import PNG, WEATHER, generated, turn

from waypost.dialects import ollama
from waypost.errors import CallerError, ForbiddenField, InvalidRequest
from waypost.turn import Image


def test_a_chat_streams_unless_it_says_no() -> None:
    assert turn().stream
    assert turn().body["stream"] is True
    assert not turn(stream=False).stream
    assert (turn().dialect, turn().model, turn().user_texts) == ("ollama", "auto", ("hello",))


def test_options_lie_flat_and_what_ollama_does_not_know_is_left_out() -> None:
    made = turn(options={"temperature": 0.5, "num_predict": 64, "num_ctx": 8192.0, "top_k": 5, "stop": ["X"], "madeup": 1})
    settings = {name: value for name, value in made.body.items() if name not in ("model", "messages", "stream")}
    assert settings == {"temperature": 0.5, "num_predict": 64, "num_ctx": 8192, "top_k": 5, "stop": ["X"]}
    assert made.answer_tokens == 64


def test_an_answer_without_a_limit_has_none() -> None:
    assert "num_predict" not in turn(options={"num_predict": -1}).body
    assert turn(options={"num_predict": -2}).answer_tokens is None


def test_a_stop_that_nobody_filled_in_stops_nothing() -> None:
    assert "stop" not in turn(options={"stop": ""}).body
    assert "stop" not in turn(options={"stop": ["", ""]}).body
    assert turn(options={"stop": ["", "X"]}).body["stop"] == ["X"]
    assert turn(options={"stop": "X"}).body["stop"] == ["X"]


def test_keep_alive_and_think_keep_their_names_and_truncate_is_ours() -> None:
    body = turn(keep_alive="-1s", think=False, truncate=True, shift=False).body
    assert (body["keep_alive"], body["think"]) == ("-1s", False)
    assert "truncate" not in body
    assert "shift" not in body


@pytest.mark.parametrize(
    ("given", "form"),
    [(None, "text"), ("", "text"), ("json", "json_object"), ({"type": "object", "properties": {"headers": {}}}, "json_schema")],
)
def test_the_form_of_the_answer_is_read(given: Any, form: str) -> None:
    made = turn(format=given)
    assert made.response_format == form
    if form == "json_schema":
        assert made.body["response_format"]["json_schema"]["schema"] == given


def test_images_become_parts_with_the_kind_that_their_bytes_have() -> None:
    made = turn({"role": "user", "content": "what is this?", "images": [PNG, "/9j/4AAQ", f"data:image/x-y;base64,{PNG}"]})
    assert made.asks_about_image
    assert made.messages[0].parts[1:] == (Image(inline=True),) * 3
    urls = [part["image_url"]["url"] for part in made.body["messages"][0]["content"][1:]]
    assert urls == [f"data:image/png;base64,{PNG}", "data:image/jpeg;base64,/9j/4AAQ", f"data:image/png;base64,{PNG}"]


def test_tools_are_offered_and_their_schemas_are_the_callers() -> None:
    made = turn(tools=[WEATHER, {"function": {"name": "clock"}}])
    assert [tool.name for tool in made.tools] == ["get_weather", "clock"]
    assert made.body["tools"][1]["type"] == "function"


def test_results_find_their_calls_with_and_without_ids() -> None:
    called = {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b"), call("a", id="mine")]}
    results = [{"role": "tool", "content": "1", "tool_name": "b"}, {"role": "tool", "content": "2"}]
    by_id = {"role": "tool", "content": "3", "tool_call_id": "mine"}
    made = turn({"role": "user", "content": "go"}, called, *results, by_id)
    assert made.tool_loop_open
    assert [message["tool_call_id"] for message in made.body["messages"][2:]] == ["call_1_1", "call_1_0", "mine"]
    assert orjson.loads(made.body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"timeout": 5}


def test_a_result_without_any_call_keeps_an_id_of_its_own() -> None:
    made = turn({"role": "tool", "content": "sunny", "tool_name": "get_weather"})
    assert made.messages[0].tool_call_id == "call_get_weather"


def test_thinking_of_an_earlier_answer_goes_along() -> None:
    made = turn({"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "thinking": "c"})
    assert made.body["messages"][1]["reasoning_content"] == "c"


def test_a_prompt_is_the_message_of_a_user() -> None:
    made = generated(prompt="hi", system="be brief", images=[PNG], suffix="", context=None)
    assert [message.role for message in made.messages] == ["system", "user"]
    assert made.has_image
    assert generated(prompt="hi").body["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("kept", [0, -1, 1.5, "0", "300", "5m", "1h30m", "-1s"])
def test_every_way_to_write_a_duration_is_read(kept: Any) -> None:
    assert turn(keep_alive=kept).body["keep_alive"] == kept


def test_nothing_said_is_a_wish_to_have_the_model_loaded() -> None:
    assert ollama.parse_chat(b'{"model": "auto"}', turn_id="t1").messages == ()
    assert generated(prompt="").messages == ()
    loads = ollama.CHAT.loaded
    unloads = ollama.GENERATE.loaded
    assert loads is not None
    assert unloads is not None
    assert orjson.loads(loads(generated()))["done_reason"] == "load"
    answer = orjson.loads(unloads(generated(keep_alive=0)))
    assert (answer["done_reason"], answer["response"], answer["done"]) == ("unload", "", True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "images": ["no base64!"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "content": "x", "images": [f"{PNG[:-1]}"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64,"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "system", "content": "x", "images": [PNG]}]}, "messages[0].images"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}, "messages[0].tool_calls[0].function.name"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"options": []}, "options"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"seed": True}}, "options.seed"),
        ({"options": {"num_predict": 1.5}}, "options.num_predict"),
        ({"options": {"seed": 1e300}}, "options.seed"),
        ({"options": {"stop": [1]}}, "options.stop"),
        ({"options": {"use_mmap": 1}}, "options.use_mmap"),
        ({"think": "maybe"}, "think"),
        ({"keep_alive": []}, "keep_alive"),
        ({"keep_alive": True}, "keep_alive"),
        ({"keep_alive": "forever"}, "keep_alive"),
        ({"keep_alive": "5 minutes"}, "keep_alive"),
        ({"format": "xml"}, "format"),
        ({"stream": "yes"}, "stream"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
    ],
)
def test_row_57_a_wrong_field_is_named_by_its_path_and_not_repeated(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(**fields)
    assert caught.value.param == param
    shown = orjson.loads(ollama.error_body(caught.value))
    assert shown.keys() == {"error"}
    assert "no base64!" not in shown["error"]


@pytest.mark.parametrize("raw", [b"", b"  ", b"{", b"[]", b'{"model": "a", "messages": NaN}', b"\xff", b'{"messages": []}'])
def test_row_57_what_is_no_request_is_a_400(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ollama.parse_chat(raw, turn_id="t1")
    assert caught.value.status == 400


def test_row_56_nesting_has_an_end() -> None:
    with pytest.raises(CallerError):
        turn(metadata=orjson.loads(b'{"a":' * 200 + b"1" + b"}" * 200))


@pytest.mark.parametrize("name", ["context", "raw", "suffix", "template"])
def test_what_goes_past_the_conversation_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        generated(prompt="hi", **{name: [1, 2]})
    assert caught.value.param == name


@pytest.mark.parametrize(
    "fields",
    [
        {"api_base": "http://127.0.0.1:9"},
        {"options": {"api_base": "http://127.0.0.1:9"}},
        {"options": {"nested": {"base_url": "x"}}},
        {"messages": [{"role": "user", "content": "x", "extra_headers": {}}]},
    ],
)
def test_row_61_a_field_that_steers_is_refused_wherever_it_stands(fields: dict[str, Any]) -> None:
    with pytest.raises(ForbiddenField):
        turn(**fields)
    with pytest.raises(ForbiddenField):
        turn(headers={"x-api-base": "http://127.0.0.1:9"})


def test_the_hints_of_headers_are_read() -> None:
    made = turn(headers={"x-openwebui-chat-id": "c1", "x-waypost-private": "true", "x-waypost-channel": "Voice"})
    assert (made.session, made.private, made.channel) == ("c1", True, "voice")


def call(name: str, **more: Any) -> dict[str, Any]:
    return {**more, "function": {"name": name, "arguments": {"timeout": 5}}}
