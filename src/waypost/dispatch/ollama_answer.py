"""Ollama's answers in OpenAI's form: lines of JSON for a stream, one object otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import orjson

from waypost.dispatch.chunk_stream import told_apart
from waypost.dispatch.conform import Form
from waypost.dispatch.events import Call, Event
from waypost.dispatch.lines import LineParser
from waypost.dispatch.ollama_errors import ollama_error
from waypost.dispatch.sse import MAX_EVENT_BYTES, EventTooLarge, SseEvent
from waypost.dispatch.truncation import refuse_cut_prompt
from waypost.errors import ProviderProtocolError
from waypost.fleet.timings import Timings

# Any other reason goes on as it is. A model that was loaded or unloaded, and asked nothing, has said all there is.
_REASONS = {"": "stop", "load": "stop", "unload": "stop"}


class OllamaAnswer:
    """Reads one answer to ``call``, asked for with ``sent``.

    An answer is complete with the line that says ``done``; that line has the reason, the counts and the timings. A line that
    cannot be read is left out and counted. A prompt that was cut is an error, in place of that last line.
    """

    __slots__ = ("_call", "_clock", "_form", "_head", "_new_id", "_parser", "_seen", "_sent", "_skipped", "done")

    def __init__(
        self,
        call: Call,
        sent: Mapping[str, Any],
        max_event_bytes: int = MAX_EVENT_BYTES,
        *,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._call = call
        self._sent = sent
        self._clock = clock
        self._new_id = new_id
        self._parser = LineParser(max_event_bytes)
        self._form = Form(call.deployment.model)
        self._head: dict[str, Any] = {}
        self._seen = False
        self._skipped = 0
        self.done = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that ``data`` completes. An error of the engine raises, after what came before it."""
        try:
            found = self._parser.feed(data)
        except EventTooLarge as error:
            raise self._broken("sent one line that is larger than Waypost accepts") from error
        return told_apart(self._events(found))

    def end(self) -> Iterator[Event]:
        """The rest, when the connection has closed; raises if the answer is not complete."""
        yield from told_apart(self._events(self._parser.flush()))
        if self.done:
            return
        if self._skipped and not self._seen:
            raise self._broken("answered with nothing that can be read")
        raise self._broken("ended the stream before its end" if self._seen else "answered with an empty stream")

    def whole(self, body: bytes) -> Event:
        """The one event for an answer that is not streamed."""
        line = self._line(body)
        if line is None:
            what = "what is no answer of Ollama's chat" if body else "an empty body"
            raise self._broken(f"answered with {what}")
        if line.get("done") is not True:
            raise self._broken("gave an answer that is not complete")
        refuse_cut_prompt(self._call, self._sent, line)
        self._begin(line)
        said, logprobs = _said(line), _logprobs(line)
        choice = {"index": 0, "message": said, "logprobs": logprobs, "finish_reason": _reason(line)}
        answer: dict[str, Any] = {**self._head, "object": "chat.completion", "choices": [choice]}
        if (usage := _usage(line)) is not None:
            answer["usage"] = usage
        event = self._form.completion(orjson.dumps(answer), answer)
        event.timings = _timings(line)
        return event

    def _events(self, found: list[SseEvent]) -> Iterator[Event]:
        for _, data in found:
            if self.done:
                return
            line = self._line(data)
            if line is None:
                self._skipped += 1
                continue
            if line.get("done") is True:
                refuse_cut_prompt(self._call, self._sent, line)
                self.done = True
            yield self._chunk(line)
            if self.done and (event := self._summed_up(line)) is not None:
                yield event

    def _line(self, data: bytes) -> dict[str, Any] | None:
        """A line as an object, if it is part of an answer."""
        try:
            line = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(line, dict):
            return None
        if line.get("error"):
            raise ollama_error(self._call, None, line)
        return line if line.get("done") is True or isinstance(line.get("message"), dict) else None

    def _chunk(self, line: dict[str, Any]) -> Event:
        delta = _said(line)
        if self._seen:
            delta.pop("role")
            if not delta["content"]:
                del delta["content"]
        else:
            self._begin(line)
        reason = _reason(line) if self.done else None
        choice = {"index": 0, "delta": delta, "logprobs": _logprobs(line), "finish_reason": reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        event = self._form.chunk(orjson.dumps(chunk), chunk, skipped=self._skipped)
        self._skipped = 0
        return event

    def _summed_up(self, line: Mapping[str, Any]) -> Event | None:
        """The chunk with the counts; ``None`` where the engine gives none."""
        usage = _usage(line)
        if usage is None:
            return None
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}
        event = self._form.chunk(orjson.dumps(chunk), chunk)
        event.timings = _timings(line)
        return event

    def _begin(self, line: Mapping[str, Any]) -> None:
        """What all of the answer says of itself."""
        self._seen = True
        model = line.get("model")
        named = model if isinstance(model, str) else self._call.deployment.model
        self._head = {"id": f"chatcmpl-{self._new_id()}", "created": int(self._clock()), "model": named}

    def _broken(self, verdict: str) -> ProviderProtocolError:
        return ProviderProtocolError(f"{self._call.deployment.id} {verdict}", deployment=self._call.deployment.id)


