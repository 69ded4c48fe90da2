"""The faults of faultd, by the model name that asks for them.

They are written in OpenAI's words; each goes out in the dialect of its request.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from waypost.faults.exchange import Exchange
from waypost.faults.tool_faults import TOOL_FAULTS
from waypost.faults.wire import PLAIN, Framing

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}

Fault = Callable[[Exchange], Awaitable[None]]


def fault_named(model: str) -> Fault:
    """The fault that a model name stands for: a word of ``FAULTS``, or a pattern with a number such as ``cut-3``.

    What follows an ``@`` only tells models with one fault apart. A name that stands for nothing is a 404.
    """
    name = model.partition("@")[0]
    for pattern, make in PATTERNS:
        if match := re.fullmatch(pattern, name):
            return make(*(int(group) for group in match.groups()))
    return FAULTS.get(name, no_such_model)


async def ok(exchange: Exchange) -> None:
    await send(exchange, exchange.answer(), exchange.completion())


async def send(exchange: Exchange, chunks: list[dict[str, Any]], completion: dict[str, Any], *, done: bool = True) -> None:
    if not exchange.stream:
        await exchange.json(200, completion)
        return
    await exchange.begin()
    for chunk in chunks:
        await exchange.event(chunk)
    if done:
        await exchange.done()
    await exchange.finish()


def status(code: int) -> Fault:
    async def fault(exchange: Exchange) -> None:
        message = "it failed at http://10.0.0.7:8000/v1 with key sk-upstream-secret-1 in /srv/engine/main.py"
        await exchange.json(code, {"error": {"message": message, "type": "fault", "code": None}})

    return fault


def bad_keys(code: int) -> Fault:
    """Refuses every key that says ``bad`` of itself."""

    async def fault(exchange: Exchange) -> None:
        await (status(code) if "bad" in exchange.hit.headers.get("authorization", "") else ok)(exchange)

    return fault


async def no_such_model(exchange: Exchange) -> None:
    message = f"no fault is called {exchange.hit.model!r}; GET /v1/models lists them"
    await exchange.json(404, {"error": {"message": message, "type": "invalid_request_error", "code": "model_not_found"}})


def rate_limited(seconds: int) -> Fault:
    async def fault(exchange: Exchange) -> None:
        await exchange.json(429, {"error": {"message": "slow down"}}, retry_after=str(seconds))

    return fault


def rate_limited_in_ms(milliseconds: int) -> Fault:
    async def fault(exchange: Exchange) -> None:
        await exchange.json(429, {"error": {"message": "slow down"}}, retry_after_ms=str(milliseconds))

    return fault


def rate_limited_until(seconds: int) -> Fault:
    """The pause as the date of its end."""

    async def fault(exchange: Exchange) -> None:
        end = formatdate(time.time() + seconds, usegmt=True)
        await exchange.json(429, {"error": {"message": "slow down"}}, retry_after=end)

    return fault


def cut(after: int) -> Fault:
    """Closes the socket after so many words."""

    async def fault(exchange: Exchange) -> None:
        if exchange.stream:
            await exchange.begin()
            for chunk in exchange.answer()[: after + 1]:
                await exchange.event(chunk)
        else:
            body = json.dumps(exchange.wire.whole(200, exchange.completion())).encode()
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            await exchange.raw(body[: 10 * after])
        exchange.drop()

    return fault


def ends(after: int) -> Fault:
    """Ends politely after so many words, with neither a finish reason nor ``[DONE]``."""

    async def fault(exchange: Exchange) -> None:
        await send(exchange, exchange.answer()[: after + 1], exchange.completion(), done=False)

    return fault


def slow_first(milliseconds: int) -> Fault:
    """Answers as it should, so much later."""

    async def fault(exchange: Exchange) -> None:
        if not await exchange.gone(milliseconds / 1000):
            await ok(exchange)

    return fault


def stall(after: int) -> Fault:
    """Falls silent after so many words."""

    async def fault(exchange: Exchange) -> None:
        await exchange.begin()
        for chunk in exchange.answer()[: after + 1]:
            await exchange.event(chunk)
        await exchange.gone()

    return fault


def error_after(words: int) -> Fault:
    async def fault(exchange: Exchange) -> None:
        error = {"error": {"message": "out of memory", "type": "server_error", "code": 500}}
        await send(exchange, [*exchange.answer()[: words + 1], error], error, done=False)

    return fault


async def never_headers(exchange: Exchange) -> None:
    await exchange.gone()


async def slow_headers(exchange: Exchange) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx-drip: " + b"." * 10_000:
        await exchange.raw(bytes((byte,)))
        if await exchange.gone(0.01):
            return


async def loading(exchange: Exchange) -> None:
    await exchange.json(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})


async def html(exchange: Exchange) -> None:
    await exchange.whole(200, b"<html><body>Network connection lost</body></html>", "text/html")


async def empty(exchange: Exchange) -> None:
    await exchange.whole(200, b"", "text/event-stream" if exchange.stream else "application/json")


async def gzip_200(exchange: Exchange) -> None:
    body = gzip.compress(json.dumps(exchange.completion()).encode())
    await exchange.whole(200, body, "application/json", content_encoding="gzip")


async def drop(exchange: Exchange) -> None:
    exchange.drop()


async def first_event_error(exchange: Exchange) -> None:
    error = {"error": {"message": "no capacity", "type": "overloaded_error"}}
    await send(exchange, [error], error, done=False)


async def malformed_event(exchange: Exchange) -> None:
    await exchange.begin()
    chunks = exchange.answer()
    for chunk in chunks[:3]:
        await exchange.event(chunk)
    await exchange.piece(exchange.wire.broken)
    for chunk in chunks[3:]:
        await exchange.event(chunk)
    await exchange.done()
    await exchange.finish()


def framing(how: Framing, before: bytes = b": hello\n", last: bytes | None = None) -> Fault:
    """The right answer in another legal framing of server-sent events."""

    async def fault(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.piece(before)
        for chunk in exchange.answer():
            await exchange.event(chunk, how)
        await exchange.piece(exchange.wire.done() if last is None else last)
        await exchange.finish()

    return fault


async def one_byte_at_a_time(exchange: Exchange) -> None:
    await exchange.begin()
    for chunk in exchange.answer():
        for byte in exchange.wire.event(chunk):
            await exchange.piece(bytes((byte,)))
    await exchange.done()
    await exchange.finish()


async def no_done(exchange: Exchange) -> None:
    await send(exchange, exchange.answer(), exchange.completion(), done=False)


def half_a_call(*, politely: bool) -> Fault:
    """Cuts, or politely ends, inside the arguments of a tool call."""

    async def fault(exchange: Exchange) -> None:
        half = {**CALL, "function": {"name": "get_weather", "arguments": '{"city":"Pa'}}
        await exchange.begin()
        await exchange.event(exchange.chunk({"role": "assistant", "content": None}))
        await exchange.event(exchange.chunk({"tool_calls": [half]}))
        await (exchange.finish() if politely else exchange.raw(b""))
        exchange.drop()

    return fault


async def two_calls(exchange: Exchange) -> None:
    """As LiteLLM hands on Ollama: two calls, each with index 0, the second without arguments and without an id."""
    second = {"index": 0, "type": "function", "function": {"name": "get_time", "arguments": ""}}
    chunks = [exchange.chunk({"role": "assistant", "tool_calls": [CALL]}), exchange.chunk({"tool_calls": [second]})]
    await send(exchange, [*chunks, exchange.chunk({}, "tool_calls")], exchange.completion())


async def usage_missing(exchange: Exchange) -> None:
    await send(exchange, exchange.answer(usage=None), exchange.completion(usage=None))


async def usage_zero(exchange: Exchange) -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
    await send(exchange, exchange.answer(usage=zero), exchange.completion(usage=zero))


async def big_event(exchange: Exchange) -> None:
    """20 MB in one event, after one word."""
    await exchange.begin()
    for chunk in exchange.answer()[:2]:
        await exchange.event(chunk)
    await exchange.piece(b'data: {"choices": "')
    for _ in range(320):
        await exchange.piece(b"x" * 65_536)
        if await exchange.gone(0):
            return
    await exchange.gone()


async def endless(exchange: Exchange) -> None:
    """Words until the client leaves."""
    await exchange.begin()
    await exchange.event(exchange.chunk({"role": "assistant", "content": ""}))
    while not await exchange.gone(0.005):
        await exchange.event(exchange.chunk({"content": " word"}))


async def flood(exchange: Exchange) -> None:
    """Words as fast as somebody takes them."""
    await exchange.begin()
    await exchange.event(exchange.chunk({"role": "assistant", "content": ""}))
    chunk = exchange.chunk({"content": "x" * 65_536})
    while not await exchange.gone(0):
        await exchange.event(chunk)


async def large(exchange: Exchange) -> None:
    """16 MB in one answer that is not streamed."""
    completion = exchange.completion()
    completion["choices"][0]["message"]["content"] = "x" * 16_000_000
    await exchange.json(200, completion)


def roles(count: int) -> Fault:
    """So many chunks that say nothing, and then an error."""

    async def fault(exchange: Exchange) -> None:
        nothing = exchange.chunk({"role": "assistant", "content": ""})
        error = {"error": {"message": "out of memory", "type": "server_error", "code": 500}}
        await send(exchange, [*[nothing] * count, error], error, done=False)

    return fault


def late(milliseconds: int, then: Fault) -> Fault:
    """Silent at first, as while a model loads."""

    async def fault(exchange: Exchange) -> None:
        if not await exchange.gone(milliseconds / 1000):
            await then(exchange)

    return fault


async def json_to_stream(exchange: Exchange) -> None:
    await exchange.json(200, exchange.completion())


def too_long(error: dict[str, Any]) -> Fault:
    async def fault(exchange: Exchange) -> None:
        await exchange.json(400, {"error": error})

    return fault


PATTERNS: tuple[tuple[str, Callable[..., Fault]], ...] = (
    (r"(\d{3})", status),
    (r"429-ra(\d+)", rate_limited),
    (r"bad-keys-(\d+)", bad_keys),
    (r"429-ms(\d+)", rate_limited_in_ms),
    (r"429-date(\d+)", rate_limited_until),
    (r"cut-(\d+)", cut),
    (r"end-(\d+)", ends),
    (r"stall-(\d+)", stall),
    (r"slow-first-(\d+)", slow_first),
    (r"error-after-(\d+)", error_after),
    (r"roles-(\d+)", roles),
    (r"ok-after-(\d+)ms", lambda milliseconds: late(milliseconds, ok)),
    (r"500-after-(\d+)ms", lambda milliseconds: late(milliseconds, status(500))),
    (r"drop-after-(\d+)ms", lambda milliseconds: late(milliseconds, drop)),
)
FAULTS: dict[str, Fault] = {
    **TOOL_FAULTS,
    "ok": ok,
    "big-event": big_event,
    "bom": framing(PLAIN, before=b"\xef\xbb\xbf: hello\n\n"),
    "bytes": one_byte_at_a_time,
    "comments": framing(Framing(before=b": ping\n: pong\n\n: x\nid: 7\nretry: 10\n")),
    "context-too-long": too_long(
        {"message": "This model's maximum context length is 64 tokens.", "code": "context_length_exceeded"}
    ),
    "context-too-long-llamacpp": too_long(
        {
            "code": 400,
            "message": "request (12012 tokens) exceeds the available context size (2048 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 12_012,
            "n_ctx": 2048,
        }
    ),
    "cr": framing(Framing(end=b"\r\r")),
    "crlf": framing(Framing(end=b"\r\n\r\n")),
    "drop": drop,
    "empty-200": empty,
    "endless": endless,
    "flood": flood,
    "first-event-error": first_event_error,
    "gzip-200": gzip_200,
    "html-200": html,
    "json-to-stream": json_to_stream,
    "large": large,
    "malformed-event": malformed_event,
    "multi-line": framing(Framing(indent=1)),
    "never-headers": never_headers,
    "no-blank-line": framing(PLAIN, last=b"data: [DONE]"),
    "no-done": no_done,
    "no-space": framing(Framing(prefix=b"data:")),
    "role-then-error": error_after(0),
    "slow-headers": slow_headers,
    "503-loading": loading,
    "503-once": loading,
    "tool-cut": half_a_call(politely=False),
    "tool-end": half_a_call(politely=True),
    "two-calls": two_calls,
    "usage-missing": usage_missing,
    "usage-zero": usage_zero,
}
