"""A real llama.cpp behind the Ollama for tests: the names, options and errors are Ollama's, the tokens llama.cpp's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import aiohttp

from servers.clocks import Clock
from servers.ollama_models import OllamaError
from servers.ollama_runs import Run

_RENAMED = {"num_predict": "max_tokens"}
_PASSED = ("temperature", "top_p", "top_k", "min_p", "seed", "stop", "repeat_penalty", "num_predict")


@dataclass
class LlamaCppRun(Run):
    """One generation, made by the llama.cpp at ``model.runner``."""

    async def pieces(self, clock: Clock) -> AsyncGenerator[dict[str, Any], None]:
        reason, calls = None, dict[int, dict[str, str]]()
        async with self.instance.slots, aclosing(self._events()) as events:
            async for event in events:
                self._count(event)
                for choice in event.get("choices", ()):
                    delta, reason = choice["delta"], choice.get("finish_reason") or reason
                    if thought := delta.get("reasoning_content"):
                        yield {"content": "", "thinking": thought}
                    if delta.get("content"):
                        yield {"content": delta["content"]}
                    for part in delta.get("tool_calls") or ():
                        _join(calls.setdefault(part["index"], {"name": "", "arguments": ""}), part["function"])
        for index, call in sorted(calls.items()):
            function = {"index": index, "name": call["name"], "arguments": json.loads(call["arguments"] or "{}")}
            self.calls.append({"id": f"call_{uuid4().hex[:8]}", "function": function})
            yield {"content": "", "tool_calls": self.calls[-1:]}
        if reason is None:
            raise OllamaError(500, "unexpected EOF")
        self.ended_s = clock.now_s()
        self.done_reason = "length" if reason == "length" else "stop"

    def _count(self, event: Mapping[str, Any]) -> None:
        if usage := event.get("usage"):
            self.prompt = replace(self.prompt, tokens=usage["prompt_tokens"])
            self.answer_tokens = usage["completion_tokens"]
        if timings := event.get("timings"):
            self.prompt_s, self.answer_s = timings["prompt_ms"] / 1000, timings["predicted_ms"] / 1000

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        url = f"{self.model.runner}/chat/completions"
        async with aiohttp.ClientSession() as session, session.post(url, json=self._request()) as answer:
            if answer.status != 200:
                failure = json.loads(await answer.read())["error"]
                raise OllamaError(400 if answer.status == 400 else 500, failure["message"])
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    event = json.loads(line[6:])
                    if "error" in event:
                        raise OllamaError(500, event["error"]["message"])
                    yield event

    def _request(self) -> dict[str, Any]:
        messages = [_message(message, turn) for turn, message in enumerate(self.prompt.messages)]
        request = {"model": self.model.name, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        request |= {_RENAMED.get(name, name): self.options[name] for name in _PASSED if name in self.options}
        if self.body.get("tools"):
            request["tools"] = self.body["tools"]
        form = self.body.get("format")
        if isinstance(form, Mapping):
            request["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form}}
        elif form:
            request["response_format"] = {"type": "json_object"}
        request["chat_template_kwargs"] = {"enable_thinking": self.thinks}
        return request


def _join(call: dict[str, str], function: Mapping[str, Any]) -> None:
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _message(message: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """OpenAI's form of a message: calls have ids and their arguments are text."""
    said = {name: value for name, value in message.items() if name in ("role", "content", "tool_call_id")}
    if calls := message.get("tool_calls"):
        said["tool_calls"] = [
            {
                "id": call.get("id") or f"call_{turn}_{index}",
                "type": "function",
                "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])},
            }
            for index, call in enumerate(calls)
        ]
    return said
