"""How many tokens the model will read: messages, tools, schema and media of a request in OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from waypost import tokens
from waypost.turn import Message, Refusal, Text


def prompt_tokens(body: Mapping[str, Any], messages: tuple[Message, ...]) -> int:
    """An estimate that errs upwards. The texts are counted together: that costs one pass, not one for each message."""
    texts: list[str] = []
    total = tokens.PER_PROMPT + tokens.PER_MESSAGE * len(messages)
    for index, message in enumerate(messages):
        media = False
        for part in message.parts:
            if type(part) is Text or type(part) is Refusal:
                texts.append(part.text)
            else:
                media = True
        if media:
            total += _media_tokens(body["messages"][index].get("content"))
        for call in message.tool_calls:
            texts += (call.name, call.arguments)
            total += tokens.PER_TOOL_CALL
        if message.name is not None:
            texts.append(message.name)
    offered = [*(body.get("tools") or ()), *(body.get("functions") or ())]
    if offered:
        total += tokens.PER_TOOL_LIST + tokens.PER_TOOL * len(offered)
        texts.append(orjson.dumps(offered).decode())
    schema = (body.get("response_format") or {}).get("json_schema")
    if schema is not None:
        texts.append(orjson.dumps(schema).decode())
    return total + tokens.estimate("\n".join(texts))


def _media_tokens(content: Any) -> int:
    """An earlier spoken answer has no content that could be measured here."""
    return sum(map(_part_tokens, content)) if isinstance(content, list) else 0


def _part_tokens(part: Mapping[str, Any]) -> int:
    kind = part["type"]
    if kind == "image_url":
        return tokens.image(low_detail=part["image_url"].get("detail") == "low")
    if kind == "input_audio":
        return tokens.audio(len(part["input_audio"]["data"]), part["input_audio"]["format"])
    if kind == "file":
        return tokens.document(len(part["file"].get("file_data") or ""))
    return 0
