"""Answers as Ollama writes them: lines of JSON, calls whole with their arguments as objects, and figures in the last line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import orjson

from waypost.dialects.dialect import Card, Piece, Timings
from waypost.errors import ProviderProtocolError, WaypostError
from waypost.turn import Turn

# Ollama's words; a reason that it has no word for goes on as it is.
_DONE_REASONS = {"tool_calls": "stop", "function_call": "stop"}
_CUT = "length"

_AT_ONCE = (0, "0", "0s", "0m", "0h")

Clock = Callable[[], int]
Said = Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]


class _Calls:
    """The tool calls of a stream, which OpenAI gives piece by piece and Ollama whole."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[int, dict[str, str]] = {}

    def add(self, deltas: Iterable[Mapping[str, Any]]) -> None:
        """Takes in pieces of calls."""
        for place, delta in enumerate(deltas):
            call = self._found.setdefault(delta.get("index", place), {"id": "", "name": "", "arguments": ""})
            function = delta.get("function") or {}
            call["id"] = delta.get("id") or call["id"]
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""

    def whole(self, *, cut: bool) -> list[dict[str, Any]]:
        """Every call. Of an answer that was ``cut`` at its limit, those that are complete.

        Raises `ProviderProtocolError` for arguments that are no JSON object: Ollama's clients could not be given them.
        """
        found = []
        for index, call in sorted(self._found.items()):
            arguments = _arguments(call["arguments"])
            if arguments is not None:
                function = {"index": index, "name": call["name"], "arguments": arguments}
                found.append({"id": call["id"], "function": function} if call["id"] else {"function": function})
            elif not cut:
                raise ProviderProtocolError("the model called a tool with arguments that are not a JSON object")
        return found


class Answer:
    """One answer, in the form that ``said`` gives to text, reasoning and calls.

    ``clock`` gives Unix time in nanoseconds; the answer takes from now on.
    """

    __slots__ = ("_calls", "_clock", "_reason", "_said", "_started", "_timings", "_unloads", "_usage", "model")

    def __init__(self, said: Said, turn: Turn, clock: Clock = time.time_ns) -> None:
        self._said = said
        self.model = turn.model
        self._unloads = turn.body.get("keep_alive") in _AT_ONCE
        self._clock = clock
        self._started = clock()
        self._calls = _Calls()
        self._reason = "stop"
        self._usage: Mapping[str, Any] = {}
        self._timings: Timings | None = None

    def ping(self, note: str) -> bytes:
        """A line without text, as there is no place for a note."""
        del note
        return self._line(self._said("", "", []), done=False)

    def piece(self, piece: Piece) -> bytes:
        """A line for text and reasoning; calls and figures are kept for the end."""
        self._timings = piece.timings or self._timings
        return self.chunk(piece.payload)

    def chunk(self, payload: bytes) -> bytes:
        """The same for a payload alone."""
        chunk = orjson.loads(payload)
        self._usage = chunk.get("usage") or self._usage
        choice = _first(chunk)
        delta = choice.get("delta") or {}
        self._reason = choice.get("finish_reason") or self._reason
        self._calls.add(delta.get("tool_calls") or ())
        text, thinking = _text(delta), delta.get("reasoning_content") or ""
        if not text and not thinking:
            return b""
        return self._line(self._said(text, thinking, []), done=False, **_logprobs(choice))

    def end(self, card: Card | None) -> bytes:
        """The calls, and the last line. Raises `ProviderProtocolError` for a call that cannot be read."""
        calls = self._calls.whole(cut=self._reason == _CUT)
        lines = [self._line(self._said("", "", [call]), done=False) for call in calls]
        return b"".join((*lines, self._last(self._said("", "", []), card)))

    def broken(self, error: WaypostError) -> bytes:
        """A line that says why, and no line that says done."""
        return orjson.dumps({"error": error.message}) + b"\n"

    def whole(self, payload: bytes, timings: Timings | None, card: Card | None) -> bytes:
        """All in one object."""
        answer = orjson.loads(payload)
        self._timings = timings
        self._usage = answer.get("usage") or {}
        choice = _first(answer)
        message = choice.get("message") or {}
        self._reason = choice.get("finish_reason") or self._reason
        self._calls.add(message.get("tool_calls") or ())
        calls = self._calls.whole(cut=self._reason == _CUT)
        said = self._said(_text(message), message.get("reasoning_content") or "", calls)
        return self._last(said, card, **_logprobs(choice))

    def loaded(self) -> bytes:
        """The answer where nothing was asked."""
        return self._line(self._said("", "", []), done=True, done_reason="unload" if self._unloads else "load")

    def _last(self, said: dict[str, Any], card: Card | None, **more: Any) -> bytes:
        if card is not None:
            more["waypost"] = card
        reason = _DONE_REASONS.get(self._reason, self._reason)
        return self._line(said, done=True, done_reason=reason, **figures(self.elapsed_ns(), self._usage, self._timings), **more)

    def elapsed_ns(self) -> int:
        """How long the answer has taken."""
        return max(1, self._clock() - self._started)

    def _line(self, said: dict[str, Any], **more: Any) -> bytes:
        return orjson.dumps({"model": self.model, "created_at": timestamp(self._clock()), **said, **more}) + b"\n"


def in_message(text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """As ``/api/chat`` has it."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def in_response(text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """As ``/api/generate`` has it, which offers no tools."""
    del calls
    return {"response": text, "thinking": thinking} if thinking else {"response": text}


def figures(elapsed_ns: int, usage: Mapping[str, Any], timings: Timings | None) -> dict[str, int]:
    """Durations in nanoseconds and counts; as in Ollama's own answers, what is not known, or nothing, is not there."""
    took = (None, None, None) if timings is None else (timings.load_s, timings.prompt_s, timings.answer_s)
    load_ns, prompt_ns, answer_ns = [None if seconds is None else round(seconds * 1e9) for seconds in took]
    found = {
        "total_duration": elapsed_ns,
        "load_duration": load_ns,
        "prompt_eval_count": usage.get("prompt_tokens"),
        "prompt_eval_duration": prompt_ns,
        "eval_count": usage.get("completion_tokens"),
        "eval_duration": answer_ns,
    }
    return {name: value for name, value in found.items() if value}


def timestamp(unix_ns: int) -> str:
    """RFC 3339 in UTC, to the nanosecond."""
    seconds, rest = divmod(unix_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, tz=timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _first(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choice that is shown: Ollama gives one."""
    return next((choice for choice in answer.get("choices", ()) if choice.get("index", 0) == 0), {})


def _text(said: Mapping[str, Any]) -> str:
    return (said.get("content") or "") + (said.get("refusal") or "")


def _logprobs(choice: Mapping[str, Any]) -> dict[str, Any]:
    found = (choice.get("logprobs") or {}).get("content")
    return {"logprobs": found} if found else {}


def _arguments(written: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(written or "{}")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
