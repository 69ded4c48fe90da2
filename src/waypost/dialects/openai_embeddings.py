"""OpenAI's embeddings: a request's bytes to a `Turn`, and vectors back, as numbers or as base64."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from waypost import tokens
from waypost.dialects import openai
from waypost.dialects.dialect import Card, Dialect, Timings
from waypost.dialects.fields import integer, must_be, name_at, one_of, text
from waypost.dialects.hints import PRIVATE_HEADER, TENANT_HEADERS, flag, session
from waypost.dialects.steering import refuse_steering, refuse_steering_headers
from waypost.dialects.strict_json import read_object
from waypost.turn import EMPTY, Message, Text, Turn

# OpenAI's limit; an engine may have a smaller one.
MAX_INPUTS = 2048

_PARAMS = {"encoding_format": one_of("float", "base64"), "dimensions": integer(1), "user": text()}


def parse(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The turn that ``raw`` asks for. Raises what `openai.parse` raises."""
    body = read_object(raw)
    refuse_steering_headers(headers)
    # Inputs are texts and numbers, which are checked below: there may be millions.
    refuse_steering({name: value for name, value in body.items() if name != "input"})
    model = name_at(body, "model", "")
    for name, check in _PARAMS.items():
        if body.get(name) is not None:
            check(body[name], name)
    _check_inputs(body.get("input"))
    return turn_of(body, model, turn_id=turn_id, headers=headers)


def turn_of(body: Mapping[str, Any], model: str, *, turn_id: str, headers: Mapping[str, str], dialect: str = "openai") -> Turn:
    """The turn for a body in OpenAI's form. Its inputs are one message, so that the ledger has their digest."""
    inputs = [body["input"]] if type(body["input"]) is str else body["input"]
    texts = [one for one in inputs if type(one) is str]
    numbers = sum(len(one) if type(one) is list else 1 for one in inputs if type(one) is not str)
    return Turn(
        id=turn_id,
        model=model,
        messages=(Message("user", tuple(map(Text, texts))),) if inputs else (),
        body=body,
        mode="embedding",
        prompt_tokens=tokens.estimate("\n".join(texts)) + numbers,
        answer_tokens=0,
        session=session(headers),
        caller=body.get("user") or None,
        private=flag(headers, PRIVATE_HEADER),
        tenant=tuple(map(headers.get, TENANT_HEADERS)),
        cache_control=headers.get("cache-control", ""),
        dialect=dialect,
    )


class Rendering(openai.Rendering):
    """The list of vectors, each as the caller wants it."""

    __slots__ = ("_base64",)

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn)
        self._base64 = turn.body.get("encoding_format") == "base64"

    def whole(self, payload: bytes, timings: Timings | None, card: Card | None) -> bytes:
        """Engines are always asked for numbers: not all of them know base64."""
        if self._base64:
            answer = orjson.loads(payload)
            for item in answer["data"]:
                item["embedding"] = _packed(item["embedding"])
            payload = orjson.dumps(answer)
        return super().whole(payload, timings, card)


EMBEDDINGS = Dialect("application/json", parse, Rendering, openai.error_body)


def _packed(vector: list[float]) -> str:
    """32-bit numbers, the lowest byte first, as OpenAI's clients unpack them."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _check_inputs(given: Any) -> None:
    """A text, some texts, the numbers of tokens of one text, or of some. None may be empty."""
    several = given if type(given) is list else [given]
    kinds = {type(one) for one in several}
    if len(kinds) != 1 or not kinds <= {str, int, list} or not all(one not in ("", []) for one in several):
        raise must_be("input", "a non-empty string, or a non-empty array of strings or of tokens")
    if kinds != {int} and len(several) > MAX_INPUTS:
        raise must_be("input", f"an array of at most {MAX_INPUTS} inputs")
    if kinds == {list} and not all(set(map(type, one)) == {int} for one in several):
        raise must_be("input", "an array of strings, or of arrays of tokens")
    if kinds == {int} and type(given) is int:
        raise must_be("input", "a non-empty string, or a non-empty array of strings or of tokens")
