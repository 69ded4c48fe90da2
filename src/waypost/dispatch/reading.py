"""Reads answers in OpenAI's form: output, finish reason, usage; says what an engine means whatever its dialect of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from waypost.dispatch.events import Event, Usage
from waypost.fleet.timings import Timings

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_OUTPUTS = (*_TEXTS, "tool_calls", "function_call", "audio", "images")


def error_in(parsed: Mapping[str, Any]) -> Any:
    """The error that a body or an event carries in place of an answer, or ``None``."""
    if parsed.get("error"):
        return parsed
    if parsed.get("object") == "error" or ("choices" not in parsed and parsed.get("detail")):
        return parsed
    return None


def is_answer(parsed: Any) -> bool:
    """It has the list of choices that every chunk and every completion has."""
    return isinstance(parsed, dict) and isinstance(parsed.get("choices"), list)


def read_event(payload: bytes, parsed: Mapping[str, Any], *, skipped: int = 0) -> Event:
    """The event for a chunk or a completion; ``parsed`` is ``payload`` read, and ``is_answer``."""
    output, finish_reason, text = False, None, ""
    for choice in parsed["choices"]:
        if not isinstance(choice, dict):
            continue
        finish_reason = choice.get("finish_reason") or finish_reason
        said = choice.get("delta") or choice.get("message")
        if isinstance(said, dict):
            added = _text_of(said)
            text += added
            output = output or bool(added) or any(map(said.get, _OUTPUTS))
    usage = read_usage(parsed.get("usage"))
    return Event(
        payload=payload,
        output=output,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        usage=usage,
        usage_only=usage is not None and not parsed["choices"],
        text=text,
        skipped=skipped,
        timings=None if usage is None else read_timings(parsed.get("timings")),
    )


def read_usage(usage: Any) -> Usage | None:
    """The engine's own count. What it does not say is ``None``; a zero that it says is a zero."""
    if not isinstance(usage, dict):
        return None
    read = Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )
    return None if read.prompt_tokens is None and read.completion_tokens is None else read


def read_timings(timings: Any) -> Timings | None:
    """The work as llama.cpp measures it: what was in its cache is not among the tokens that it read."""
    if not isinstance(timings, dict):
        return None
    return Timings(
        prompt_s=_seconds(timings, "prompt_ms"),
        prompt_tokens=_count(timings, "prompt_n"),
        answer_s=_seconds(timings, "predicted_ms"),
        answer_tokens=_count(timings, "predicted_n"),
    )


def as_chunks(completion: Mapping[str, Any]) -> list[Event]:
    """The chunks that say the same as a whole completion: for an engine that was asked for a stream and did not give one."""
    usage = completion.get("usage")
    shared = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    shared["object"] = "chat.completion.chunk"
    choices = [_as_chunk_choice(choice) for choice in completion["choices"] if isinstance(choice, dict)]
    chunks: list[dict[str, Any]] = [{**shared, "choices": choices}]
    if usage:
        chunks.append({**shared, "choices": [], "usage": usage})
    return [read_event(orjson.dumps(chunk), chunk) for chunk in chunks]


def _as_chunk_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    delta = dict(message) if isinstance(message, dict) else {}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{**call, "index": at} for at, call in enumerate(calls) if isinstance(call, dict)]
    kept = {key: value for key, value in choice.items() if key != "message"}
    return {**kept, "delta": delta}


def _text_of(said: Mapping[str, Any]) -> str:
    text = ""
    for name in _TEXTS:
        value = said.get(name)
        if value and isinstance(value, str):
            text += value
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                text += str(function.get("name") or "") + str(function.get("arguments") or "")
    return text


def _count(source: Any, name: str) -> int | None:
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _seconds(source: dict[str, Any], name: str) -> float | None:
    value = source.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return None
    return value / 1000
