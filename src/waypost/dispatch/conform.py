"""The form that OpenAI's schema promises, whatever an engine's dialect of it: one form for every client.

What engines leave out is added, what they may not send is left out, and what has two names gets one:

- ``refusal``, ``logprobs``, ``finish_reason``, ``index`` and the like are there, if need be as ``null``;
- ``null`` stands only where the schema allows it;
- reasoning is ``reasoning_content``, never ``reasoning``;
- a finish reason is one of OpenAI's words for it, and ``tool_calls`` where the choice holds calls;
- calls are as `tool_calls` makes them;
- the usage of a stream comes by itself, in a chunk behind all others.

What else an engine sends (timings, token ids) goes on as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from waypost.dispatch.events import Event
from waypost.dispatch.reading import read_event, read_timings, read_usage
from waypost.dispatch.tool_calls import ToolCallNumbering, named

# Words of TGI, Mistral, Anthropic, Cohere and Gemini. One that is not here goes on as it is: a wrong guess is worse than that.
_REASONS = {
    "complete": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "safety": "content_filter",
}
_CALLED = {"stop": "tool_calls", **{word: "tool_calls" if meant == "stop" else meant for word, meant in _REASONS.items()}}
_HEAD = ("id", "created", "model")
_NEVER_EMPTY = ("role", "tool_calls", "function_call")
# A message that has the first and none of the second needs nothing done to it, in a choice with one of these reasons.
_PLAIN, _NOT_PLAIN = frozenset({"role", "content", "refusal"}), frozenset({"reasoning", "tool_calls", "function_call"})
_PLAIN_REASONS = ("stop", "length")
_COUNTS = ("prompt_tokens", "completion_tokens")
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")


class Form:
    """Gives the answer to one call as events in that form.

    It mends what was parsed in place, and writes it again only where something had to change: most chunks go on as the bytes
    that came. It remembers what all chunks of a stream share, and the calls of each choice.
    """

    __slots__ = ("_calls", "_clock", "_head", "_model", "_new_id", "_usage")

    def __init__(
        self,
        model: str,
        *,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._model = model
        self._clock = clock
        self._new_id = new_id
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._calls: dict[int, ToolCallNumbering] = {}

    def chunk(self, data: bytes, parsed: dict[str, Any], *, skipped: int = 0) -> Event:
        """The event for a chunk of a stream; ``parsed`` is ``data`` read, and ``is_answer``."""
        changed = self._mend_head(parsed, "chat.completion.chunk")
        choices = parsed["choices"]
        for place, choice in enumerate(choices):
            changed |= self._mend_chunk_choice(choice, place)
        if not parsed.get("usage"):
            return read_event(orjson.dumps(parsed) if changed else data, parsed, skipped=skipped)
        changed |= _mend_usage(parsed)
        usage = parsed.pop("usage", None) if choices else None
        if choices:
            self._usage, changed = usage or self._usage, True
        else:
            self._usage = None
        event = read_event(orjson.dumps(parsed) if changed else data, parsed, skipped=skipped)
        return replace(event, usage=read_usage(usage), timings=read_timings(parsed.get("timings"))) if usage else event

    def rest(self) -> list[Event]:
        """What is to come behind the last chunk: the usage, where the engine sent it in a chunk with choices."""
        if self._usage is None:
            return []
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage}
        self._usage = None
        return [read_event(orjson.dumps(chunk), chunk)]

    def completion(self, data: bytes, parsed: dict[str, Any]) -> Event:
        """The one event for an answer that is not streamed; ``parsed`` is ``data`` read, and ``is_answer``."""
        changed = "usage" in parsed and _mend_usage(parsed)
        if not _is_plain(parsed):
            changed |= self._mend_head(parsed, "chat.completion")
            for place, choice in enumerate(parsed["choices"]):
                changed |= _mend_choice(choice, place, parsed["id"])
        return read_event(orjson.dumps(parsed) if changed else data, parsed)

    def _mend_head(self, answer: dict[str, Any], kind: str) -> bool:
        """All but the choices; and of those, that they are objects."""
        changed = False
        for choice in answer["choices"]:
            if type(choice) is not dict:
                changed = _only_objects(answer, "choices")
                break
        if (
            answer.get("object") == kind
            and type(answer.get("id")) is str
            and type(answer.get("created")) is int
            and type(answer.get("model")) is str
            and answer.get("system_fingerprint", "") is not None
        ):
            if not self._head:
                self._head = {name: answer[name] for name in _HEAD}
            return changed
        head = self._head = self._head or self._made_head(answer)
        right: dict[str, Any] = {"object": kind}
        right |= {name: value for name, value in head.items() if type(answer.get(name)) is not type(value)}
        changed |= any(answer.get(name) != value for name, value in right.items())
        answer.update(right)
        return changed | _without_null(answer, ("system_fingerprint",))

    def _made_head(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What every chunk says of itself: as the engine says it in the first one, and made up where it does not."""
        given, created, model = (answer.get(name) for name in _HEAD)
        return {
            "id": given if type(given) is str else f"chatcmpl-{self._new_id()}",
            "created": int(created if isinstance(created, (int, float)) else self._clock()),
            "model": model if type(model) is str else self._model,
        }

    def _mend_chunk_choice(self, choice: dict[str, Any], place: int) -> bool:
        changed = False
        if type(choice.get("index")) is not int:
            choice["index"] = place
            changed = True
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice["delta"] = {}
            changed = True
        if "content" not in delta or len(delta) > 1:
            changed |= _mend_said(delta)
            if "tool_calls" in delta or "function_call" in delta:
                calls = self._calls.get(choice["index"]) or self._calls.setdefault(choice["index"], ToolCallNumbering())
                changed |= _mend_calls(delta, calls.renumber, _name_of(choice, self._head["id"]))
        if choice.get("finish_reason", "") is not None:
            changed |= _mend_reason(choice, choice["index"] in self._calls)
        if choice.get("logprobs") is not None:
            changed |= _mend_logprobs(choice)
        return changed


