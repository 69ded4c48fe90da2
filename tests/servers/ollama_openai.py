"""What Ollama makes of OpenAI's chat completions: a request of its own before, chunks and completions after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from servers.ollama_models import Body, OllamaError

_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def native(body: Body) -> dict[str, Any]:
    """The same request in Ollama's own words. No window, no ``keep_alive``; temperature and ``top_p`` are 1.0 unless given."""
    options = {"temperature": 1.0, "top_p": 1.0}
    options |= {name: body[name] for name in ("temperature", "top_p", "seed", "stop") if body.get(name) is not None}
    options |= {name: body[name] for name in ("frequency_penalty", "presence_penalty") if body.get(name) is not None}
    if body.get("max_tokens") is not None:
        options["num_predict"] = body["max_tokens"]
    request: dict[str, Any] = {"model": body.get("model"), "options": options, "stream": bool(body.get("stream"))}
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise OllamaError(400, "[] is too short - 'messages'")
    request["messages"] = [_message(message) for message in messages]
    request |= {name: body[name] for name in ("tools", "logprobs", "top_logprobs") if body.get(name) is not None}
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort is not None:
        request["think"] = False if effort == "none" else effort
    form = body.get("response_format") or {}
    if form.get("type") == "json_object":
        request["format"] = "json"
    elif form.get("type") == "json_schema":
        request["format"] = form["json_schema"]["schema"]
    return request


def _message(message: Body) -> dict[str, Any]:
    content, said = message.get("content"), dict(message)
    if isinstance(content, list):
        said["content"] = "".join(part["text"] for part in content if part.get("type") == "text")
        said["images"] = [_image(part["image_url"]) for part in content if part.get("type") == "image_url"]
    for call in said.get("tool_calls") or ():
        try:
            json.loads(call["function"]["arguments"])
        except ValueError:
            raise OllamaError(400, "invalid tool call arguments") from None
    return said


def _image(value: Any) -> str:
    url = value.get("url", "") if isinstance(value, Mapping) else value
    if not str(url).startswith("data:image/"):
        raise OllamaError(400, "invalid image input")
    return str(url).partition(",")[2]


def error(status: int, text: str) -> dict[str, Any]:
    """An error as OpenAI's clients know it."""
    return {"error": {"message": text, "type": _TYPES.get(status, "api_error"), "param": None, "code": None}}


def usage(metrics: Mapping[str, Any]) -> dict[str, int]:
    """OpenAI's counts."""
    prompt, answer = metrics.get("prompt_eval_count", 0), metrics.get("eval_count", 0)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _base(model: str, created: int, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": created, "model": model, "system_fingerprint": "fp_ollama"}


def _said(piece: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": piece["content"]}
    if piece.get("thinking"):
        said["reasoning"] = piece["thinking"]
    if piece.get("tool_calls"):
        said["tool_calls"] = [
            {
                "id": call["id"],
                "index": call["function"]["index"],
                "type": "function",
                "function": {"name": call["function"]["name"], "arguments": json.dumps(call["function"]["arguments"])},
            }
            for call in piece["tool_calls"]
        ]
    return said


def chunk(model: str, created: int, piece: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": _said(piece), "finish_reason": finish}
    return {**_base(model, created, "chat.completion.chunk"), "choices": [choice]}


def usage_chunk(model: str, created: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The event with the counts."""
    return {**_base(model, created, "chat.completion.chunk"), "choices": [], "usage": usage(metrics)}


def completion(model: str, created: int, message: Mapping[str, Any], finish: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A whole answer."""
    choice = {"index": 0, "message": _said(message), "finish_reason": finish}
    return {**_base(model, created, "chat.completion"), "choices": [choice], "usage": usage(metrics)}
