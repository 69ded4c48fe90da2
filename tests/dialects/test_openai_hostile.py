from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_bodies import PNG, body, function_tool, turn, user

from waypost.dialects import openai, steering
from waypost.dialects.openai_params import PARAMS
from waypost.errors import CallerError, ForbiddenField, InvalidRequest
from waypost.turn import Turn

PROMPT = "the-secret-of-the-prompt"


def refused(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        openai.parse(raw, turn_id="t1")
    assert caught.value.__cause__ is None
    assert orjson.loads(openai.error_body(caught.value))["error"]["type"] == "invalid_request_error"
    return caught.value


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"messages":['])
def test_row_56_deep_nesting_is_a_clean_400(opening: bytes) -> None:
    refused(opening * 20_000)


@pytest.mark.parametrize("levels", [130, 1_000])
@pytest.mark.parametrize("field", ["extra", "tools", "metadata"])
def test_row_56_depth_is_bounded_below_what_the_parser_takes(field: str, levels: int) -> None:
    deep = b'{"model":"auto","messages":[{"role":"user","content":"x"}],"%b":' % field.encode()
    refused(deep + b"[" * levels + b"]" * levels + b"}")


def test_row_56_a_schema_is_bounded_too() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"properties": {"x": schema}}
    with pytest.raises(InvalidRequest, match="nested deeper"):
        turn(tools=[function_tool(parameters=schema)])


def test_row_56_depth_that_people_use_is_fine() -> None:
    schema: dict[str, Any] = {}
    for _ in range(50):
        schema = {"properties": {"x": schema}}
    assert turn(tools=[function_tool(parameters=schema)]).tools[0].parameters == schema


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"7",
        b"[]",
        b'"text"',
        b"\xef\xbb\xbf" + b'{"model":"auto","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"\xff\xfe"}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
        b'{"model":"auto","temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"auto","temperature":Infinity,"messages":[{"role":"user","content":"x"}]}',
        b"{'model': 'auto'}",
        b'{"model":"auto",}',
        b'{"model":"auto"} trailing',
        "{}".encode("utf-16"),
    ],
)
def test_row_57_what_is_no_json_object_is_a_400(raw: bytes) -> None:
    refused(raw)


def test_row_57_of_two_equal_keys_the_last_counts_everywhere() -> None:
    made = openai.parse(b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}', turn_id="t1")
    assert made.model == made.body["model"] == "b"
    with pytest.raises(ForbiddenField):
        openai.parse(b'{"model":"a","messages":[{"role":"user","content":"x"}],"api_base":1,"api_base":null}', turn_id="t1")


@pytest.mark.parametrize(
    "wrong",
    [
        f'{{"model":"auto","messages":"{PROMPT}"}}',
        f'{{"model":"auto","messages":["{PROMPT}"]}}',
        f'{{"model":"auto","messages":[{{"role":"{PROMPT}","content":"x"}}]}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":[{{"type":"{PROMPT}"}}]}}]}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{PROMPT}"}}}}]}}]}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"temperature":"{PROMPT}"}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"verbosity":"{PROMPT}"}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"tool_choice":"{PROMPT}"}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"metadata":{{"{PROMPT} {PROMPT}":7}}}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"{PROMPT} of all":{{"api_base":"x"}}}}',
        f'{{"model":"auto","messages":[{{"role":"user","content":"{PROMPT}',
    ],
)
def test_row_57_no_error_repeats_the_prompt(wrong: str) -> None:
    with pytest.raises(CallerError) as caught:
        openai.parse(wrong.encode(), turn_id="t1")
    assert PROMPT not in openai.error_body(caught.value).decode() + repr(caught.value)
    assert caught.value.__cause__ is None


def test_row_50_a_nul_in_the_text_is_text() -> None:
    assert turn(user("a\x00b")).user_texts == ("a\x00b",)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", 2**70, "\ud800", {1: "x"}, complex(1, 1)], ids=lambda value: type(value).__name__
)
def test_python_values_that_json_cannot_hold_are_a_callers_error(value: object) -> None:
    with pytest.raises(InvalidRequest):
        openai.parse_body({**body(), "extra": value}, turn_id="t1")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_python_floats_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(InvalidRequest):
        openai.parse_body({**body(), "temperature": value}, turn_id="t1")


STEERING = [
    *steering.FORBIDDEN,
    *steering.FORBIDDEN_AS_FIELD,
    "aws_region_name",
    "azure_ad_token",
    "vertex_project",
    "litellm_x",
]


@pytest.mark.parametrize("name", STEERING)
def test_row_61_a_steering_field_is_refused_at_every_depth(name: str) -> None:
    places: list[tuple[str, dict[str, Any]]] = [
        (name, body(**{name: None})),
        (f"options.{name}", body(options={name: "x"})),
        (f"a.b[1][0].{name}", body(a={"b": [0, [{name: "x"}]]})),
        (f"stream_options.{name}", body(stream_options={name: "x"})),
        (f"messages[0].{name}", body({**user("hello"), name: "x"})),
        (f"messages[0].content[0].{name}", body(user([{"type": "text", "text": "x", name: "x"}]))),
        (f"messages[0].content[0].image_url.{name}", body(user([{"type": "image_url", "image_url": {"url": PNG, name: "x"}}]))),
        (f"tools[0].{name}", body(tools=[{**function_tool(), name: "x"}])),
        (f"tools[0].function.{name}", body(tools=[function_tool(**{name: "x"})])),
        (f"response_format.json_schema.{name}", body(response_format={"type": "json_schema", "json_schema": {name: "x"}})),
        (f"metadata.nested.{name}", body(metadata={"nested": {name: "x"}})),
    ]
    for param, given_body in places:
        with pytest.raises(ForbiddenField) as caught:
            openai.parse(orjson.dumps(given_body), turn_id="t1")
        assert caught.value.param == param
        assert caught.value.status == 400


