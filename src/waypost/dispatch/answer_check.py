"""Does an answer fit what was offered? Its tool calls the tools, its text the schema. `demands` sees to the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from waypost.dispatch.json_schema import MAX_VALUE_BYTES, fits
from waypost.dispatch.tool_calls import index_of

Verdict = Literal["ok", "invalid_arguments", "invalid_json", "unknown_tool", "invalid_text"]
# Of two answers that fail, the one whose verdict stands earlier is nearer to what was asked for.
CALL_FAILURES: tuple[Verdict, ...] = ("invalid_arguments", "invalid_json", "unknown_tool")
MAX_HELD_BYTES = 4 << 20
# An engine that runs wild may repeat a call for ever; those behind these are not judged.
MAX_CALLS = 16
# What a request may have that an answer can be held to.
_ASKS = ("tools", "functions", "response_format")


@dataclass(slots=True)
class _Choice:
    """One choice of the answer, put together: its calls by their index, each as the pieces that came."""

    text: list[str] = field(default_factory=list)
    refused: bool = False
    calls: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def add(self, said: Mapping[str, Any]) -> None:
        """Adds what a chunk says."""
        self.text.append(_text(said.get("content")))
        self.refused = self.refused or bool(said.get("refusal"))
        self._call(-1, said.get("function_call"))
        calls = said.get("tool_calls")
        for at, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._call(
                    call["index"] if isinstance(call.get("index"), int) else at, call.get("function") or call.get("custom")
                )

    def _call(self, index: int, piece: Any) -> None:
        if isinstance(piece, dict):
            self.calls.setdefault(index, []).append(piece)


class AnswerCheck:
    """Keeps the chunks of one answer, or the whole of it, until they are judged.

    Judging is not for the path of a request: it reads the chunks again. Chunks that can hold nothing to judge are not kept.
    """

    __slots__ = ("_body", "_held", "_held_bytes", "_mark")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._mark = b"_call" if _schema(body) is None else b""  # of tool_calls and function_call

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> AnswerCheck | None:
        """The check for the answer to a request; ``None`` where there is nothing that it could be held to."""
        return cls(body) if any(map(body.get, _ASKS)) else None

    def see(self, payload: bytes) -> None:
        """Takes a chunk, or the whole answer. What is longer than ``MAX_HELD_BYTES`` in all is not judged, and not kept."""
        if self._mark not in payload or self._held_bytes > MAX_HELD_BYTES:
            return
        self._held.append(payload)
        self._held_bytes += len(payload)
        if self._held_bytes > MAX_HELD_BYTES:
            self._held.clear()

    def verdict(self) -> Verdict | None:
        """What is wrong first, or ``ok``; ``None`` where nothing was to be checked, or nothing can be said."""
        if self._held_bytes > MAX_HELD_BYTES:
            return None
        choices = _assemble(map(orjson.loads, self._held))
        found = [verdict for choice in choices for verdict in self._of_choice(choice)]
        wrong = next((verdict for verdict in found if verdict not in ("ok", None)), None)
        return wrong or ("ok" if found and None not in found else None)

    def _of_choice(self, choice: _Choice) -> list[Verdict | None]:
        if choice.calls:
            found = [self._of_call(pieces) for pieces in list(choice.calls.values())[:MAX_CALLS]]
            return found if len(choice.calls) <= MAX_CALLS else [*found, None]
        schema = _schema(self._body)
        return [] if schema is None or choice.refused else [_of_text("".join(choice.text), schema)]

    def _of_call(self, pieces: list[Mapping[str, Any]]) -> Verdict | None:
        name = next((piece["name"] for piece in pieces if _text(piece.get("name"))), "")
        offered = _offered(self._body)
        if name not in offered:
            return "unknown_tool"
        schema = offered[name]
        return "ok" if schema is None else _of_arguments("".join(_text(piece.get("arguments")) for piece in pieces), schema)


def _offered(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """The schema of each tool by its name; ``None`` for one that takes any text."""
    described = [(tool.get("type"), tool.get(tool.get("type") or "function")) for tool in _objects(body.get("tools"))]
    described += [("function", function) for function in _objects(body.get("functions"))]
    return {
        str(tool.get("name")): None if kind == "custom" else tool.get("parameters") or {}
        for kind, tool in described
        if isinstance(tool, Mapping)
    }


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Those in a list: what a route lays over a request was not read as strictly as what callers send."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


def _of_arguments(arguments: str, schema: Any) -> Verdict | None:
    """The verdict on the arguments of a call; engines leave them empty where there are none."""
    if len(arguments) > MAX_VALUE_BYTES:
        return None
    try:
        read = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return "invalid_json"
    fit = fits(schema, read) if isinstance(read, dict) else False
    return None if fit is None else "ok" if fit else "invalid_arguments"


def _schema(body: Mapping[str, Any]) -> Any:
    """The schema that the text must fit; ``None`` where it need not fit any."""
    form = body.get("response_format")
    described = form.get("json_schema") if isinstance(form, Mapping) and form.get("type") == "json_schema" else None
    return described.get("schema") if isinstance(described, Mapping) else None


def _of_text(text: str, schema: Any) -> Verdict | None:
    if len(text) > MAX_VALUE_BYTES:
        return None
    try:
        fit = fits(schema, orjson.loads(text))
    except orjson.JSONDecodeError:
        return "invalid_text"
    return None if fit is None else "ok" if fit else "invalid_text"


def _assemble(parsed: Iterable[Any]) -> list[_Choice]:
    """The choices of an answer, from its chunks or from the whole of it."""
    choices: dict[int, _Choice] = {}
    for chunk in parsed:
        for given in chunk["choices"]:
            said = given.get("delta") or given.get("message") if isinstance(given, dict) else None
            if isinstance(said, dict):
                choices.setdefault(index_of(given), _Choice()).add(said)
    return list(choices.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
