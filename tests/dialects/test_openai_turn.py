from __future__ import annotations

import orjson
import pytest
from openai_bodies import body, function_tool, turn, user

from waypost.dialects import openai
from waypost.errors import InvalidRequest, UnknownModel
from waypost.turn import Tool


def test_a_plain_request_becomes_a_turn() -> None:
    made = turn(user("hello"), stream=True)
    assert (made.id, made.model, made.dialect, made.stream) == ("t1", "auto", "openai", True)
    assert made.user_texts == ("hello",)
    assert (made.session, made.caller, made.private, made.tool_choice) == (None, None, False, None)


def test_the_turn_keeps_the_very_body_that_it_was_given() -> None:
    given = body(user("hello"), min_p=0.05, chat_template_kwargs={"enable_thinking": False})
    assert openai.parse_body(given, turn_id="t1").body is given


def test_unknown_fields_are_passed_on() -> None:
    made = turn(user("hello"), min_p=0.05, options={"num_predict": 5}, cache_prompt=True)
    assert made.body["min_p"] == 0.05
    assert made.body["options"] == {"num_predict": 5}


@pytest.mark.parametrize(
    ("fields", "cap"),
    [({}, None), ({"max_tokens": 7}, 7), ({"max_completion_tokens": 9}, 9), ({"max_tokens": 7, "max_completion_tokens": 9}, 9)],
)
def test_the_answers_cap_is_the_callers_or_unknown(fields: dict[str, int], cap: int | None) -> None:
    assert turn(**fields).answer_tokens == cap


def test_null_is_the_same_as_absent() -> None:
    names = (
        "temperature",
        "stop",
        "tools",
        "tool_choice",
        "response_format",
        "stream",
        "max_tokens",
        "stream_options",
        "user",
        "n",
    )
    made = turn(**dict.fromkeys(names))
    assert (made.tools, made.tool_choice, made.response_format, made.stream) == ((), None, "text", False)


def test_tools_of_all_kinds_are_read() -> None:
    custom = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
    older = {"name": "old", "parameters": {"type": "object"}}
    made = turn(tools=[function_tool(), custom], functions=[older])
    assert [tool.name for tool in made.tools] == ["get_weather", "shell", "old"]
    assert made.tools[1] == Tool("shell")
    assert made.needs_tools


@pytest.mark.parametrize(
    ("field", "choice", "read"),
    [
        ("tool_choice", "none", "none"),
        ("tool_choice", "auto", "auto"),
        ("tool_choice", "required", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{}]}}, "required"),
        ("function_call", "none", "none"),
        ("function_call", {"name": "get_weather"}, "get_weather"),
    ],
)
def test_a_tool_choice_is_a_mode_or_a_name(field: str, choice: object, read: str) -> None:
    assert turn(tools=[function_tool()], **{field: choice}).tool_choice == read


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [function_tool()], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}}, "tool_choice.allowed_tools.mode"),
        ({"function_call": "required"}, "function_call"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [function_tool(), {"type": "function"}]}, "tools[1].function"),
        ({"tools": [function_tool(name="")]}, "tools[0].function.name"),
        ({"tools": [function_tool(parameters="{}")]}, "tools[0].function.parameters"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "x", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
        ),
        ({"functions": [{"description": "no name"}]}, "functions[0].name"),
    ],
)
def test_a_wrong_tool_is_named_by_its_path(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(**fields)
    assert caught.value.param == param


def test_the_form_of_the_answer_is_read() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}, "strict": True}}
    assert turn(response_format=schema).response_format == "json_schema"
    assert turn(response_format={"type": "json_object"}).response_format == "json_object"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("json", "response_format"),
        ({"type": "xml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": []}}, "response_format.json_schema.schema"),
    ],
)
def test_a_wrong_form_is_named_by_its_path(given: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(response_format=given)
    assert caught.value.param == param


def test_hints_come_from_headers() -> None:
    made = turn(headers={"x-openwebui-chat-id": "c1", "x-waypost-private": "True"}, user="u1")
    assert (made.session, made.private, made.caller) == ("c1", True, "u1")
    assert turn(headers={"x-waypost-session": "s1", "x-openwebui-chat-id": "c1"}).session == "s1"
    assert turn(user="u1", safety_identifier="s1").caller == "s1"
    assert len(turn(headers={"x-waypost-session": "s" * 5000}).session or "") == 256


def test_a_channel_has_no_case_and_is_cut_when_long() -> None:
    assert turn(headers={"x-waypost-channel": " Voice "}).channel == "voice"
    assert turn(headers={"x-waypost-channel": " "}).channel is None
    assert turn(headers={"x-waypost-channel": "V" * 65}).channel == "v" * 64


@pytest.mark.parametrize(("given", "private"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_a_private_request_is_marked(given: str, private: bool) -> None:
    assert turn(headers={"x-waypost-private": given}).private is private


def test_a_privacy_hint_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="must be true or false"):
        turn(headers={"x-waypost-private": "please"})


def test_usage_is_wanted_only_when_asked_for() -> None:
    assert openai.wants_usage(turn(stream=True, stream_options={"include_usage": True}))
    assert not openai.wants_usage(turn(stream=True, stream_options={"include_usage": False}))
    assert not openai.wants_usage(turn(stream=True, stream_options=None))
    assert not openai.wants_usage(turn(stream=True))


def test_errors_go_back_in_openais_form() -> None:
    shown = orjson.loads(openai.error_body(InvalidRequest("'n' must be an integer.", param="n")))
    assert shown == {
        "error": {"message": "'n' must be an integer.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
    }
    assert orjson.loads(openai.error_body(UnknownModel("no model")))["error"]["param"] is None


def test_events_are_framed_for_a_stream() -> None:
    assert openai.frame(b"{}") == b"data: {}\n\n"
    assert openai.DONE == b"data: [DONE]\n\n"


def test_everything_the_model_reads_counts_as_prompt() -> None:
    plain = turn(user("hello")).prompt_tokens
    with_tools = turn(user("hello"), tools=[function_tool()]).prompt_tokens
    with_schema = turn(
        user("hello"), response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}}}
    ).prompt_tokens
    with_image = turn(user([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])).prompt_tokens
    assert plain < with_schema < with_tools < with_image
    assert turn(user("hello"), user("hello")).prompt_tokens > plain


def test_an_image_at_low_detail_counts_less() -> None:
    def size(**detail: str) -> int:
        return turn(user([{"type": "image_url", "image_url": {"url": "https://example.org/a.png", **detail}}])).prompt_tokens

    assert size(detail="low") < 200 < size(detail="high") == size()


def test_sound_and_documents_count_by_their_size() -> None:
    def sound(size: int) -> int:
        return turn(user([{"type": "input_audio", "input_audio": {"data": "A" * size, "format": "mp3"}}])).prompt_tokens

    def document(size: int) -> int:
        return turn(user([{"type": "file", "file": {"file_data": "A" * size}}])).prompt_tokens

    assert sound(100_000) > sound(1_000)
    assert document(1_000_000) > document(1_000)
