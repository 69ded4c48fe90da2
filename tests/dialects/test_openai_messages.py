from __future__ import annotations

from typing import Any

import pytest
from openai_bodies import PNG, body, turn, user

from waypost.dialects import openai
from waypost.errors import InvalidRequest
from waypost.turn import Audio, File, Image, Message, Refusal, Text, ToolCall

CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Bonn"}'}}
ANSWERED = {"role": "assistant", "content": "Hello."}


def read(message: dict[str, Any]) -> Message:
    return turn(message).messages[0]


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_text_may_be_a_string_or_parts(role: str) -> None:
    assert read({"role": role, "content": "hi"}).text == "hi"
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read({"role": role, "content": parts}).text == "a\nb"


def test_names_of_participants_are_kept() -> None:
    assert read({"role": "user", "name": "ada", "content": "hi"}) == Message("user", (Text("hi"),), "ada")


def test_images_come_by_address_or_inline() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": url}} for url in ("https://example.org/a.png", "HTTP://example.org", PNG)
    ]
    made = turn(user(parts), user("what is this?"))
    assert made.messages[0].parts == (Image(inline=False), Image(inline=False), Image(inline=True))
    assert made.has_image


def test_sound_and_files_are_read() -> None:
    parts = [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    made = turn(user(parts))
    assert made.messages[0].parts == (Audio("wav"), File("a.pdf"), File(None))
    assert made.has_audio
    assert made.has_file


def test_a_call_needs_no_content() -> None:
    made = turn(user("weather?"), {"role": "assistant", "content": None, "tool_calls": [CALL]})
    assert made.messages[1] == Message("assistant", tool_calls=(ToolCall("c1", "get_weather", '{"city":"Bonn"}'),))
    assert made.needs_tools
    assert not made.tool_loop_open


def test_a_tools_result_leaves_the_loop_open() -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "7 degrees"}]}
    made = turn(user("weather?"), {"role": "assistant", "tool_calls": [CALL]}, result)
    assert made.messages[2] == Message("tool", (Text("7 degrees"),), tool_call_id="c1")
    assert made.tool_loop_open


def test_custom_and_older_calls_are_read() -> None:
    custom = {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    assert read({"role": "assistant", "tool_calls": [custom]}).tool_calls == (ToolCall("c2", "shell", "ls"),)
    older = {"role": "assistant", "content": None, "function_call": {"name": "old", "arguments": "{}"}}
    assert read(older).tool_calls == (ToolCall(None, "old", "{}"),)
    assert read({"role": "function", "name": "old", "content": None}) == Message("function", name="old")


def test_refusals_and_spoken_answers_are_read() -> None:
    assert read({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}).parts == (Refusal("No."),)
    assert read({"role": "assistant", "refusal": "No."}).parts == (Refusal("No."),)
    assert read({"role": "assistant", "audio": {"id": "audio_1"}}).parts == (Audio(None),)


def test_an_answer_may_be_sent_back_as_it_came() -> None:
    echoed = {
        "role": "assistant",
        "content": "Hello.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "reasoning_content": "They greet me.",
    }
    assert read(echoed) == Message("assistant", (Text("Hello."),))


@pytest.mark.parametrize(
    ("message", "below"),
    [
        ("hello", ""),
        ({"content": "x"}, ".role"),
        ({"role": "robot", "content": "x"}, ".role"),
        ({"role": ["user"], "content": "x"}, ".role"),
        ({"role": "user"}, ".content"),
        ({"role": "user", "content": None}, ".content"),
        ({"role": "user", "content": []}, ".content"),
        ({"role": "user", "content": 7}, ".content"),
        ({"role": "user", "content": "x", "name": 7}, ".name"),
        (user(["x"]), ".content[0]"),
        (user([{"type": "text"}]), ".content[0].text"),
        (user([{"text": "x"}]), ".content[0].type"),
        (user([{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "x"}]), ".content[1].type"),
        (user([{"type": "image_url", "image_url": PNG}]), ".content[0].image_url"),
        (user([{"type": "image_url", "image_url": {}}]), ".content[0].image_url.url"),
        (user([{"type": "image_url", "image_url": {"url": PNG, "detail": "huge"}}]), ".content[0].image_url.detail"),
        (user([{"type": "input_audio", "input_audio": {"data": "x"}}]), ".content[0].input_audio.format"),
        (user([{"type": "file", "file": {"filename": "x"}}]), ".content[0].file"),
        ({"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}, ".content[0].type"),
        ({"role": "assistant"}, ".content"),
        ({"role": "assistant", "tool_calls": []}, ".content"),
        ({"role": "assistant", "tool_calls": {}}, ".tool_calls"),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": None}]}, ".tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{**CALL, "type": "x"}]}, ".tool_calls[0].type"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "x", "arguments": {}}}]},
            ".tool_calls[0].function.arguments",
        ),
        ({"role": "assistant", "function_call": {"arguments": "{}"}}, ".function_call.name"),
        ({"role": "assistant", "audio": {}}, ".audio.id"),
        ({"role": "tool", "content": "x"}, ".tool_call_id"),
        ({"role": "tool", "tool_call_id": "c1"}, ".content"),
        ({"role": "function", "content": "x"}, ".name"),
    ],
)
def test_a_wrong_message_is_named_by_its_path(message: Any, below: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(user("hello"), ANSWERED, message)
    assert caught.value.param == f"messages[2]{below}"
    assert f"messages[2]{below}" in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.png",
        "javascript:alert(1)",
        "a.png",
        "data:text/html;base64,AA",
        "data:image/png;base64,",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AA=A",
        "data:image/png;base64,====",
        "data:image/png;base64,AAA\u00e9",
        "https://",
        "",
    ],
)
def test_images_come_by_no_other_scheme(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(user([{"type": "image_url", "image_url": {"url": url}}]))
    assert caught.value.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize("messages", [None, [], {}, "hello", 7])
def test_messages_must_be_there(messages: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai.parse_body({**body(), "messages": messages}, turn_id="t1")
    assert caught.value.param == "messages"


@pytest.mark.parametrize("model", [None, "", 7, ["auto"]])
def test_the_model_must_be_named(model: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai.parse_body({**body(), "model": model}, turn_id="t1")
    assert caught.value.param == "model"