@pytest.mark.parametrize("name", [*steering.FORBIDDEN, "aws_region_name", "litellm_x"])
def test_row_61_metadata_cannot_steer(name: str) -> None:
    with pytest.raises(ForbiddenField):
        turn(metadata={name: "x"})


@pytest.mark.parametrize("name", steering.FORBIDDEN_AS_FIELD)
def test_row_61_plain_words_may_label_metadata(name: str) -> None:
    assert turn(metadata={name: "x"}).body["metadata"] == {name: "x"}


def test_row_61_python_values_hide_nothing() -> None:
    @dataclass
    class Hiding:
        api_base: str

    with pytest.raises(ForbiddenField):
        openai.parse_body({**body(), "extra": ({"api_base": "http://evil"},)}, turn_id="t1")
    with pytest.raises(InvalidRequest):
        openai.parse_body({**body(), "extra": Hiding("http://evil")}, turn_id="t1")


def test_row_61_an_escaped_name_is_the_same_name() -> None:
    with pytest.raises(ForbiddenField):
        openai.parse(b'{"model":"a","messages":[{"role":"user","content":"x"}],"api\\u005fbase":"http://evil"}', turn_id="t1")


def test_row_61_headers_cannot_steer() -> None:
    headers = {"api-key": "k", "x-waypost-model": "other", "authorization": "Bearer k"}
    assert turn(user("hello"), headers=headers) == turn(user("hello"))


@pytest.mark.parametrize("name", sorted(steering.FORBIDDEN_HEADERS))
def test_row_61_a_header_with_an_address_is_refused(name: str) -> None:
    with pytest.raises(ForbiddenField) as caught:
        turn(user("hello"), headers={name: "http://evil"})
    assert caught.value.param == name


@pytest.mark.parametrize("name", STEERING)
def test_row_61_a_schema_may_describe_any_property(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}, "deep": {"properties": {name: {}}}}, name: "x"}
    turn(tools=[function_tool(parameters=schema)])
    turn(functions=[{"name": "old", "parameters": schema}])
    turn(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    turn(guided_json=schema)


@pytest.mark.parametrize("name", STEERING)
def test_row_61_text_may_speak_of_anything(name: str) -> None:
    turn(user(f'{{"{name}": "http://example.org"}}'), metadata={"about": name})
    arguments = f'{{"{name}": "x"}}'
    turn(
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}],
        }
    )
    turn(tools=[function_tool(name=name, description=name)])


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["type", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [*PARAMS, "model", "messages", "tools", "tool_choice", "functions", "function_call", "response_format", "other"]
MESSAGE_FIELDS = ["role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "other"]
ROLES = ["system", "developer", "user", "assistant", "tool", "function"]
PART_TYPES = ["text", "image_url", "input_audio", "file", "refusal"]


def turn_or_callers_error(given_body: Any) -> None:
    for parse in (
        lambda: openai.parse_body(given_body, turn_id="t1"),
        lambda: openai.parse(orjson.dumps(given_body), turn_id="t1"),
    ):
        with suppress(CallerError):
            assert isinstance(parse(), Turn)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FIELDS), ANY_JSON)
def test_any_value_in_any_field_is_a_turn_or_a_callers_error(field: str, value: Any) -> None:
    turn_or_callers_error({**body(), field: value})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ROLES), st.dictionaries(st.sampled_from(MESSAGE_FIELDS), ANY_JSON, max_size=4))
def test_any_message_is_a_turn_or_a_callers_error(role: str, message: dict[str, Any]) -> None:
    turn_or_callers_error(body({"role": role, "content": "x", **message}))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ROLES), st.sampled_from(PART_TYPES), st.dictionaries(st.sampled_from(PART_TYPES), ANY_JSON, max_size=2))
def test_any_part_is_a_turn_or_a_callers_error(role: str, kind: str, part: dict[str, Any]) -> None:
    turn_or_callers_error(body({"role": role, "name": "n", "tool_call_id": "c", "content": [{"type": kind, **part}]}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_turn_or_a_callers_error(raw: bytes) -> None:
    with pytest.raises(CallerError):
        openai.parse(raw, turn_id="t1")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"a \ud83d b", "a \ufffd b"),
        (rb"\udc00", "\ufffd"),
        (rb"\ud83d\ude00 fine", "😀 fine"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
        (rb"a path \\ud800", r"a path \ud800"),
    ],
)
def test_row_50_half_an_emoji_is_replaced_and_the_rest_is_kept(sent: bytes, read: str) -> None:
    read_turn = openai.parse(b'{"model":"auto","messages":[{"role":"user","content":"' + sent + b'"}]}', turn_id="t")
    assert read_turn.messages[0].text == read


@pytest.mark.parametrize(
    "name", ["apiBase", "API_BASE", "api-base", " api_base", "baseURL", "API-Key", "litellmParams", "hfToken"]
)
def test_row_61_another_spelling_is_refused_as_well(name: str) -> None:
    with pytest.raises(ForbiddenField) as caught:
        openai.parse_body(body(**{name: "x"}), turn_id="t")
    assert caught.value.param in (name, "?")


def test_more_values_than_any_prompt_has_are_refused_before_they_cost_everybody_time() -> None:
    with pytest.raises(InvalidRequest, match="more than 100000 values"):
        openai.parse_body(body(*[user("x")] * 40_000), turn_id="t")
    openai.parse_body(body(*[user("x")] * 10_000), turn_id="t")
