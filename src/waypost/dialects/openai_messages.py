"""OpenAI's messages: every shape that the API takes, read into ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from waypost.dialects.fields import (
    as_object,
    chosen,
    is_base64,
    is_plain,
    joined,
    list_at,
    must_be,
    name_at,
    object_at,
    optional_text_at,
    text_at,
)
from waypost.turn import Audio, File, Image, Message, Part, Refusal, Role, Text, ToolCall

_TEXT_ONLY = frozenset({"text"})
_ASSISTANT = frozenset({"text", "refusal"})
_ANY_INPUT = frozenset({"text", "image_url", "input_audio", "file"})

# Which parts a role may send. OpenAI takes only text from tools; local engines also read their images.
PARTS_OF_ROLE: Mapping[Role, frozenset[str]] = {
    "system": _TEXT_ONLY,
    "developer": _TEXT_ONLY,
    "user": _ANY_INPUT,
    "assistant": _ASSISTANT,
    "tool": _ANY_INPUT,
    "function": _TEXT_ONLY,
}

_DETAILS = ("auto", "low", "high")
_DATA_IMAGE = re.compile(r"data:image/[a-z0-9.+-]{1,40}(?:;[a-z0-9=.+-]{1,40})*;base64,", re.IGNORECASE)
_WEB_ADDRESS = re.compile(r"https?://[^\s/]", re.IGNORECASE)


def read_messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages, oldest first. Raises `InvalidRequest` that names the first bad field."""
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        raise must_be("messages", "a non-empty array")
    return tuple([_message(message, index) for index, message in enumerate(messages)])


def _message(value: Any, index: int) -> Message:
    if is_plain(value):
        return Message(value["role"], (Text(value["content"]),))
    path = f"messages[{index}]"
    message = as_object(value, path)
    role = message.get("role")
    if type(role) is not str or role not in PARTS_OF_ROLE:
        raise must_be(f"{path}.role", "one of " + ", ".join(PARTS_OF_ROLE))
    name = optional_text_at(message, "name", path)
    calls: tuple[ToolCall, ...] = ()
    call_id = None
    needs_content = True
    if role == "assistant":
        calls = _tool_calls(message, path)
        needs_content = not calls and not any(message.get(key) is not None for key in ("refusal", "audio"))
    elif role == "tool":
        call_id = name_at(message, "tool_call_id", path)
    elif role == "function":
        name = name_at(message, "name", path)
        needs_content = False
    parts = _content(message, role, path, needed=needs_content)
    if role == "assistant":
        parts += _besides_content(message, path)
    return Message(role, parts, name, calls, call_id)  # type: ignore[arg-type] # a key of PARTS_OF_ROLE is a Role


def _content(message: Mapping[str, Any], role: str, path: str, *, needed: bool) -> tuple[Part, ...]:
    content = message.get("content")
    if type(content) is str:
        return (Text(content),)
    if content is None and not needed:
        return ()
    if type(content) is not list or not content:
        raise must_be(f"{path}.content", "a string or a non-empty array of parts")
    allowed = PARTS_OF_ROLE[role]  # type: ignore[index] # checked by the caller
    return tuple([_part(part, allowed, f"{path}.content[{index}]") for index, part in enumerate(content)])


def _part(value: Any, allowed: frozenset[str], path: str) -> Part:
    part = as_object(value, path)
    kind = part.get("type")
    if type(kind) is not str or kind not in allowed:
        raise must_be(f"{path}.type", "one of " + ", ".join(sorted(allowed)))
    return _PART_READERS[kind](part, path)


def _text_part(part: Mapping[str, Any], path: str) -> Part:
    return Text(text_at(part, "text", path))


def _image_part(part: Mapping[str, Any], path: str) -> Part:
    image = object_at(part, "image_url", path)
    path = f"{path}.image_url"
    url = name_at(image, "url", path)
    if image.get("detail") is not None:
        chosen(image, "detail", path, _DETAILS)
    data = _DATA_IMAGE.match(url)
    if not (is_base64(url[data.end() :]) if data else _WEB_ADDRESS.match(url)):
        raise must_be(f"{path}.url", "an http or https address, or a data:image/…;base64 URI")
    return Image(inline=data is not None)


def _audio_part(part: Mapping[str, Any], path: str) -> Part:
    audio = object_at(part, "input_audio", path)
    path = f"{path}.input_audio"
    name_at(audio, "data", path)
    return Audio(name_at(audio, "format", path))


def _file_part(part: Mapping[str, Any], path: str) -> Part:
    file = object_at(part, "file", path)
    path = f"{path}.file"
    given = [optional_text_at(file, key, path) for key in ("file_data", "file_id")]
    if not any(given):
        raise must_be(path, "an object with file_data or file_id")
    return File(optional_text_at(file, "filename", path))


def _refusal_part(part: Mapping[str, Any], path: str) -> Part:
    return Refusal(text_at(part, "refusal", path))


_PART_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Part]] = {
    "text": _text_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
    "refusal": _refusal_part,
}


def _besides_content(message: Mapping[str, Any], path: str) -> tuple[Part, ...]:
    """What an assistant's message may hold beside its content: a refusal, or an earlier spoken answer by its id."""
    parts: tuple[Part, ...] = ()
    refusal = optional_text_at(message, "refusal", path)
    if refusal is not None:
        parts += (Refusal(refusal),)
    if message.get("audio") is not None:
        name_at(object_at(message, "audio", path), "id", f"{path}.audio")
        parts += (Audio(None),)
    return parts


def _tool_calls(message: Mapping[str, Any], path: str) -> tuple[ToolCall, ...]:
    calls = list_at(message, "tool_calls", path)
    read = tuple([_tool_call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls)])
    if message.get("function_call") is not None:
        call = object_at(message, "function_call", path)
        where = f"{path}.function_call"
        read += (ToolCall(None, name_at(call, "name", where), text_at(call, "arguments", where)),)
    return read


def _tool_call(value: Any, path: str) -> ToolCall:
    call = as_object(value, path)
    kind = chosen(call, "type", path, ("function", "custom"))
    called = object_at(call, kind, path)
    where = joined(path, kind)
    written = text_at(called, "arguments" if kind == "function" else "input", where)
    return ToolCall(name_at(call, "id", path), name_at(called, "name", where), written)