def _is_plain(answer: dict[str, Any]) -> bool:
    """Nothing but the usage may have to be mended in an answer that is not streamed: it is seen at one glance."""
    return (
        answer.get("object") == "chat.completion"
        and type(answer.get("id")) is str
        and type(answer.get("created")) is int
        and type(answer.get("model")) is str
        and answer.get("system_fingerprint", "") is not None
        and all(map(_is_plain_choice, answer["choices"]))
    )


def _is_plain_choice(choice: Any) -> bool:
    if type(choice) is not dict:
        return False
    message = choice.get("message")
    return (
        type(message) is dict
        and message.keys() >= _PLAIN
        and _NOT_PLAIN.isdisjoint(message)
        and bool(message["role"])
        and message.get("annotations", "") is not None
        and choice.get("finish_reason") in _PLAIN_REASONS
        and choice.get("logprobs", "") is None
        and type(choice.get("index")) is int
    )


def _mend_choice(choice: dict[str, Any], place: int, answer_id: str) -> bool:
    """A choice of an answer that is not streamed."""
    changed = type(choice.get("index")) is not int
    if changed:
        choice["index"] = place
    message = choice.get("message")
    if type(message) is not dict:
        message = choice["message"] = {}
    changed |= _mend_said(message)
    changed |= _without_null(message, ("annotations",))
    changed |= _add(message, role="assistant", content=None, refusal=None)
    changed |= _mend_calls(message, named, _name_of(choice, answer_id))
    called = "tool_calls" in message or "function_call" in message
    changed |= _mend_reason(choice, called)
    if choice["finish_reason"] is None:
        choice["finish_reason"] = "tool_calls" if called else "stop"
        changed = True
    changed |= _add(choice, logprobs=None)
    return changed | _mend_logprobs(choice)


def _mend_said(said: dict[str, Any]) -> bool:
    """A message or a delta: one name for reasoning, and nothing that is ``null`` and may not be."""
    changed = False
    if "reasoning" in said:
        reasoning = said.pop("reasoning")
        if type(reasoning) is str and not said.get("reasoning_content"):
            said["reasoning_content"] = reasoning
        changed = True
    for name in _NEVER_EMPTY:
        if name in said and not said[name]:
            del said[name]
            changed = True
    return changed


def _name_of(choice: dict[str, Any], answer_id: str) -> str:
    """What the ids of its calls are made from: clients put the calls of all choices into one place."""
    return f"{answer_id}_{choice['index']}" if choice["index"] else answer_id


def _mend_calls(said: dict[str, Any], mend: Callable[[list[Any], str], list[dict[str, Any]]], name: str) -> bool:
    """The tool calls of a message, or the pieces of them in a delta."""
    if "tool_calls" not in said:
        return False
    given = said["tool_calls"]
    made = mend(given, name) if type(given) is list else []
    if made and made == given:
        return False
    if made:
        said["tool_calls"] = made
    else:
        del said["tool_calls"]
    return True


def _mend_reason(choice: dict[str, Any], called: bool) -> bool:
    given = choice.get("finish_reason") or None
    reason = (_CALLED if called else _REASONS).get(given, given) if type(given) is str else None
    if reason == choice.get("finish_reason", 0):
        return False
    choice["finish_reason"] = reason
    return True


def _mend_logprobs(choice: dict[str, Any]) -> bool:
    logprobs = choice["logprobs"]
    if logprobs is None:
        return False
    if type(logprobs) is not dict:
        choice["logprobs"] = None
        return True
    changed = _add(logprobs, content=None, refusal=None)
    for kind in ("content", "refusal"):
        if logprobs[kind] is None:
            continue
        changed |= _only_objects(logprobs, kind)
        for token in logprobs[kind]:
            changed |= _add(token, bytes=None, top_logprobs=[])
            changed |= _only_objects(token, "top_logprobs")
            for other in token["top_logprobs"]:
                changed |= _add(other, bytes=None)
    return changed


def _mend_usage(answer: dict[str, Any]) -> bool:
    """Usage has both counts and their sum, or is left out: what is not known is not made up."""
    usage = answer["usage"]
    if type(usage) is not dict or [type(usage.get(name)) for name in _COUNTS] != [int, int]:
        del answer["usage"]
        return True
    changed = False
    for name in _DETAILS:
        if name in usage:
            details = usage[name]
            changed |= _without_null(usage, (name,)) or (type(details) is dict and _without_null(details, tuple(details)))
    if "total_tokens" in usage:
        return changed
    usage["total_tokens"] = sum(usage[name] for name in _COUNTS)
    return True


def _only_objects(given: dict[str, Any], name: str) -> bool:
    """Makes the field a list of objects; what else is in it is left out."""
    found = given[name]
    kept = [item for item in found if type(item) is dict] if type(found) is list else []
    if kept == found:
        return False
    given[name] = kept
    return True


def _without_null(given: dict[str, Any], names: Iterable[str]) -> bool:
    absent = [name for name in names if name in given and given[name] is None]
    for name in absent:
        del given[name]
    return bool(absent)


def _add(given: dict[str, Any], **defaults: Any) -> bool:
    """Adds what is missing. A field that is there stays, ``null`` or not."""
    missing = [name for name in defaults if name not in given]
    for name in missing:
        given[name] = defaults[name]
    return bool(missing)
