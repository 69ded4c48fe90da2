"""One form for every engine's answer: OpenAI's own schema is the judge."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from official_schema import CHUNK, COMPLETION, violations
from waypost.dispatch.conform import Form
from waypost.dispatch.events import Event
from waypost.fleet.timings import Timings

HEAD = {"id": "c-1", "created": 1_700_000_000, "model": "m"}


def form() -> Form:
    return Form("our-name", clock=lambda: 1_800_000_000.5, new_id=lambda: "made")


def chunk(delta: Any, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


def completion(message: Any, finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {**HEAD, "object": "chat.completion", "choices": [choice], **more}


def as_chunk(given: dict[str, Any], through: Form | None = None) -> tuple[dict[str, Any], bool]:
    """The chunk as a client gets it, and whether it is the bytes that came."""
    data = orjson.dumps(given)
    event = (through or form()).chunk(data, orjson.loads(data))
    return orjson.loads(event.payload), event.payload is data


def as_completion(given: dict[str, Any]) -> tuple[dict[str, Any], Event]:
    data = orjson.dumps(given)
    event = form().completion(data, orjson.loads(data))
    return orjson.loads(event.payload), event


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
CHUNKS = {
    "llama.cpp begins": chunk({"role": "assistant", "content": None}, system_fingerprint="b0"),
    "llama.cpp": chunk({"content": "hi"}, system_fingerprint="b0", timings={"cache_n": 1}),
    "vLLM begins": chunk({"role": "assistant", "content": ""}, prompt_token_ids=None),
    "vLLM calls a tool": chunk({"content": None, "tool_calls": [{"index": 0, **CALL}]}),
    "vLLM ends": chunk({}, "stop", stop_reason=None),
    "log probabilities are not asked for": chunk({"content": "hi"}) | {"system_fingerprint": "x"},
}
MENDED_CHUNKS = {
    "transformers": {**HEAD, "object": "chat.completion.chunk", "choices": [{"delta": {"content": "hi"}, "index": 0}]},
    "vLLM reasons": chunk({"reasoning": "hm"}),
    "null for objects": chunk({"role": None, "content": "hi", "tool_calls": None, "function_call": None}),
    "null fingerprint": chunk({"content": "hi"}, system_fingerprint=None),
    "null in a piece of a call": chunk({"tool_calls": [{"index": 0, "id": None, "type": None, "function": {"name": None}}]}),
    "arguments as an object": chunk({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": {}}}]}),
    "an empty finish reason": chunk({"content": "hi"}, ""),
    "TGI's finish reason": chunk({}, "eos_token"),
    "no delta": {**HEAD, "object": "chat.completion.chunk", "choices": [{"index": 0, "finish_reason": "stop"}]},
    "nothing of its own": {"choices": [{"delta": {"content": "hi"}}]},
    "a time with a fraction": chunk({"content": "hi"}) | {"created": 1_700_000_000.25},
    "another kind of object": chunk({"content": "hi"}) | {"object": "chat.completion"},
    "llama.cpp's log probabilities": {
        **HEAD,
        "object": "chat.completion.chunk",
        "choices": [
            {
                "index": 0,
                "delta": {"content": "hi"},
                "finish_reason": None,
                "logprobs": {
                    "content": [{"id": 1, "token": "hi", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -1}]}]
                },
            }
        ],
    },
    "details that are null": chunk({"content": "hi"}) | {"choices": [], "usage": {**USAGE, "prompt_tokens_details": None}},
    "a usage without a sum": chunk({}) | {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
}
COMPLETIONS = {
    "llama.cpp": completion({"role": "assistant", "content": "hi"}, timings={"cache_n": 1}),
    "transformers": completion({"content": "", "role": "assistant", "tool_calls": [CALL]}, "tool_calls"),
    "vLLM": completion(
        {"role": "assistant", "content": "hi", "refusal": None, "annotations": None, "audio": None, "function_call": None},
        system_fingerprint=None,
        usage={**USAGE, "prompt_tokens_details": None},
    ),
    "Ollama's arguments": completion({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}),
    "no arguments": completion({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}, None),
    "hardly anything": {"choices": [{"message": {"content": "hi"}}]},
}


@pytest.mark.parametrize("given", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_chunk_in_the_right_form_goes_on_as_the_bytes_that_came(given: dict[str, Any]) -> None:
    assert violations(given, CHUNK) == []
    assert as_chunk(given) == (given, True)


@pytest.mark.parametrize("given", MENDED_CHUNKS.values(), ids=MENDED_CHUNKS.keys())
def test_a_chunk_of_a_sloppy_engine_follows_the_official_schema(given: dict[str, Any]) -> None:
    mended, same = as_chunk(given)
    assert violations(mended, CHUNK) == []
    assert not same
    assert as_chunk(mended) == (mended, True)


@pytest.mark.parametrize("given", COMPLETIONS.values(), ids=COMPLETIONS.keys())
def test_a_completion_of_a_sloppy_engine_follows_the_official_schema(given: dict[str, Any]) -> None:
    mended, _ = as_completion(given)
    assert violations(given, COMPLETION) != []
    assert violations(mended, COMPLETION) == []
    assert as_completion(mended)[0] == mended


@pytest.mark.parametrize(
    "said", [{"reasoning": "hm"}, {"reasoning_content": "hm"}, {"reasoning": "hm", "reasoning_content": "hm"}]
)
def test_reasoning_has_one_name(said: dict[str, str]) -> None:
    assert as_chunk(chunk(said))[0]["choices"][0]["delta"] == {"reasoning_content": "hm"}
    message = as_completion(completion(said))[0]["choices"][0]["message"]
    assert (message["reasoning_content"], "reasoning" in message) == ("hm", False)


def test_what_the_schema_does_not_know_goes_on() -> None:
    mended, _ = as_chunk(chunk({"reasoning": "hm", "reasoning_details": [1]}, stop_reason=None, timings={"n": 1}))
    assert (mended["timings"], mended["choices"][0]["delta"]["reasoning_details"]) == ({"n": 1}, [1])


def test_chunks_without_an_id_share_the_one_that_is_made() -> None:
    through = form()
    chunks = [as_chunk({"choices": [{"delta": {"content": word}}]}, through)[0] for word in ("a", "b")]
    assert {(c["id"], c["created"], c["model"]) for c in chunks} == {("chatcmpl-made", 1_800_000_000, "our-name")}


def test_a_stream_that_called_a_tool_ends_with_tool_calls() -> None:
    through = form()
    as_chunk(chunk({"tool_calls": [{"index": 0, **CALL}]}), through)
    assert as_chunk(chunk({}, "stop"), through)[0]["choices"][0]["finish_reason"] == "tool_calls"
    assert as_chunk(chunk({}, "stop"))[0]["choices"][0]["finish_reason"] == "stop"


def test_a_completion_that_calls_a_tool_ends_with_tool_calls_and_each_call_has_an_id() -> None:
    mended, event = as_completion(completion({"content": None, "tool_calls": [{"function": {"name": "f"}}] * 2}))
    calls = mended["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == 2
    assert [call["function"]["arguments"] for call in calls] == ["{}", "{}"]
    assert (mended["choices"][0]["finish_reason"], event.finish_reason) == ("tool_calls", "tool_calls")


def test_calls_of_different_choices_have_different_ids() -> None:
    said = {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}
    whole, _ = as_completion(completion(said) | {"choices": [{"index": index, "message": said} for index in range(3)]})
    through = form()
    chunks = [as_chunk(chunk(said) | {"choices": [{"index": index, "delta": said}]}, through)[0] for index in range(3)]
    ids = ["call_c-1_0", "call_c-1_1_0", "call_c-1_2_0"]
    assert [choice["message"]["tool_calls"][0]["id"] for choice in whole["choices"]] == ids
    assert [made["choices"][0]["delta"]["tool_calls"][0]["id"] for made in chunks] == ids


def test_an_unknown_finish_reason_is_not_made_up() -> None:
    assert as_chunk(chunk({}, "abort"))[0]["choices"][0]["finish_reason"] == "abort"


def test_usage_beside_choices_comes_by_itself_at_the_end_and_counts_at_once() -> None:
    through = form()
    data = orjson.dumps(chunk({}, "stop", usage=USAGE))
    event = through.chunk(data, orjson.loads(data))
    assert "usage" not in orjson.loads(event.payload)
    assert event.usage is not None
    assert event.usage.prompt_tokens == 3
    [last] = through.rest()
    assert (last.usage_only, last.usage) == (True, event.usage)
    assert orjson.loads(last.payload) == {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    assert through.rest() == []


@pytest.mark.parametrize("choices", [[], [{"index": 0, "delta": {}, "finish_reason": "stop"}]])
def test_timings_are_read_beside_the_usage_and_go_on_as_they_are(choices: list[Any]) -> None:
    said = {"prompt_n": 50, "prompt_ms": 250.0, "predicted_n": 8, "predicted_ms": 2000, "cache_n": 9}
    usage = {"prompt_tokens": 59, "completion_tokens": 8, "total_tokens": 67}
    given = {**chunk({}), "choices": choices, "usage": usage, "timings": said}
    event = form().chunk(orjson.dumps(given), given)
    assert event.timings == Timings(prompt_s=0.25, prompt_tokens=50, answer_s=2.0, answer_tokens=8)
    assert orjson.loads(event.payload)["timings"] == said


@pytest.mark.parametrize(
    "said", [None, 5, [], "fast", {"prompt_n": True, "prompt_ms": "5", "predicted_n": -1, "predicted_ms": []}]
)
def test_timings_that_are_none_are_unknown(said: Any) -> None:
    given = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}, "timings": said}
    assert form().chunk(orjson.dumps(given), given).timings in (None, Timings())


def test_running_counts_do_not_come_twice() -> None:
    through = form()
    as_chunk(chunk({"content": "a"}, usage=USAGE), through)
    as_chunk({**chunk({}), "choices": [], "usage": USAGE}, through)
    assert through.rest() == []


def test_a_usage_that_is_not_known_is_left_out() -> None:
    assert "usage" not in as_completion(completion({"content": "hi"}, usage={"prompt_tokens": None}))[0]


NAMES = ("index", "delta", "message", "finish_reason", "logprobs", "content", "tool_calls", "function", "arguments", "usage")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.sampled_from(["", "stop", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(choices=st.lists(JSON, max_size=3), usage=JSON)
def test_no_json_breaks_it_and_what_is_mended_needs_no_more(choices: list[Any], usage: Any) -> None:
    answer = {"choices": choices, "usage": usage}
    mended = as_chunk(answer)[0]
    assert as_chunk(mended)[0] == mended
    whole = as_completion(answer)[0]
    assert as_completion(whole)[0] == whole