def _said(line: Mapping[str, Any]) -> dict[str, Any]:
    """The message of a line, in OpenAI's words."""
    message = line.get("message")
    given: Mapping[str, Any] = message if isinstance(message, dict) else {}
    content, thinking = given.get("content"), given.get("thinking")
    said: dict[str, Any] = {"role": "assistant", "content": content if isinstance(content, str) else ""}
    if isinstance(thinking, str) and thinking:
        said["reasoning_content"] = thinking
    calls = given.get("tool_calls")
    if isinstance(calls, list) and (made := [_call(call) for call in calls if isinstance(call, dict)]):
        said["tool_calls"] = made
    return said


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call, whole, without the number that Ollama gives it inside: it is numbered by who reads the stream."""
    function = call.get("function")
    given: Mapping[str, Any] = function if isinstance(function, dict) else {}
    arguments = given.get("arguments")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    made: dict[str, Any] = {"type": "function", "function": {"name": given.get("name"), "arguments": text}}
    return {"id": call["id"], **made} if call.get("id") else made


def _reason(line: Mapping[str, Any]) -> str:
    given = line.get("done_reason") or ""
    return _REASONS.get(given, given) if isinstance(given, str) else "stop"


def _logprobs(line: Mapping[str, Any]) -> dict[str, Any] | None:
    given = line.get("logprobs")
    return {"content": given, "refusal": None} if isinstance(given, list) and given else None


def _usage(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """The engine's counts: the whole prompt, what was in its cache among it. Both, or none: half of it is no bill."""
    prompt, answer = _count(line, "prompt_eval_count"), _count(line, "eval_count")
    if prompt is None or answer is None:
        return None
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    cached = _count(line, "prompt_eval_cached_count")
    return usage if cached is None else {**usage, "prompt_tokens_details": {"cached_tokens": cached}}


def _timings(line: Mapping[str, Any]) -> Timings:
    prompt, cached = _count(line, "prompt_eval_count"), _count(line, "prompt_eval_cached_count")
    return Timings(
        load_s=_seconds(line, "load_duration"),
        prompt_s=_seconds(line, "prompt_eval_duration"),
        prompt_tokens=prompt if prompt is None or cached is None else max(0, prompt - cached),
        answer_s=_seconds(line, "eval_duration"),
        answer_tokens=_count(line, "eval_count"),
    )


def _count(line: Mapping[str, Any], name: str) -> int | None:
    value = line.get(name)
    return value if type(value) is int and value >= 0 else None


def _seconds(line: Mapping[str, Any], name: str) -> float | None:
    """Ollama counts nanoseconds."""
    value = _count(line, name)
    return None if value is None else value / 1e9
