"""Ollama's answers in OpenAI's form, whatever the pieces they come in."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost import errors
from waypost.dispatch.events import Call, Event
from waypost.dispatch.ollama_answer import OllamaAnswer
from waypost.dispatch.ollama_errors import ollama_error
from waypost.fleet.deployment import Deployment
from waypost.fleet.timings import Timings

OF = Deployment("q", "q", "ollama_chat", "qwen3:8b", "ollama", local=True)
ASKED = Call(OF, {}, prompt_tokens=9000)
COUNTS = {
    "load_duration": 2_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 500_000_000,
    "eval_count": 9,
    "eval_duration": 4_000_000_000,
}


def line(*, done: bool = False, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "", **message}
    return {"model": "qwen3:8b", "created_at": "2026-11-23T20:00:00.1Z", "message": said, "done": done}


def last(reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {**line(done=True), "done_reason": reason, **COUNTS, **more}


def wire(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)


def answer(*, stream: bool = True) -> OllamaAnswer:
    return OllamaAnswer(Call(OF, {}, stream), {}, clock=lambda: 1_700_000_000.5, new_id=lambda: "id")


def read(*pieces: bytes) -> list[Event]:
    reader = answer()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events if reader.done else [*events, *reader.end()]


def whole(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(stream=False).whole(json.dumps(body).encode()).payload)
    return found


CALLS = [
    {"id": "call_a", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}},
    {"function": {"index": 0, "name": "get_time", "arguments": {}}},
    {"id": "call_a", "function": {"name": "get_time"}},
]
SAMPLE = wire(
    line(thinking="Hm, é€"),
    line(content="Hello 你好"),
    *(line(tool_calls=[call]) for call in CALLS),
    line(content=" 😀"),
    last(),
)


def test_a_stream_has_the_form_of_openais() -> None:
    events = read(SAMPLE)
    chunks = [json.loads(event.payload) for event in events]
    head = {"id": "chatcmpl-id", "created": 1_700_000_000, "model": "qwen3:8b", "object": "chat.completion.chunk"}
    assert all(head.items() <= chunk.items() for chunk in chunks)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": "", "reasoning_content": "Hm, é€"}
    assert deltas[1] == {"content": "Hello 你好"}
    assert deltas[2] == {
        "tool_calls": [
            {
                "index": 0,
                "id": "call_a",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
            }
        ]
    }
    ids = [call["id"] for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", ())] == [0, 1, 2]
    assert len(set(ids)) == 3
    assert deltas[-1] == {}
    assert [event.finish_reason for event in events] == [None] * 6 + ["tool_calls", None]
    assert chunks[-1]["usage"] == {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}
    assert [event.usage_only for event in events] == [False] * 7 + [True]
    assert [event.more for event in events] == [True] * 7 + [False]
    assert [event.output for event in events] == [True] * 6 + [False, False]


def test_the_last_line_brings_what_the_engine_measured() -> None:
    events = read(SAMPLE)
    assert events[-1].timings == Timings(2.0, 0.5, 26, 4.0, 9)
    cached = read(wire(line(content="x"), last(prompt_eval_cached_count=20)))[-1]
    assert cached.usage is not None
    assert (cached.usage.prompt_tokens, cached.usage.cached_tokens) == (26, 20)
    assert cached.timings is not None
    assert cached.timings.prompt_tokens == 6


def test_the_same_answer_whole_says_the_same() -> None:
    made = whole({**last(), **line(done=True, content="Hello", thinking="Hm", tool_calls=CALLS[:2])})
    [choice] = made["choices"]
    assert made["object"] == "chat.completion"
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("Hello", "Hm")
    assert [call["function"] for call in choice["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":"Paris"}'},
        {"name": "get_time", "arguments": "{}"},
    ]
    assert choice["finish_reason"] == "tool_calls"
    assert made["usage"]["total_tokens"] == 35
    assert answer(stream=False).whole(json.dumps(last()).encode()).timings == Timings(2.0, 0.5, 26, 4.0, 9)


def test_rows_17_and_18_two_splits_anywhere_change_nothing() -> None:
    reference = [event.payload for event in read(SAMPLE)]
    for first in range(len(SAMPLE) + 1):
        second = min(len(SAMPLE), first + 7)
        assert [event.payload for event in read(SAMPLE[:first], SAMPLE[first:second], SAMPLE[second:])] == reference


MESSAGES = st.fixed_dictionaries(
    {"content": st.text(max_size=6)}, optional={"thinking": st.text(max_size=6), "tool_calls": st.just(CALLS[:1])}
)


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=5), st.data())
def test_rows_17_and_18_any_answer_survives_any_cut(messages: list[dict[str, Any]], data: Any) -> None:
    sample = wire(*(line(**message) for message in messages), last("length")).replace(b"\\ud", b"\\u0")
    cuts = data.draw(st.lists(st.integers(0, len(sample)), max_size=8))
    reference = [event.payload for event in read(sample)]
    assert [event.payload for event in read(*(sample[a:b] for a, b in pairwise([0, *sorted(cuts), len(sample)])))] == reference
    assert [event.payload for event in read(*(bytes((byte,)) for byte in sample))] == reference


@pytest.mark.parametrize(
    ("reason", "expected"), [("stop", "stop"), ("length", "length"), ("load", "stop"), ("unload", "stop"), ("", "stop")]
)
def test_why_it_ended_is_openais_word_for_it(reason: str, expected: str) -> None:
    assert whole(last(reason))["choices"][0]["finish_reason"] == expected
    assert [event.finish_reason for event in read(wire(last(reason)))] == [expected, None]


def test_counts_that_are_missing_are_unknown() -> None:
    bare = {**line(done=True), "done_reason": "load"}
    [event] = read(wire(bare))
    assert (event.usage, "usage" in json.loads(event.payload)) == (None, False)
    assert "usage" not in whole(bare)
    assert "usage" not in whole({**bare, "eval_count": 3})


def test_logprobs_are_in_openais_place() -> None:
    given = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}]
    expected = {"content": [{**given[0], "top_logprobs": [{"token": "Ho", "logprob": -1.5, "bytes": None}]}], "refusal": None}
    first = json.loads(read(wire({**line(content="Hi"), "logprobs": given}, last()))[0].payload)
    assert first["choices"][0]["logprobs"] == expected
    assert whole({**last(), "logprobs": given})["choices"][0]["logprobs"] == expected


def test_an_error_in_the_middle_comes_after_what_came_before_it() -> None:
    reader, seen = answer(), list[Event]()
    with pytest.raises(errors.ProviderUnavailable, match="it broke"):
        seen.extend(reader.feed(wire(line(content="a"), line(content="b"), {"error": "it broke"})))
    assert [(event.text, event.more) for event in seen] == [("a", True), ("b", False)]


@pytest.mark.parametrize("stuff", [b"null\n", b"[]\n", b"{}\n", b'{"message": 3}\n', b"<html>\n", b'"x"\n', b"\xff\xfe\n"])
def test_what_is_no_line_of_an_answer_is_left_out_and_counted(stuff: bytes) -> None:
    events = read(wire(line(content="a")) + stuff * 2 + wire(line(content="b"), last()))
    assert [(event.text, event.skipped) for event in events[:2]] == [("a", 0), ("b", 2)]
    with pytest.raises(errors.ProviderProtocolError, match="nothing that can be read"):
        read(stuff)
    with pytest.raises(errors.ProviderProtocolError):
        answer(stream=False).whole(stuff)


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"content": None},
        {"content": 3, "thinking": [], "tool_calls": "x"},
        {"tool_calls": [None, {}, {"function": 3}]},
    ],
)
def test_a_message_of_the_wrong_shape_breaks_nothing(message: Any) -> None:
    odd = {**line(), "message": message}
    assert whole({**last(), "message": message})["choices"][0]["message"]["role"] == "assistant"
    assert read(wire(odd, line(content="x"), last()))[-1].usage_only


def test_an_answer_that_is_not_done_is_not_complete() -> None:
    with pytest.raises(errors.ProviderProtocolError, match="ended the stream before its end"):
        read(wire(line(content="a")))
    with pytest.raises(errors.ProviderProtocolError, match="empty stream"):
        read(b"")
    with pytest.raises(errors.ProviderProtocolError, match="not complete"):
        whole(line(content="a"))


LLAMA_SERVER = json.dumps(
    {"error": {"code": 400, "message": "exceeds", "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}}
)


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (404, "model 'nope' not found", errors.ProviderProtocolError),
        (400, "registry.ollama.ai/library/phi3:mini does not support tools", errors.ProviderCannot),
        (400, '"phi3" does not support thinking', errors.ProviderCannot),
        (400, 'think value "high" is not supported for this model', errors.ProviderCannot),
        (500, "this model is missing data required for image input", errors.ProviderCannot),
        (400, "the input length exceeds the context length", errors.ProviderContextTooLong),
        (400, LLAMA_SERVER, errors.ProviderContextTooLong),
        (400, 'option "stop" must be of type array', errors.ProviderRejected),
        (500, 'option "temperature" must be of type float32', errors.ProviderRejected),
        (500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object', errors.ProviderRejected),
        (None, "invalid JSON schema in format", errors.ProviderRejected),
        (500, "Failed to create new sequence: failed to process inputs: image: unknown format", errors.ProviderRejected),
        (500, "model requires more system memory (8.1 GiB) than is available (7.3 GiB)", errors.ModelLoadFailed),
        (500, "llama runner process has terminated: exit status 2", errors.ModelLoadFailed),
        (500, "timed out waiting for llama-server to start - ", errors.ModelLoadFailed),
        (500, "llama-server reported out-of-memory during startup: cudaMalloc failed", errors.ModelLoadFailed),
        (None, "cudaMalloc failed: out of memory", errors.ModelLoadFailed),
        (500, "something else", errors.ProviderUnavailable),
        (503, "server busy, please try again.  maximum pending requests exceeded", errors.ProviderRateLimited),
        (503, "not now", errors.ProviderUnavailable),
        (None, "an error was encountered while running the model", errors.ProviderUnavailable),
        (None, LLAMA_SERVER, errors.ProviderContextTooLong),
        (401, "unauthorized", errors.ProviderAuthFailed),
    ],
)
def test_a_sentence_of_ollamas_is_one_error_of_our_tree(
    status: int | None, words: str, kind: type[errors.ProviderError]
) -> None:
    error = ollama_error(ASKED, status, {"error": words})
    assert type(error) is kind
    assert error.message.startswith("q ")
    assert isinstance(error, errors.ModelLoadFailed) is (kind is errors.ModelLoadFailed)


def test_the_window_that_an_overflow_names_is_kept_with_both_numbers() -> None:
    error = ollama_error(ASKED, 400, {"error": LLAMA_SERVER})
    assert isinstance(error, errors.ProviderContextTooLong)
    assert (error.window_tokens, "4096" in error.message, "9000" in error.message) == (4096, True, True)


def test_an_overflow_without_a_number_shows_that_the_window_is_smaller_than_the_prompt() -> None:
    words = {"error": "the input length exceeds the context length"}
    for known, expected in ((None, 8999), (32_768, 8999), (4096, None)):
        error = ollama_error(replace(ASKED, deployment=replace(OF, window_tokens=known)), 400, words)
        assert isinstance(error, errors.ProviderContextTooLong)
        assert error.window_tokens == expected
    error = ollama_error(Call(OF, {}, prompt_tokens=7), 400, words)
    assert isinstance(error, errors.ProviderContextTooLong)
    assert error.window_tokens == 2048


@pytest.mark.parametrize(
    "said", [None, [], 3, {"error": {}}, {"error": "{"}, {"error": "{}"}, {"error": "[1]"}, {"error": ["x"]}]
)
def test_an_error_of_the_wrong_shape_is_one_all_the_same(said: Any) -> None:
    assert isinstance(ollama_error(ASKED, 500, said), errors.ProviderUnavailable)
