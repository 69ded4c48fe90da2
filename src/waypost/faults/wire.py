"""How faultd says a thing in each dialect.

Faults are written once, as OpenAI's chunks, completions and errors. A wire turns them into the events, answers and errors of
the dialect in which the request came. It remembers what it said, so each answer has a wire of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

_STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_CREATED_AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Framing:
    """How an event of server-sent events is written: all that the standard allows, plain unless told."""

    prefix: bytes = b"data: "
    end: bytes = b"\n\n"
    before: bytes = b""
    indent: int | None = None

    def write(self, name: str | None, payload: Any) -> bytes:
        """The bytes of one event."""
        newline = self.end[: len(self.end) // 2]
        head = b"" if name is None else b"event: " + name.encode() + newline
        lines = json.dumps(payload, ensure_ascii=False, indent=self.indent).encode().split(b"\n")
        return self.before + head + newline.join(self.prefix + line for line in lines) + self.end


PLAIN = Framing()


class Wire(Protocol):
    """One answer in one dialect."""

    dialect: ClassVar[str]
    content_type: ClassVar[str]
    broken: ClassVar[bytes]
    """A line or an event in the middle of an answer that no parser can read."""

    def streams(self, body: dict[str, Any]) -> bool:
        """Whether the request asks for a stream."""
        ...

    def event(self, chunk: dict[str, Any], framing: Framing = PLAIN) -> bytes:
        """A chunk or an error in the middle of a stream; empty where the dialect has nothing to say."""
        ...

    def done(self) -> bytes:
        """The end mark of a stream."""
        ...

    def whole(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        """A completion or an error that is not streamed."""
        ...


class OpenAi(Wire):
    """Chat completions: what faults are written in."""

    dialect = "openai"
    content_type = "text/event-stream"
    broken = b'data: {"choices": [{"delta": {"cont\n\n' + b'data: {"unknown": 1}\n\n'

    def streams(self, body: dict[str, Any]) -> bool:
        """Only if asked to."""
        return bool(body.get("stream"))

    def event(self, chunk: dict[str, Any], framing: Framing = PLAIN) -> bytes:
        """The chunk as it is."""
        return framing.write(None, chunk)

    def done(self) -> bytes:
        """The well-known word."""
        return b"data: [DONE]\n\n"

    def whole(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        """The body as it is."""
        del status
        return body


class Anthropic(Wire):
    """Messages: named events, content in numbered blocks."""

    dialect = "anthropic"
    content_type = "text/event-stream"
    broken = b'event: content_block_delta\ndata: {"type": "content_bl\n\n' + b'event: unknown\ndata: {"type": "unknown"}\n\n'

    def __init__(self) -> None:
        self._block = -1
        self._open: str | None = None
        self._stop_reason: str | None = None
        self._summed_up = False

    def streams(self, body: dict[str, Any]) -> bool:
        """Only if asked to."""
        return bool(body.get("stream"))

    def event(self, chunk: dict[str, Any], framing: Framing = PLAIN) -> bytes:
        """The events that say the same; usage comes with the reason for the end."""
        return b"".join(framing.write(event["type"], event) for event in self._events(chunk))

    def done(self) -> bytes:
        """``message_stop``, after the reason for the end if no usage has brought it."""
        last = [] if self._summed_up else [self._sum_up(None)]
        return b"".join(PLAIN.write(event["type"], event) for event in [*last, {"type": "message_stop"}])

    def whole(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        """A message, or an error with the type that goes with the status."""
        if "error" in body:
            kind = _STATUS_TYPES.get(status, "api_error")
            return {"type": "error", "error": {"type": kind, "message": body["error"]["message"]}}
        if "choices" not in body:
            return body
        said = [{"type": "text", "text": body["choices"][0]["message"]["content"]}]
        usage = _anthropic_usage(body.get("usage"))
        return {**self._message(body), "content": said, "stop_reason": "end_turn", "usage": usage}

    def _events(self, chunk: dict[str, Any]) -> list[dict[str, Any]]:
        if "error" in chunk:
            kind = chunk["error"].get("type", "api_error")
            return [{"type": "error", "error": {"type": kind, "message": chunk["error"]["message"]}}]
        if not chunk["choices"]:
            self._summed_up = True
            return [self._sum_up(chunk["usage"])]
        choice = chunk["choices"][0]
        delta, events = choice["delta"], []
        if "role" in delta:
            events.append({"type": "message_start", "message": {**self._message(chunk), "usage": {"input_tokens": 0}}})
        if delta.get("content"):
            events += self._begin("text", {"type": "text", "text": ""})
            events.append(self._delta({"type": "text_delta", "text": delta["content"]}))
        for call in delta.get("tool_calls", ()):
            function = call["function"]
            block = {"type": "tool_use", "id": call.get("id", "toolu_1"), "name": function["name"], "input": {}}
            events += self._begin(None, block)
            events.append(self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}))
        if choice["finish_reason"] is not None:
            self._stop_reason = _STOP_REASONS[choice["finish_reason"]]
            events += self._end()
        return events

    def _message(self, chunk: dict[str, Any]) -> dict[str, Any]:
        named = {"id": "msg_faultd", "type": "message", "role": "assistant", "model": chunk["model"]}
        return {**named, "content": [], "stop_reason": None, "stop_sequence": None}

    def _begin(self, kind: str | None, block: dict[str, Any]) -> list[dict[str, Any]]:
        """The events before a delta: none if it goes on in the block of its ``kind``."""
        if kind is not None and self._open == kind:
            return []
        before = self._end()
        self._block += 1
        self._open = kind or "tool_use"
        return [*before, {"type": "content_block_start", "index": self._block, "content_block": block}]

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._block, "delta": delta}

    def _end(self) -> list[dict[str, Any]]:
        if self._open is None:
            return []
        self._open = None
        return [{"type": "content_block_stop", "index": self._block}]

    def _sum_up(self, usage: dict[str, Any] | None) -> dict[str, Any]:
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        return {"type": "message_delta", "delta": delta, "usage": _anthropic_usage(usage)}


class Ollama(Wire):
    """Ollama's own chat: a line of JSON for each word, the last one with the reason and the counts."""

    dialect = "ollama"
    content_type = "application/x-ndjson"
    broken = b'{"message": {"cont\n'

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None

    def streams(self, body: dict[str, Any]) -> bool:
        """Unless asked not to."""
        return bool(body.get("stream", True))

    def event(self, chunk: dict[str, Any], framing: Framing = PLAIN) -> bytes:
        """A line; tool calls come whole here, so half of one is a line that stops in the middle."""
        del framing
        if "error" in chunk:
            return _line({"error": chunk["error"]["message"]})
        if not chunk["choices"]:
            last, self._last = self._last or {}, None
            return _line({**last, **_ollama_usage(chunk["usage"])})
        choice = chunk["choices"][0]
        if choice["finish_reason"] is not None:
            self._last = {**self._said(chunk, {"content": ""}), "done": True, "done_reason": "stop"}
            return b""
        delta = choice["delta"]
        if calls := delta.get("tool_calls"):
            return self._call(chunk, calls[0]["function"])
        return _line(self._said(chunk, {"content": delta["content"]})) if delta.get("content") else b""

    def done(self) -> bytes:
        """The last line, if no usage has brought it."""
        return b"" if self._last is None else _line(self._last)

    def whole(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        """One object, or an error that is a sentence."""
        del status
        if "error" in body:
            return {"error": body["error"]["message"]}
        if "choices" not in body:
            return body
        said = self._said(body, {"content": body["choices"][0]["message"]["content"]})
        return {**said, "done": True, "done_reason": "stop", **_ollama_usage(body.get("usage"))}

    def _call(self, chunk: dict[str, Any], function: dict[str, str]) -> bytes:
        arguments = function["arguments"] or "{}"
        call = {"function": {"name": function["name"], "arguments": {}}}
        before, _, after = _line(self._said(chunk, {"content": "", "tool_calls": [call]})).partition(b"{}")
        return before + arguments.encode() + (after if _is_json(arguments) else b"")

    def _said(self, chunk: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        said = {"role": "assistant", **message}
        return {"model": chunk["model"], "created_at": _CREATED_AT, "message": said, "done": False}


def wire_for(path: str) -> Wire:
    """The wire of a request's path; chat completions, unless it is another dialect's."""
    if path.endswith("/messages"):
        return Anthropic()
    if path.endswith("/api/chat"):
        return Ollama()
    return OpenAi()


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _anthropic_usage(usage: dict[str, Any] | None) -> dict[str, int]:
    if usage is None:
        return {}
    return {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}


def _ollama_usage(usage: dict[str, Any] | None) -> dict[str, int]:
    if usage is None:
        return {}
    return {"prompt_eval_count": usage["prompt_tokens"], "eval_count": usage["completion_tokens"]}
