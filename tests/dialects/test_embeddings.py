"""Requests for vectors, in OpenAI's and in Ollama's form, and the vectors that go back."""

from __future__ import annotations

import struct
from base64 import b64decode
from typing import Any

import orjson
import pytest

from waypost.dialects import ollama_embeddings, openai_embeddings
from waypost.errors import ForbiddenField, InvalidRequest
from waypost.turn import Turn

VECTORS = orjson.dumps(
    {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}, {"index": 1, "embedding": [0.25, 2.0]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
)


def asked(**fields: Any) -> Turn:
    return openai_embeddings.parse(orjson.dumps({"model": "embedder", **fields}), turn_id="t1")


def embed(**fields: Any) -> Turn:
    return ollama_embeddings.parse_embed(orjson.dumps({"model": "embedder", **fields}), turn_id="t1")


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2, 3], [[1, 2], [3]]])
def test_texts_and_tokens_are_inputs(given: Any) -> None:
    made = asked(input=given, dimensions=2, user="anna", truncate_prompt_tokens=5)
    assert (made.mode, made.stream, made.answer_tokens, made.caller) == ("embedding", False, 0, "anna")
    assert made.body["input"] == given
    assert made.body["truncate_prompt_tokens"] == 5
    assert made.prompt_tokens >= 1
    assert made.messages


def test_a_long_list_of_tokens_is_no_steering() -> None:
    assert asked(input=[[7] * 8000] * 20).prompt_tokens == 160_000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [["a"]]}, "input"),
        ({"input": [True]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "user": 5}, "user"),
        ({"input": "a", "model": ""}, "model"),
    ],
)
def test_row_57_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert caught.value.param == param


def test_row_61_a_field_that_steers_is_refused() -> None:
    with pytest.raises(ForbiddenField):
        asked(input="a", api_base="http://127.0.0.1:9")
    with pytest.raises(ForbiddenField):
        embed(input="a", options={"api_base": "http://127.0.0.1:9"})


def test_vectors_go_back_as_numbers_or_packed() -> None:
    plain = orjson.loads(openai_embeddings.Rendering(asked(input=["a", "b"])).whole(VECTORS, None, {"id": "wp_1"}))
    assert [item["embedding"] for item in plain["data"]] == [[0.5, -1.0], [0.25, 2.0]]
    assert plain["waypost"] == {"id": "wp_1"}
    packed = orjson.loads(openai_embeddings.Rendering(asked(input="a", encoding_format="base64")).whole(VECTORS, None, None))
    assert struct.unpack("<2f", b64decode(packed["data"][1]["embedding"])) == (0.25, 2.0)


@pytest.mark.parametrize("options", [5, "x", [1], {"include_usage": True}, None])
def test_what_is_said_of_a_stream_that_is_none_changes_nothing(options: Any) -> None:
    made = openai_embeddings.EMBEDDINGS.rendering(asked(input="a", stream=True, stream_options=options))
    assert orjson.loads(made.whole(VECTORS, None, None)) == orjson.loads(VECTORS)


def test_ollamas_forms_are_read_and_written() -> None:
    made = embed(input=["a", "b"], dimensions=2, truncate=True, options={"num_ctx": 512}, keep_alive="5m")
    assert made.body == {"model": "embedder", "input": ["a", "b"], "dimensions": 2, "truncate": True}
    assert "truncate" not in embed(input="a", truncate=False).body
    with pytest.raises(InvalidRequest) as caught:
        embed(input="a", truncate="yes")
    assert caught.value.param == "truncate"
    assert (made.dialect, embed(input="a").body["input"]) == ("ollama", ["a"])
    answer = orjson.loads(ollama_embeddings.EMBED.rendering(made).whole(VECTORS, None, None))
    assert answer["embeddings"] == [[0.5, -1.0], [0.25, 2.0]]
    assert (answer["model"], answer["prompt_eval_count"]) == ("embedder", 8)
    old = ollama_embeddings.parse_embeddings(b'{"model": "embedder", "prompt": "a"}', turn_id="t1")
    assert orjson.loads(ollama_embeddings.EMBEDDINGS.rendering(old).whole(VECTORS, None, None)) == {"embedding": [0.5, -1.0]}


def test_an_empty_text_in_a_list_has_a_vector_like_any_other() -> None:
    assert embed(input=[""]).body["input"] == [""]
    assert embed(input=["a", ""]).body["input"] == ["a", ""]


@pytest.mark.parametrize("fields", [{}, {"input": ""}, {"input": []}])
def test_ollama_gives_no_vectors_for_nothing(fields: dict[str, Any]) -> None:
    made = embed(**fields)
    loaded = ollama_embeddings.EMBED.loaded
    assert loaded is not None
    assert made.messages == ()
    assert orjson.loads(loaded(made)) == {"model": "embedder", "embeddings": []}


@pytest.mark.parametrize(
    ("fields", "param"), [({"input": 5}, "input"), ({"input": [5]}, "input"), ({"dimensions": "x"}, "dimensions")]
)
def test_a_wrong_field_of_ollamas_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        embed(**{"input": "a", **fields})
    assert caught.value.param == param
