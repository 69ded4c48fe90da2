"""Bodies that Ollama's API takes."""

from __future__ import annotations

from typing import Any

import orjson

from waypost.dialects import ollama
from waypost.turn import Turn

PNG = "iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"api_base": {"type": "string"}}}},
}


def chat(*messages: dict[str, Any], **fields: Any) -> bytes:
    listed = list(messages) or [{"role": "user", "content": "hello"}]
    return orjson.dumps({"model": "auto", "messages": listed, **fields})


def turn(*messages: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any) -> Turn:
    return ollama.parse_chat(chat(*messages, **fields), turn_id="t1", headers=headers or {})


def generated(**fields: Any) -> Turn:
    return ollama.parse_generate(orjson.dumps({"model": "auto", **fields}), turn_id="t1")
