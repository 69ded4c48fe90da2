"""Ollama's messages in OpenAI's form: images become parts, arguments text, and each result gets the id of its call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from waypost.dialects.fields import (
    as_object,
    chosen,
    is_base64,
    list_at,
    must_be,
    name_at,
    object_at,
    optional_text_at,
)
from waypost.dialects.ollama_params import refuse_what_goes_past_the_conversation

_ROLES = ("system", "user", "assistant", "tool")
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
# How the bytes of an image begin, in base64.
_KINDS = {"/9j/": "jpeg", "iVBOR": "png", "R0lGOD": "gif", "UklGR": "webp", "Qk": "bmp"}


def chat_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of ``/api/chat``; none where the request only wants a model loaded."""
    open_calls: list[tuple[str, str]] = []
    messages = list_at(body, "messages", "")
    return [_message(as_object(one, f"messages[{at}]"), at, open_calls) for at, one in enumerate(messages)]


def generate_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prompt of ``/api/generate`` as messages; none where there is no prompt."""
    refuse_what_goes_past_the_conversation(body)
    prompt, system = optional_text_at(body, "prompt", "") or "", optional_text_at(body, "system", "")
    images = _images(body, "")
    if not prompt and not images:
        return []
    said = {"role": "user", "content": _content(prompt, images)}
    return [{"role": "system", "content": system}, said] if system else [said]


def _message(given: Mapping[str, Any], at: int, open_calls: list[tuple[str, str]]) -> dict[str, Any]:
    """``open_calls`` are the ids and names of the calls that have no result yet."""
    path = f"messages[{at}]"
    role = chosen(given, "role", path, _ROLES)
    text = optional_text_at(given, "content", path) or ""
    images = _images(given, path)
    if images and role not in ("user", "tool"):
        raise must_be(f"{path}.images", "left out: only users and tools show images")
    message: dict[str, Any] = {"role": role, "content": _content(text, images)}
    if role == "assistant":
        thinking = optional_text_at(given, "thinking", path)
        if thinking:
            message["reasoning_content"] = thinking
        calls = [_call(as_object(call, f"{path}.tool_calls[{n}]"), at, n) for n, call in enumerate(_calls(given, path))]
        if calls:
            message["tool_calls"] = calls
            open_calls[:] = [(call["id"], call["function"]["name"]) for call in calls]
    elif role == "tool":
        message["tool_call_id"] = _answered(given, path, open_calls)
    return message


def _calls(given: Mapping[str, Any], path: str) -> list[Any]:
    return list_at(given, "tool_calls", path)


def _call(given: Mapping[str, Any], message: int, number: int) -> dict[str, Any]:
    """A call; most clients send no id, so it gets one that is the same each time the conversation comes."""
    path = f"messages[{message}].tool_calls[{number}]"
    function = object_at(given, "function", path)
    arguments = function.get("arguments")
    if arguments is not None and type(arguments) is not dict:
        raise must_be(f"{path}.function.arguments", "an object")
    call_id = optional_text_at(given, "id", path) or f"call_{message}_{number}"
    name = name_at(function, "name", f"{path}.function")
    written = orjson.dumps(arguments or {}).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": written}}


def _answered(given: Mapping[str, Any], path: str, open_calls: list[tuple[str, str]]) -> str:
    """The id of the call that a result is for: by its id, else the first open one of its name, else the first open one."""
    stated, name = optional_text_at(given, "tool_call_id", path), optional_text_at(given, "tool_name", path)
    found = next((call for call in open_calls if stated and call[0] == stated), None)
    found = found or next((call for call in open_calls if name and call[1] == name), None)
    found = found or (open_calls[0] if open_calls and not stated else None)
    if found is None:
        return stated or f"call_{name or 'unknown'}"
    open_calls.remove(found)
    return found[0]


def _images(given: Mapping[str, Any], path: str) -> list[str]:
    """Data URIs, as OpenAI's form has them."""
    found = []
    for number, image in enumerate(list_at(given, "images", path)):
        where = f"{path}.images[{number}]" if path else f"images[{number}]"
        if type(image) is not str:
            raise must_be(where, "base64 text")
        data = _DATA_URI.sub("", image, count=1) if image[:5].lower() == "data:" else image
        data = data.replace("\n", "").replace("\r", "")
        if not is_base64(data):
            raise must_be(where, "base64 text")
        kind = next((kind for opening, kind in _KINDS.items() if data.startswith(opening)), "png")
        found.append(f"data:image/{kind};base64,{data}")
    return found


def _content(text: str, images: list[str]) -> str | list[dict[str, Any]]:
    if not images:
        return text
    words = [{"type": "text", "text": text}] if text else []
    return [*words, *({"type": "image_url", "image_url": {"url": url}} for url in images)]
