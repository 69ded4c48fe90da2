"""``POST /v1/chat/completions``: from the body to the last event, with an eye on whether the client is still there."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping

import orjson
from starlette.types import Receive, Scope, Send

from waypost.decide.card import Decision
from waypost.dialects import openai
from waypost.dialects.hints import hints
from waypost.errors import NoDeployment, ProviderError, WaypostError
from waypost.exchange import Exchange, stopping
from waypost.router import Router
from waypost.server.body import ClientLeft, read_body
from waypost.server.headers import answer_headers, decision_headers, safe_value
from waypost.server.pings import Pings
from waypost.server.protocol import LEAVE
from waypost.server.reply import header_list, send_json

_STREAM_HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
_NO_PINGS = contextlib.nullcontext()


class ChatEndpoint:
    """Answers chat completions. A client that leaves, in whatever phase, takes the call to the engine with it."""

    def __init__(self, router: Router, max_body_bytes: int) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client goes: then the protocol cancels this task (no other server than ours runs it)."""
        started = self._router.clock()
        try:
            raw = await read_body(scope, receive, self._max_body_bytes)
        except ClientLeft:
            return
        except WaypostError as error:
            await send_error(send, error)
            return
        task = asyncio.current_task()
        if task is not None:
            scope.setdefault("state", {})[LEAVE] = task.cancel
        try:
            await self._answer(request_headers(scope), raw, started, send)
        except asyncio.CancelledError:
            # The client is gone, or the server goes and has said so: nobody is left to tell.
            return

    async def _answer(self, headers: Mapping[str, str], raw: bytes, started: float, send: Send) -> None:
        router = self._router
        turn_id = router.new_id()
        request_id = headers.get("x-request-id") or turn_id
        ours: dict[str, str] = {"x-request-id": safe_value(request_id)}
        pings = Pings(send)
        try:
            turn = openai.parse(raw, turn_id=turn_id, headers=headers)
            fleet = router.view()
            decision = router.decide(turn, fleet)
            ours = decision_headers(decision, request_id)
            ping_s = router.config.server.ping_s if turn.stream else None
            async with pings.every(ping_s, {**_STREAM_HEADERS, **ours}) if ping_s else _NO_PINGS:
                exchange = await router.open(turn, decision, fleet, started=started)
        except WaypostError as error:
            await _send_failure(send, error, ours, begun=pings.begun)
            return
        except asyncio.CancelledError as cancelled:
            stop = stopping(cancelled)
            if stop is None:
                raise
            await _send_failure(send, stop, ours, begun=pings.begun)
            return
        with_card = headers.get("x-waypost-card", "").lower() in ("true", "1")
        card = decision if with_card else None
        try:
            if turn.stream:
                await _send_stream(exchange, ours, openai.wants_usage(turn), card, send, begun=pings.begun)
            else:
                await _send_whole(exchange, ours, card, send)
        finally:
            await exchange.aclose()


async def _send_whole(exchange: Exchange, ours: Mapping[str, str], card: Decision | None, send: Send) -> None:
    """An answer that is not streamed, which nothing can break any more."""
    payload = exchange.payload()
    if card is not None:
        payload = payload.rstrip()[:-1] + b',"waypost":' + orjson.dumps(card.to_dict()) + b"}"
    found = answer_headers(exchange.attempts, exchange.deployment, exchange.cache, complete=True)
    await send_json(send, 200, payload, {**ours, **found})


async def _send_stream(
    exchange: Exchange, ours: Mapping[str, str], wants_usage: bool, card: Decision | None, send: Send, *, begun: bool
) -> None:
    """Events as they come. When the engine breaks off, an error event ends the stream, and there is no ``[DONE]``.

    ``begun``: status and headers have been sent.
    """
    found = answer_headers(exchange.attempts, exchange.deployment, exchange.cache, complete=False)
    headers = header_list({**_STREAM_HEADERS, **ours, **found})
    last = b""
    held: list[bytes] = []
    async with contextlib.aclosing(exchange.events()) as events:
        if not begun:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async for event in events:
                if wants_usage or not event.usage_only:
                    last = event.payload
                    held.append(openai.frame(last))
                if held and not event.more:
                    body = held[0] if len(held) == 1 else b"".join(held)
                    held.clear()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            tail = (openai.frame(_card_chunk(last, card)) if card else b"") + openai.DONE
        except WaypostError as error:
            tail = openai.frame(openai.error_body(error))
        except asyncio.CancelledError as cancelled:
            stop = stopping(cancelled)
            if stop is None:
                raise
            exchange.break_off(stop)
            tail = openai.frame(openai.error_body(stop))
    await send({"type": "http.response.body", "body": b"".join((*held, tail))})


def _card_chunk(last: bytes, card: Decision) -> bytes:
    """A chunk without choices, which every client skips, that holds the card."""
    like = orjson.loads(last) if last else {}
    kept = {key: like[key] for key in ("id", "created", "model") if key in like}
    return orjson.dumps({**kept, "object": "chat.completion.chunk", "choices": [], "waypost": card.to_dict()})


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers."""
    return hints((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])


async def _send_failure(send: Send, error: WaypostError, ours: Mapping[str, str], *, begun: bool) -> None:
    """The error that nobody could answer; as an event of the stream, where pings have begun one."""
    if begun:
        await send({"type": "http.response.body", "body": openai.frame(openai.error_body(error))})
    else:
        await send_error(send, error, ours)


async def send_error(send: Send, error: WaypostError, headers: Mapping[str, str] | None = None) -> None:
    """An error in OpenAI's shape, with what its kind says about trying again."""
    more: dict[str, str] = {"x-should-retry": "true" if error.status in (429, 502, 503, 504) else "false"}
    if isinstance(error, NoDeployment | ProviderError) and error.retry_after_s is not None:
        more["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    await send_json(send, error.status, openai.error_body(error), {**(headers or {}), **more})
