"""Bodies that OpenAI's chat completions take."""

from __future__ import annotations

from typing import Any

import orjson

from waypost.dialects import openai
from waypost.turn import Turn

PNG = "data:image/png;base64,iVBORw0KGgo="


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": list(messages) or [user("hello")], **fields}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def turn(*messages: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any) -> Turn:
    return openai.parse(orjson.dumps(body(*messages, **fields)), turn_id="t1", headers=headers or {})


def function_tool(name: str = "get_weather", **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": "The weather.", "parameters": schema, **more}}
