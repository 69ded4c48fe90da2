"""OpenAI's messages in the form that Ollama's chat reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from waypost.errors import ProviderCannot
from waypost.fleet.deployment import Deployment

_ROLES = {"developer": "system", "function": "tool"}
_INLINE = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


def ollama_messages(messages: Iterable[Mapping[str, Any]], deployment: Deployment) -> list[dict[str, Any]]:
    """The messages: one text each, images as bare base64, calls with arguments as objects, results with the tool's name.

    Raises `ProviderCannot` for what Ollama's chat has no place for: an image by its address (Ollama fetches nothing, and
    neither does Waypost), sound, documents.
    """
    made: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for message in messages:
        role = message["role"]
        texts, images = _content(message.get("content"), deployment)
        one: dict[str, Any] = {"role": _ROLES.get(role, role), "content": "\n".join(texts)}
        if images:
            one["images"] = images
        if role == "assistant":
            one |= _said_besides(message, called)
        elif one["role"] == "tool":
            call_id = message.get("tool_call_id")
            name = message.get("name") or called.get(str(call_id))
            one |= {key: value for key, value in (("tool_name", name), ("tool_call_id", call_id)) if value}
        made.append(one)
    return made


def _content(content: Any, deployment: Deployment) -> tuple[list[str], list[str]]:
    """The texts and the images of a message."""
    if not isinstance(content, (list, tuple)):
        return [content] if isinstance(content, str) else [], []
    texts: list[str] = []
    images: list[str] = []
    for part in content:
        kind = part["type"]
        if kind in ("text", "refusal"):
            texts.append(part[kind])
        elif kind == "image_url":
            images.append(_image(part["image_url"]["url"], deployment))
        else:
            raise _cannot(deployment, "cannot take sound or documents, as Ollama's chat has no place for them")
    return texts, images


def _image(url: str, deployment: Deployment) -> str:
    inline = _INLINE.match(url)
    if inline is None:
        what = "cannot fetch an image by its address; send the image itself, as a data:image/…;base64 URI"
        raise _cannot(deployment, what)
    return url[inline.end() :]


def _said_besides(message: Mapping[str, Any], called: dict[str, str]) -> dict[str, Any]:
    """The thoughts and the calls of an assistant; ``called`` takes down the name of each call by its id."""
    said: dict[str, Any] = {}
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thinking, str):
        said["thinking"] = thinking
    older = message.get("function_call")
    given = [*(message.get("tool_calls") or ()), *([{"type": "function", "function": older}] if older else ())]
    calls = []
    for at, call in enumerate(given):
        described = call.get("function") or call.get("custom") or {}
        name = described.get("name")
        made: dict[str, Any] = {
            "function": {"index": at, "name": name, "arguments": _arguments(described.get("arguments", described.get("input")))}
        }
        if call.get("id"):
            made["id"] = call["id"]
            called[call["id"]] = str(name)
        calls.append(made)
    return {**said, "tool_calls": calls} if calls else said


def _arguments(written: Any) -> dict[str, Any]:
    """The arguments as an object, which Ollama insists on; text that is none becomes the one value of it."""
    if isinstance(written, str):
        try:
            read = orjson.loads(written or "{}")
        except orjson.JSONDecodeError:
            read = written
    else:
        read = written or {}
    return read if isinstance(read, dict) else {"input": read}


def _cannot(deployment: Deployment, what: str) -> ProviderCannot:
    return ProviderCannot(f"{deployment.id} {what}", deployment=deployment.id)
