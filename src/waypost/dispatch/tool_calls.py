"""Tool calls of an answer, numbered, named and written as OpenAI's form promises, where that is safe.

Nothing that a model said is changed: only the index and id of a call, the form of its arguments, and the reason why the answer
ended. What needs none of it stays as it is, so that its bytes can go on as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


class StreamRepair:
    """Mends the chunks of one streamed answer."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, ToolCallNumbering] = {}

    def mend(self, choice: dict[str, Any], answer_id: Any) -> bool:
        """Mends a choice of a chunk in place; whether there was anything to mend.

        vLLM (for a named ``tool_choice``) and Ollama end an answer that calls tools with ``stop``: clients would not call them.
        """
        delta: Any = choice.get("delta") or {}
        pieces = delta.get("tool_calls") if isinstance(delta, dict) else None
        index = index_of(choice)
        mended = False
        if pieces and isinstance(pieces, list):
            numbering = self._calls.get(index)
            if numbering is None:
                numbering = self._calls[index] = ToolCallNumbering()
            numbered = numbering.renumber(pieces, str(answer_id))
            if numbered != pieces:
                delta["tool_calls"] = numbered
                mended = True
        if choice.get("finish_reason") == "stop" and index in self._calls:
            choice["finish_reason"] = "tool_calls"
            mended = True
        return mended


def mend_completion(completion: dict[str, Any]) -> bool:
    """Mends a whole answer in place, in the same way; whether there was anything to mend."""
    mended = False
    for choice in completion["choices"]:
        message: Any = choice.get("message") if isinstance(choice, dict) else None
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        if not calls or not isinstance(calls, list):
            continue
        named = _named(calls, str(completion.get("id")))
        if named != calls:
            message["tool_calls"] = named
            mended = True
        if choice.get("finish_reason") == "stop":
            choice["finish_reason"] = "tool_calls"
            mended = True
    return mended


def index_of(choice: Mapping[str, Any]) -> int:
    """The number of a choice; 0 where the engine gives none that can be one."""
    index = choice.get("index")
    return index if isinstance(index, int) else 0


class ToolCallNumbering:
    """Gives each tool call of a streamed choice its own index and an id.

    LiteLLM hands on Ollama's calls with index 0 each, and a call without arguments without an id (LiteLLM #33678): a client
    that joins pieces by index would glue two calls into one. A new call begins where a piece brings a name and another id; or,
    with the same id or none, where the arguments of the call before it are already complete.
    """

    __slots__ = ("_calls", "_latest")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._latest: dict[int, int] = {}

    def renumber(self, pieces: list[Any], answer_id: str) -> list[dict[str, Any]]:
        """The same pieces with right indexes; the first piece of each call has an id, made from ``answer_id`` if need be."""
        return [self._place(piece, answer_id) for piece in pieces if isinstance(piece, dict)]

    def _place(self, piece: dict[str, Any], answer_id: str) -> dict[str, Any]:
        given = index_of(piece)
        number = self._latest.get(given)
        said = _said(piece)
        arguments = said.get("arguments")
        if number == piece.get("index") and type(arguments) is str and "id" not in piece and "name" not in said:
            self._calls[given].arguments.append(arguments)  # nearly every piece of a long call
            return piece
        piece = _written(piece)
        said = _said(piece)
        if number is None or self._begins_another(self._calls[number], piece, said):
            number = len(self._calls)
            self._latest[given] = number
            call_id = _own_id(piece, {call.id for call in self._calls}, answer_id, number)
            self._calls.append(_Call(call_id, piece.get("id")))
            piece = {**piece, "id": call_id, "type": piece.get("type") or "function"}
        call = self._calls[number]
        if text := _text(said.get("arguments")):
            call.arguments.append(text)
        if piece.get("id") and piece["id"] != call.id:
            piece = {**piece, "id": call.id}
        return piece if piece.get("index") == number else {**piece, "index": number}

    @staticmethod
    def _begins_another(call: _Call, piece: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
        given = piece.get("id")
        if not said.get("name"):
            return False
        if given and given == call.given:  # the same call, unless all of it has come
            return bool(call.arguments and said.get("arguments")) and call.is_complete
        return bool(given) or call.is_complete


class _Call:
    __slots__ = ("arguments", "given", "id")

    def __init__(self, call_id: str, given: Any) -> None:
        self.id = call_id
        self.given = given
        self.arguments: list[str] = []

    @property
    def is_complete(self) -> bool:
        try:
            orjson.loads("".join(self.arguments) or "{}")
        except orjson.JSONDecodeError:
            return False
        return True


def _named(calls: list[Any], answer_id: str) -> list[dict[str, Any]]:
    """The calls of a whole answer, each with an id of its own, a type, and arguments that are a text."""
    named: list[dict[str, Any]] = []
    for call in calls:
        if not isinstance(call, dict):
            continue
        made = _written(call)
        function = made.get("function")
        if isinstance(function, dict) and not isinstance(function.get("arguments"), str):
            made = {**made, "function": {**function, "arguments": "{}"}}
        call_id = _own_id(made, {other["id"] for other in named}, answer_id, len(named))
        right = {"id": call_id, "type": made.get("type") or "function"}
        if "index" in made:
            right["index"] = len(named)
        named.append(made if right.items() <= made.items() else {**made, **right})
    return named


def _own_id(call: Mapping[str, Any], taken: set[str], answer_id: str, number: int) -> str:
    """The id that the engine gives, if it is one and no other call of this answer has it."""
    given = call.get("id")
    return given if isinstance(given, str) and given and given not in taken else f"call_{answer_id}_{number}"


def _written(call: dict[str, Any]) -> dict[str, Any]:
    """The call with its arguments as JSON text: some engines, Ollama among them, give them as an object."""
    function: Any = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(arguments, (dict, list)):
        return call
    return {**call, "function": {**function, "arguments": orjson.dumps(arguments).decode()}}


def _said(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """The name and arguments in a piece, whichever kind of tool it calls."""
    said = piece.get("function") or piece.get("custom")
    return said if isinstance(said, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
