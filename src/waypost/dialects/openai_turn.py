"""A body in OpenAI's form as a turn. Other dialects bring their requests into that form, and come here too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.dialects.background import background_work
from waypost.dialects.hints import (
    CHANNEL_HEADER,
    COST_QUALITY_HEADER,
    MEMORY_HEADER,
    PRIVATE_HEADER,
    TENANT_HEADERS,
    flag,
    session,
    share,
)
from waypost.dialects.openai_messages import read_messages
from waypost.dialects.openai_tools import read_response_format, read_tool_choice, read_tools
from waypost.dialects.prompt_size import prompt_tokens
from waypost.turn import Turn, channel_of


def turn_of(body: Mapping[str, Any], model: str, *, turn_id: str, headers: Mapping[str, str], dialect: str = "openai") -> Turn:
    """The turn that ``body`` asks for. Raises `InvalidRequest` with the path of a bad field in messages, tools and headers."""
    messages = read_messages(body)
    tools = read_tools(body)
    return Turn(
        id=turn_id,
        model=model,
        messages=messages,
        body=body,
        tools=tools,
        tool_choice=read_tool_choice(body, tools),
        response_format=read_response_format(body),
        stream=body.get("stream") is True,
        prompt_tokens=prompt_tokens(body, messages),
        answer_tokens=_answer_tokens(body),
        session=session(headers),
        caller=body.get("safety_identifier") or body.get("user") or None,
        private=flag(headers, PRIVATE_HEADER),
        known_to_memory=flag(headers, MEMORY_HEADER),
        channel=channel_of(headers.get(CHANNEL_HEADER, "")) or None,
        tenant=tuple(map(headers.get, TENANT_HEADERS)),
        cache_control=headers.get("cache-control", ""),
        dialect=dialect,
        background=background_work(headers, messages),
        cost_quality=share(headers, COST_QUALITY_HEADER),
    )


def _answer_tokens(body: Mapping[str, Any]) -> int | None:
    """The caller's cap under any name that engines know; a value below 1 of an engine's own name means none."""
    for name in ("max_completion_tokens", "max_tokens", "num_predict", "n_predict"):
        cap = body.get(name)
        if type(cap) is int and cap > 0:
            return cap
    return None
