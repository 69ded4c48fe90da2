"""Answers of faultd that call tools, rightly and wrongly; each as a stream and whole."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from waypost.faults.exchange import Exchange

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "get_time"}},
]


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calling(*calls: dict[str, Any], finish_reason: str = "tool_calls") -> Callable[[Exchange], Awaitable[None]]:
    """An answer of these calls. A stream splits arguments that are text into pieces of five characters."""

    async def fault(exchange: Exchange) -> None:
        if not exchange.stream:
            message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": list(calls)}
            completion = exchange.completion()
            completion["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}]
            await exchange.json(200, completion)
            return
        await exchange.begin()
        await exchange.event(exchange.chunk({"role": "assistant", "content": None}))
        for number, made in enumerate(calls):
            for piece in _pieces({"index": number, **made}):
                await exchange.event(exchange.chunk({"tool_calls": [piece]}))
        await exchange.event(exchange.chunk({}, finish_reason))
        await exchange.event(exchange.answer()[-1])
        await exchange.done()
        await exchange.finish()

    return fault


def _pieces(made: dict[str, Any]) -> list[dict[str, Any]]:
    arguments = made["function"]["arguments"]
    if not isinstance(arguments, str):
        return [made]
    first = {**made, "function": {**made["function"], "arguments": ""}}
    parts = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
    return [first, *({"index": made["index"], "function": {"arguments": part}} for part in parts)]


def lines(end: bytes = b"\n", last: bytes = b"") -> Callable[[Exchange], Awaitable[None]]:
    """The right answer, a chunk a line."""

    async def fault(exchange: Exchange) -> None:
        await exchange.begin("application/x-ndjson")
        *chunks, final = (json.dumps(chunk, ensure_ascii=False).encode() for chunk in exchange.answer())
        for chunk in chunks:
            await exchange.piece(chunk[:50])  # a line may come in two pieces
            await exchange.piece(chunk[50:] + end)
        await exchange.piece(final + last)
        await exchange.finish()

    return fault


async def big_line(exchange: Exchange) -> None:
    """20 MB in one line, after one word."""
    await exchange.begin("application/jsonl")
    for chunk in exchange.answer()[:2]:
        await exchange.piece(json.dumps(chunk).encode() + b"\n")
    for _ in range(320):
        await exchange.piece(b"x" * 65_536)
        if await exchange.gone(0):
            return
    await exchange.gone()


GOOD = call("get_weather", '{"city": "Paris", "days": 2}')
# As Ollama's OpenAI side has given them: every index 0, one id for all or none, arguments as an object, and "stop" at the end.
OLLAMA = (call("get_weather", {"city": "Paris"}, index=0), {"index": 0, "function": {"name": "get_time", "arguments": {}}})

TOOL_FAULTS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    "big-line": big_line,
    "ndjson": lines(),
    "ndjson-crlf": lines(end=b"\r\n\r\n", last=b"\r\n[DONE]"),
    "tool-arguments": calling(call("get_weather", '{"city": "Paris", "days": 0}')),
    "tool-json": calling(call("get_weather", '{"city": "Par')),
    "tool-many": calling(GOOD, call("get_time", "{}", id="call_2")),
    "tool-ok": calling(GOOD),
    "tool-ollama": calling(*OLLAMA, finish_reason="stop"),
    "tool-same-id": calling(GOOD, call("get_time", "{}")),
    "tool-stop": calling(GOOD, finish_reason="stop"),
    "tool-unknown": calling(call("get_wether", '{"city": "Paris"}')),
}
