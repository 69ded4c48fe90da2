"""One generation of an Ollama for tests: what it reads of the prompt, what it says, and how long both take."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from servers.clocks import Clock
from servers.ollama_models import Body, OllamaError, OllamaModel
from servers.ollama_scheduler import Instance

TOO_LONG = "the input length exceeds the context length"
NO_EYES = "this model is missing data required for image input"
IMAGE_TOKENS = 256
# What a load costs that is there already: it is never nothing.
_WARM_NS = 1_334_875
_WORD = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")


@dataclass(frozen=True)
class Prompt:
    """The prompt as it was really read: ``dropped`` messages did not fit."""

    text: str
    tokens: int
    dropped: int = 0
    messages: Sequence[Body] = ()


def read_prompt(
    model: OllamaModel, messages: Sequence[Body], tools: Any, window_tokens: int, *, truncate: bool = True
) -> Prompt:
    """The newest messages that fit the window, and all system messages. Raises `OllamaError` where nothing may be cut."""
    if any(message.get("images") for message in messages) and not model.can("vision"):
        raise OllamaError(500, NO_EYES)
    for start in range(max(1, len(messages))):
        kept = [message for message in messages[:start] if message.get("role") == "system"] + list(messages[start:])
        prompt = _read(model, kept, tools, len(messages) - len(kept))
        if not truncate or prompt.tokens <= window_tokens:
            break
    if prompt.tokens <= window_tokens:
        return prompt
    if not truncate:
        raise OllamaError(400, TOO_LONG)
    # The last message alone is too long: the runner drops the middle of it.
    return replace(prompt, tokens=window_tokens)


def _read(model: OllamaModel, messages: Sequence[Body], tools: Any, dropped: int) -> Prompt:
    head = json.dumps(tools) if tools else ""
    lines = [f"<{message.get('role')}>{_words(message)}\n" for message in messages]
    text = head + "".join(lines)
    images = sum(len(message.get("images") or ()) for message in messages)
    return Prompt(text, count(model, text) + IMAGE_TOKENS * images, dropped, messages)


def _words(message: Body) -> str:
    calls = message.get("tool_calls")
    return str(message.get("content") or "") + (json.dumps(calls) if calls else "")


def count(model: OllamaModel, text: str) -> int:
    """How many tokens a text is for this model."""
    return math.ceil(len(text.encode()) / model.bytes_per_token)


@dataclass
class Run:
    """One generation. Its counts and times are complete when ``pieces`` is at its end."""

    model: OllamaModel
    instance: Instance
    prompt: Prompt
    body: Body
    options: Mapping[str, Any]
    thinks: bool
    asked_s: float
    loaded_s: float
    prompt_s: float = 0.0
    answer_tokens: int = 0
    answer_s: float = 0.0
    ended_s: float = 0.0
    done_reason: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def aborted(self) -> bool:
        """Whether it ended before its end."""
        return self.done_reason is None

    async def pieces(self, clock: Clock) -> AsyncGenerator[dict[str, Any], None]:
        """The parts of the message, one after the other, as they are said. Raises `OllamaError`."""
        answer = self.model.answer_to(self.body)
        async with self.instance.slots:
            slower, began_s = self.instance.slowdown(), clock.now_s()
            fresh = self.prompt.tokens * (1 - self.instance.cached_share(self.prompt.text))
            await clock.sleep(fresh / self.model.prompt_tokens_per_s * slower)
            self.prompt_s = clock.now_s() - began_s
            began_s = clock.now_s()
            for piece, tokens in self._said():
                if answer.error is not None and self.answer_tokens >= answer.error_after:
                    break
                if self.answer_tokens + tokens > self._limit():
                    self.done_reason = "length"
                    break
                await clock.sleep(tokens / self.model.answer_tokens_per_s * slower)
                self.answer_tokens += tokens
                self.answer_s = clock.now_s() - began_s
                yield piece
            if answer.error is not None:
                raise OllamaError(500, answer.error)
        self.ended_s = clock.now_s()
        self.done_reason = self.done_reason or "stop"

    def metrics(self) -> dict[str, Any]:
        """The numbers of the last line, in nanoseconds; what is zero is left out, as Go does."""
        load_ns = max(_WARM_NS, _ns(self.loaded_s - self.asked_s))
        prompt_ns, answer_ns = max(1, _ns(self.prompt_s)), max(1, _ns(self.answer_s))
        numbers = {
            "total_duration": max(load_ns + prompt_ns + answer_ns, _ns(self.ended_s - self.asked_s)),
            "load_duration": load_ns,
            "prompt_eval_count": self.prompt.tokens,
            "prompt_eval_duration": prompt_ns,
            "eval_count": self.answer_tokens,
            "eval_duration": answer_ns,
        }
        return {name: number for name, number in numbers.items() if number}

    def _limit(self) -> float:
        asked = self.options.get("num_predict")
        limit = math.inf if asked is None or asked < 0 else float(asked)
        if not self.instance.options.shift:
            limit = min(limit, int(self.instance.options.num_ctx or 0) - self.prompt.tokens)
        return limit

    def _said(self) -> Iterator[tuple[dict[str, Any], int]]:
        answer = self.model.answer_to(self.body)
        if self.thinks:
            for word in _WORD.findall(answer.thinking):
                yield {"content": "", "thinking": word}, 1
        text = answer.json if self.body.get("format") else answer.text
        stops = self.options.get("stop") or ()
        for stop in [stops] if isinstance(stops, str) else stops:
            text = text.partition(stop)[0] if stop else ""  # an empty one is in every text
        for word in _WORD.findall(text):
            yield {"content": word}, 1
        for index, (name, arguments) in enumerate(answer.tool_calls if self.body.get("tools") else ()):
            function = {"index": index, "name": name, "arguments": dict(arguments)}
            call = {"id": f"call_{uuid4().hex[:8]}", "function": function}
            self.calls.append(call)
            yield {"content": "", "tool_calls": [call]}, count(self.model, name + json.dumps(arguments))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def whole(pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The message that the pieces of a stream are."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(piece["content"] for piece in pieces)}
    if thinking := "".join(piece.get("thinking", "") for piece in pieces):
        message["thinking"] = thinking
    if calls := [call for piece in pieces for call in piece.get("tool_calls", ())]:
        message["tool_calls"] = calls
    return message
