"""Tool calls of an answer, numbered, named and written as OpenAI's form promises, where that is safe.

Nothing that a model said is changed: only the index and id of a call, and the form of its arguments. A call that needs none of
it is the same object as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


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
        return [self._place(piece, answer_id) for piece in pieces if type(piece) is dict]

    def _place(self, piece: dict[str, Any], answer_id: str) -> dict[str, Any]:
        given = index_of(piece)
        number = self._latest.get(given)
        said = _said(piece)
        arguments = said.get("arguments")
        if number == piece.get("index") and type(arguments) is str and len(piece) == 2 and len(said) == 1:
            self._calls[given].arguments.append(arguments)  # nearly every piece of a long call
            return piece
        piece = _tidy(piece)
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


def named(calls: list[Any], answer_id: str) -> list[dict[str, Any]]:
    """The calls of a whole answer, each with an id of its own, a type, and arguments that are a text."""
    found: list[dict[str, Any]] = []
    for call in calls:
        if type(call) is not dict:
            continue
        made = _tidy(call)
        function = made.get("function")
        if type(function) is dict and not function.get("arguments"):
            made = {**made, "function": {**function, "arguments": "{}"}}
        call_id = _own_id(made, {other["id"] for other in found}, answer_id, len(found))
        right = {"id": call_id, "type": made.get("type") or "function"}
        if "index" in made:
            right["index"] = len(found)
        found.append(made if right.items() <= made.items() else {**made, **right})
    return found


def _own_id(call: Mapping[str, Any], taken: set[str], answer_id: str, number: int) -> str:
    """The id that the engine gives, if it is one and no other call of this answer has it."""
    given = call.get("id")
    return given if isinstance(given, str) and given and given not in taken else f"call_{answer_id}_{number}"


def _tidy(call: dict[str, Any]) -> dict[str, Any]:
    """The call without ``null``, and with its arguments as JSON text: some engines, Ollama among them, give an object."""
    call = _without_null(call)
    function = call.get("function")
    if type(function) is not dict:
        return call
    right = _without_null(function)
    arguments = right.get("arguments", "")
    if type(arguments) is not str:
        right = {**right, "arguments": orjson.dumps(arguments).decode()}
    return call if right is function else {**call, "function": right}


def _without_null(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None} if None in given.values() else given


def _said(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """The name and arguments in a piece, whichever kind of tool it calls."""
    said = piece.get("function") or piece.get("custom")
    return said if isinstance(said, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
