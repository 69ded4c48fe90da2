"""The lane without an engine: answers that say that they are simulated, so that routing can be tried on any machine."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any

import orjson

from waypost.dispatch.events import Call, Event, Usage
from waypost.errors import ProviderRejected
from waypost.tokens import estimate


class SimulatedLane:
    """Says in plain words who would have answered. It never pretends: no tool calls, no structured answers, no delays."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        """The sentence, word by word for a stream. The same request gives the same words, with estimated usage."""
        _refuse_what_words_cannot_do(call)
        words = _words(call)
        text = "".join(words)
        usage = Usage(_prompt_tokens(call.body), estimate(text), estimated=True)
        base = {
            "id": f"chatcmpl-simulated-{call.deployment.id}",
            "created": int(self._wall_clock()),
            "model": call.deployment.model,
        }
        if not call.stream:
            yield _whole(base, text, usage)
            return
        for event in _chunks(base, words, usage):
            yield event

    async def close(self) -> None:
        """There is nothing to give back."""


def _refuse_what_words_cannot_do(call: Call) -> None:
    choice = call.body.get("tool_choice")
    if choice == "required" or isinstance(choice, Mapping):
        raise _refusal(call, "cannot make the tool call that tool_choice requires")
    wanted = call.body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema"):
        raise _refusal(call, "cannot answer in the structure that response_format asks for")


def _refusal(call: Call, what: str) -> ProviderRejected:
    name = call.deployment.id
    return ProviderRejected(f"{name} is simulated and {what}; connect a real engine for that", deployment=name)


def _words(call: Call) -> list[str]:
    deployment = call.deployment
    text = (
        f"This answer is simulated: no model has read your prompt. Waypost chose the deployment {deployment.id}, which stands "
        f"for a real {deployment.group} model. Start an engine, or name one in waypost.yaml, and it will answer here."
    )
    return [word if at == 0 else f" {word}" for at, word in enumerate(text.split())]


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    return sum(estimate(text) for message in body.get("messages", ()) for text in _texts(message.get("content")))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, tuple)):
        for part in content:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]


def _usage_json(usage: Usage) -> dict[str, int]:
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _whole(base: Mapping[str, Any], text: str, usage: Usage) -> Event:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    payload = orjson.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": _usage_json(usage)})
    return Event(payload, output=True, finish_reason="stop", usage=usage, text=text)


def _chunks(base: Mapping[str, Any], words: list[str], usage: Usage) -> Iterator[Event]:
    shared = {**base, "object": "chat.completion.chunk"}

    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return orjson.dumps({**shared, "choices": [choice]})

    yield Event(chunk({"role": "assistant", "content": ""}))
    for word in words:
        yield Event(chunk({"content": word}), output=True, text=word)
    yield Event(chunk({}, "stop"), finish_reason="stop")
    yield Event(orjson.dumps({**shared, "choices": [], "usage": _usage_json(usage)}), usage=usage, usage_only=True)
