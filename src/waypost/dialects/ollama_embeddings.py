"""Ollama's ``/api/embed`` and the older ``/api/embeddings``: requests to turns in OpenAI's form, and vectors back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from waypost.dialects.dialect import Card, Dialect, Timings
from waypost.dialects.fields import flag, integer, must_be, optional_text_at
from waypost.dialects.ollama import error_body, model_in, read_body
from waypost.dialects.ollama_answer import Answer, figures
from waypost.dialects.ollama_params import read_params
from waypost.dialects.openai_embeddings import turn_of
from waypost.turn import EMPTY, Turn


def parse_embed(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The turn that a body of ``/api/embed`` asks for; one without inputs asks for nothing."""
    body = read_body(raw, headers)
    given = body.get("input")
    if given in (None, ""):
        given = []
    inputs = [given] if type(given) is str else given
    if type(inputs) is not list or not all(type(one) is str for one in inputs):
        raise must_be("input", "a string, or an array of strings")
    return _turn(body, inputs, turn_id, headers)


def parse_embeddings(raw: bytes, *, turn_id: str, headers: Mapping[str, str] = EMPTY) -> Turn:
    """The same for ``/api/embeddings``, which takes one ``prompt``."""
    body = read_body(raw, headers)
    prompt = optional_text_at(body, "prompt", "")
    return _turn(body, [prompt] if prompt else [], turn_id, headers)


class Vectors(Answer):
    """The vectors of an answer in OpenAI's form; ``single`` as the older path has them."""

    __slots__ = ("_single",)

    def __init__(self, single: bool, turn: Turn) -> None:
        super().__init__(_nothing_said, turn)
        self._single = single

    def whole(self, payload: bytes, timings: Timings | None, card: Card | None) -> bytes:
        """All in one object."""
        answer = orjson.loads(payload)
        found = self._form([item["embedding"] for item in answer["data"]])
        if not self._single:
            found |= figures(self.elapsed_ns(), answer.get("usage") or {}, timings)
        return orjson.dumps(found if card is None else {**found, "waypost": card})

    def loaded(self) -> bytes:
        """The answer where nothing was asked."""
        return orjson.dumps(self._form([]))

    def _form(self, vectors: list[list[float]]) -> dict[str, Any]:
        if self._single:
            return {"embedding": vectors[0] if vectors else []}
        return {"model": self.model, "embeddings": vectors}


def _nothing_said(*_: Any) -> dict[str, Any]:
    return {}


def _dialect(parse: Any, *, single: bool) -> Dialect:
    answer = partial(Vectors, single)
    return Dialect("application/json", parse, answer, error_body, lambda turn: answer(turn).loaded())


EMBED = _dialect(parse_embed, single=False)
EMBEDDINGS = _dialect(parse_embeddings, single=True)


def _turn(given: Mapping[str, Any], inputs: list[str], turn_id: str, headers: Mapping[str, str]) -> Turn:
    model = model_in(given)
    dimensions = given.get("dimensions")
    if dimensions is not None:
        integer(1)(dimensions, "dimensions")
    truncate = given.get("truncate")
    if truncate is not None:
        flag(truncate, "truncate")
    read_params({name: given[name] for name in ("options", "keep_alive") if name in given})
    body = {"model": model, "input": inputs} | ({} if dimensions is None else {"dimensions": dimensions})
    if truncate:
        body["truncate"] = True
    return turn_of(body, model, turn_id=turn_id, headers=headers, dialect="ollama")
