"""Tool calls of a stream, numbered and named as OpenAI's form promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


class ToolCallNumbering:
    """Gives each tool call of a streamed choice its own index and an id.

    LiteLLM hands on Ollama's calls with index 0 each, and a call without arguments without an id (LiteLLM #33678): a client
    that joins pieces by index would glue two calls into one. A new call begins where a piece brings a name and either another
    id, or none while the call before it is already complete JSON.
    """

    __slots__ = ("_calls", "_latest")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._latest: dict[int, int] = {}

    def renumber(self, pieces: list[Any], answer_id: str) -> list[dict[str, Any]]:
        """The same pieces with right indexes; the first piece of each call has an id, made from ``answer_id`` if need be."""
        return [self._place(piece, answer_id) for piece in pieces if isinstance(piece, dict)]

    def _place(self, piece: dict[str, Any], answer_id: str) -> dict[str, Any]:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        index = piece.get("index")
        given = index if isinstance(index, int) else 0
        number = self._latest.get(given)
        if number is None or self._begins_another(self._calls[number], piece, function):
            number = len(self._calls)
            self._latest[given] = number
            self._calls.append(_Call(piece.get("id") or f"call_{answer_id}_{number}"))
            piece = {**piece, "id": self._calls[number].id, "type": "function"}
        self._calls[number].arguments += function.get("arguments") or ""
        return {**piece, "index": number}

    @staticmethod
    def _begins_another(call: _Call, piece: Mapping[str, Any], function: Mapping[str, Any]) -> bool:
        if not function.get("name") or piece.get("id") == call.id:
            return False
        return bool(piece.get("id")) or call.is_complete


class _Call:
    __slots__ = ("arguments", "id")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.arguments = ""

    @property
    def is_complete(self) -> bool:
        try:
            orjson.loads(self.arguments or "{}")
        except orjson.JSONDecodeError:
            return False
        return True
