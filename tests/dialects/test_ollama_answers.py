"""Answers in OpenAI's form, written as Ollama would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import pytest
from ollama_bodies import turn

from waypost.dialects.ollama_answer import Answer, in_message, in_response, timestamp
from waypost.errors import ProviderProtocolError, StreamBroken
from waypost.fleet.timings import Timings

NOON = 1_795_608_000_123_456_789


@dataclass
class Chunk:
    payload: bytes
    usage_only: bool = False
    timings: Timings | None = None


def chunk(finish_reason: str | None = None, usage: Any = None, timings: Timings | None = None, **delta: Any) -> Chunk:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    body = {"choices": [], "usage": usage} if usage else {"choices": choices}
    return Chunk(orjson.dumps(body), usage_only=bool(usage), timings=timings)


def lines(written: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in written.splitlines()]


def stream(*chunks: Chunk, said: Any = in_message, card: Any = None) -> list[dict[str, Any]]:
    ticks = iter(range(NOON, NOON + 1000))
    answer = Answer(said, turn(), partial(next, ticks))
    return lines(b"".join([*map(answer.piece, chunks), answer.end(card)]))


def call(index: int, **function: str) -> dict[str, Any]:
    head = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
    return {"index": index, **head, "function": function}


def test_text_comes_line_by_line_and_figures_in_the_last() -> None:
    usage = {"prompt_tokens": 26, "completion_tokens": 2}
    found = stream(
        chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop"), chunk(usage=usage)
    )
    assert [line["message"] for line in found] == [
        {"role": "assistant", "content": "Hel"},
        {"role": "assistant", "content": "lo"},
        {"role": "assistant", "content": ""},
    ]
    assert {line["model"] for line in found} == {"auto"}
    assert [line["done"] for line in found] == [False, False, True]
    last = found[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 26, 2)
    assert last["total_duration"] >= 1
    assert found[0]["created_at"].startswith("2026-11-25T")
    assert "eval_duration" not in last


def test_what_the_engine_measured_is_told_in_nanoseconds() -> None:
    measured = Timings(load_s=1.5, prompt_s=0.25, prompt_tokens=26, answer_s=2.0, answer_tokens=2)
    [last] = stream(chunk("stop"), chunk(usage={"prompt_tokens": 26, "completion_tokens": 2}, timings=measured))
    durations = {name: last[f"{name}_duration"] for name in ("load", "prompt_eval", "eval")}
    assert durations == {"load": 1_500_000_000, "prompt_eval": 250_000_000, "eval": 2_000_000_000}


def test_what_is_unknown_or_nothing_is_absent() -> None:
    [last] = stream(chunk("length"), chunk(usage={"prompt_tokens": 0, "completion_tokens": None}))
    assert last["done_reason"] == "length"
    assert "prompt_eval_count" not in last
    assert "eval_count" not in last


def test_thinking_has_a_field_of_its_own() -> None:
    found = stream(chunk(reasoning_content="hm"), chunk(content="yes"), chunk("stop"))
    assert found[0]["message"] == {"role": "assistant", "content": "", "thinking": "hm"}
    generated = stream(chunk(reasoning_content="hm"), chunk(content="yes"), chunk("stop"), said=in_response)
    assert [(line["response"], line.get("thinking")) for line in generated] == [("", "hm"), ("yes", None), ("", None)]


def test_calls_come_whole_one_a_line_before_the_last() -> None:
    found = stream(
        chunk(tool_calls=[call(0, name="get_weather", arguments='{"ci')]),
        chunk(tool_calls=[call(0, arguments='ty": "Paris"}')]),
        chunk(tool_calls=[call(1, name="get_time", arguments="")]),
        chunk("tool_calls"),
    )
    assert [line["message"].get("tool_calls") for line in found] == [
        [{"id": "call_0", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}}],
        [{"id": "call_1", "function": {"index": 1, "name": "get_time", "arguments": {}}}],
        None,
    ]
    assert (found[-1]["done"], found[-1]["done_reason"]) == (True, "stop")


def test_row_22_half_a_call_is_never_given() -> None:
    half = chunk(tool_calls=[call(0, name="get_weather", arguments='{"ci')])
    with pytest.raises(ProviderProtocolError):
        stream(half, chunk("tool_calls"))
    [last] = stream(half, chunk("length"))
    assert last["done_reason"] == "length"


def test_a_whole_answer_is_one_object() -> None:
    message = {"content": "It is", "reasoning_content": "hm", "tool_calls": [call(0, name="get_weather", arguments='{"a": 1}')]}
    completion = {
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": {"content": [{"token": "It"}]}}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    [answer] = lines(Answer(in_message, turn()).whole(orjson.dumps(completion), Timings(answer_s=0.5), {"id": "wp_1"}))
    assert answer["message"]["content"] == "It is"
    assert answer["message"]["thinking"] == "hm"
    assert answer["message"]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert (answer["done"], answer["done_reason"], answer["eval_count"]) == (True, "stop", 3)
    assert (answer["eval_duration"], "load_duration" in answer) == (500_000_000, False)
    assert answer["waypost"] == {"id": "wp_1"}
    assert answer["logprobs"] == [{"token": "It"}]


def test_a_broken_stream_ends_with_an_error_and_is_not_done() -> None:
    assert lines(Answer(in_message, turn()).broken(StreamBroken("a broke off"))) == [{"error": "a broke off"}]


def test_a_ping_is_a_line_that_says_nothing() -> None:
    [line] = lines(Answer(in_message, turn()).ping("ping"))
    assert (line["message"]["content"], line["done"]) == ("", False)


def test_times_have_nine_digits_and_a_zone() -> None:
    assert timestamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"
