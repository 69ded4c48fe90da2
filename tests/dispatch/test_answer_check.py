"""The verdict on an answer: what was called against what was offered, and the form of the text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.dispatch.answer_check import MAX_CALLS, MAX_HELD_BYTES, AnswerCheck, Verdict
from waypost.dispatch.json_schema import MAX_VALUE_BYTES
from waypost.faults.tool_faults import TOOLS

PARIS = '{"city": "Paris"}'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def call(name: str, arguments: Any = PARIS) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def parts(text: str) -> list[str]:
    size = 1 + len(text) // 100
    return [text[at : at + size] for at in range(0, len(text), size)]


def judged(*messages: dict[str, Any], **body: Any) -> Verdict | None:
    """The verdict on a whole answer with one choice for each message; the same as for the chunks that say it."""
    choices = [{"index": at, "message": message} for at, message in enumerate(messages)]
    check = AnswerCheck.of({"tools": TOOLS, **body})
    assert check is not None
    check.see(json.dumps({"choices": choices}).encode())
    streamed = AnswerCheck({"tools": TOOLS, **body})
    for at, message in enumerate(messages):
        pieces: list[dict[str, Any]] = [{"role": "assistant"}]
        pieces += [{"content": part} for part in parts(message.get("content") or "")]
        for index, made in enumerate(message.get("tool_calls", ())):
            function = made["function"]
            pieces.append({"tool_calls": [{"index": index, "function": {"name": function["name"]}}]})
            pieces += [
                {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
                for part in parts(function["arguments"] or "")
            ]
        pieces += [{"refusal": message["refusal"]}] if "refusal" in message else []
        for piece in pieces:
            streamed.see(json.dumps({"choices": [{"index": at, "delta": piece}]}).encode())
    verdict = check.verdict()
    assert streamed.verdict() == verdict
    return verdict


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([call("get_weather")], "ok"),
        ([call("get_weather"), call("get_time", "")], "ok"),
        ([call("get_time", None)], "ok"),
        ([call("get_wether")], "unknown_tool"),
        ([call("")], "unknown_tool"),
        ([call("get_weather", '{"city": "Par')], "invalid_json"),
        ([call("get_weather", '{"city": NaN}')], "invalid_json"),
        ([call("get_weather", "")], "invalid_arguments"),
        ([call("get_weather", '"Paris"')], "invalid_arguments"),
        ([call("get_weather", '{"city": 5}')], "invalid_arguments"),
        ([call("get_time", "[]")], "invalid_arguments"),
        ([call("get_weather"), call("get_time", "{")], "invalid_json"),
        ([call("get_time", "{}")] * (MAX_CALLS + 1), None),
        ([call("get_time", '{"x": "' + "x" * MAX_VALUE_BYTES + '"}')], None),
    ],
)
def test_every_call_is_held_to_the_tools_that_were_offered(calls: list[dict[str, Any]], expected: str | None) -> None:
    assert judged({"tool_calls": calls}) == expected


def test_a_text_is_no_tool_call_and_nothing_is_said() -> None:
    assert judged({"content": "It is sunny."}) is None
    assert judged({"content": "It is sunny."}, tool_choice="auto") is None


def test_every_choice_counts_and_the_worst_is_told() -> None:
    assert judged({"tool_calls": [call("get_weather")]}, {"tool_calls": [call("nothing")]}) == "unknown_tool"
    assert judged({"tool_calls": [call("get_weather")]}, {"content": "sunny"}) == "ok"


def test_a_schema_that_cannot_be_used_says_nothing_but_broken_json_is_broken() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "nonsense"}}}]
    assert judged({"tool_calls": [call("f")]}, tools=tools) is None
    assert judged({"tool_calls": [call("f", "{")]}, tools=tools) == "invalid_json"


def test_custom_tools_take_any_text_and_older_functions_are_tools_too() -> None:
    custom = AnswerCheck({"tools": [{"type": "custom", "custom": {"name": "shell"}}]})
    custom.see(b'{"choices": [{"message": {"tool_calls": [{"type": "custom", "custom": {"name": "shell", "input": "ls"}}]}}]}')
    assert custom.verdict() == "ok"
    for name, expected in (("f", "invalid_arguments"), ("g", "unknown_tool")):
        older = AnswerCheck.of({"functions": [{"name": "f", "parameters": SCHEMA}]})
        assert older is not None
        older.see(json.dumps({"choices": [{"message": {"function_call": {"name": name, "arguments": "{}"}}}]}).encode())
        assert older.verdict() == expected


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ({"type": "json_object"}, "[]", None),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, '{"n": 1}', "ok"),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, '{"n": "1"}', "invalid_text"),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, "```json\n{}\n```", "invalid_text"),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, "", "invalid_text"),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": {"$ref": "#x"}}}, "{}", None),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, "[]", None),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
            '"' + "x" * MAX_VALUE_BYTES + '"',
            None,
        ),
        ({"type": "text"}, "hello", None),
    ],
)
def test_a_text_is_held_to_the_form_that_was_asked_for(form: dict[str, Any], text: str, expected: str | None) -> None:
    assert judged({"content": text}, tools=None, response_format=form) == expected


def test_a_refusal_and_a_tool_call_need_no_form() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    assert judged({"content": None, "refusal": "no"}, response_format=form) is None
    assert judged({"content": None, "tool_calls": [call("get_weather")]}, response_format=form) == "ok"


def test_a_request_that_asks_for_nothing_in_particular_has_no_check() -> None:
    assert AnswerCheck.of({"messages": []}) is None
    assert AnswerCheck.of({"tools": [], "response_format": None}) is None


def test_what_a_route_lays_over_a_request_may_be_anything() -> None:
    for tools in ("x", [1], [{"type": 5}], {"a": 1}, [{"type": "function", "function": 5}]):
        assert judged({"tool_calls": [call("f")]}, tools=tools) == "unknown_tool"


def test_an_answer_without_end_is_neither_kept_nor_judged() -> None:
    check = AnswerCheck({"tools": TOOLS})
    payload = json.dumps({"choices": [{"message": {"tool_calls": [call("get_weather")], "content": "x" * 100_000}}]}).encode()
    for _ in range(MAX_HELD_BYTES // len(payload) + 2):
        check.see(payload)
    assert check.verdict() is None
    assert not check._held
