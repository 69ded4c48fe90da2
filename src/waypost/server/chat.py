"""A chat in any dialect: from the body to the last event, with an eye on whether the client is still there."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from functools import partial

from starlette.types import Receive, Scope, Send

from waypost.decide.card import Decision
from waypost.dialects.dialect import Dialect, Rendering
from waypost.dialects.hints import hints
from waypost.errors import NoDeployment, ProviderError, WaypostError
from waypost.exchange import Exchange, stopping
from waypost.router import Router
from waypost.server.body import ClientLeft, read_body
from waypost.server.headers import answer_headers, decision_headers, safe_value
from waypost.server.pings import Pings, note_of
from waypost.server.protocol import LEAVE, cycle_of, piece_at_once
from waypost.server.reply import header_list, send_json


class ChatEndpoint:
    """Answers chats of one dialect. A client that leaves, in whatever phase, takes the call to the engine with it."""

    def __init__(self, router: Router, max_body_bytes: int, dialect: Dialect) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes
        self._dialect = dialect
        self._stream_headers = {
            "content-type": dialect.stream_type,
            "cache-control": "no-store",
            "x-accel-buffering": "no",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client goes: then the protocol cancels this task (no other server than ours runs it)."""
        started = self._router.clock()
        try:
            raw = await read_body(scope, receive, self._max_body_bytes)
        except ClientLeft:
            return
        except WaypostError as error:
            await send_error(send, error, self._dialect)
            return
        task = asyncio.current_task()
        if task is not None:
            scope.setdefault("state", {})[LEAVE] = task.cancel
        try:
            await self._answer(request_headers(scope), raw, started, send)
        except asyncio.CancelledError:
            # The client is gone, or the server goes and has said so: nobody is left to tell.
            return
        except Exception:  # a mistake of ours: uvicorn logs it
            with contextlib.suppress(RuntimeError):  # the answer has begun
                await send_error(send, mistake(), self._dialect)
            raise

    async def _answer(self, headers: Mapping[str, str], raw: bytes, started: float, send: Send) -> None:
        router, dialect = self._router, self._dialect
        turn_id = router.new_id()
        given_id = headers.get("x-request-id")
        request_id = safe_value(given_id) if given_id else turn_id
        ours: dict[str, str] = {"x-request-id": request_id}
        pings = Pings(send)
        try:
            turn = dialect.parse(raw, turn_id=turn_id, headers=headers)
            rendering = dialect.rendering(turn)
            fleet = router.view()
            decision = await router.decide_beside(turn, fleet)
            ours = decision_headers(decision, request_id)
            if not turn.messages and dialect.loaded is not None:
                # What is loaded is the router's to say: one client must not unload what another one uses.
                decision.raise_if_refused()
                await send_json(send, 200, dialect.loaded(turn), ours)
                return
            if turn.stream and (ping_s := router.config.server.ping_s):
                ping = partial(rendering.ping, note_of(decision, fleet))
                async with pings.every(ping_s, {**self._stream_headers, **ours}, ping):
                    exchange = await router.open(turn, decision, fleet, started=started)
            else:
                exchange = await router.open(turn, decision, fleet, started=started)
        except WaypostError as error:
            await self._fail(send, error, ours, rendering if pings.begun else None)
            return
        except asyncio.CancelledError as cancelled:
            stop = stopping(cancelled)
            if stop is None:
                raise
            await self._fail(send, stop, ours, rendering if pings.begun else None)
            return
        with_card = headers.get("x-waypost-card", "").lower() in ("true", "1")
        card = decision if with_card else None
        try:
            if turn.stream:
                opening = None if pings.begun else {**self._stream_headers, **ours}
                await _send_stream(exchange, opening, rendering, card, send)
            else:
                await self._send_whole(exchange, ours, rendering, card, send)
        finally:
            await exchange.aclose()

    async def _send_whole(
        self, exchange: Exchange, ours: Mapping[str, str], rendering: Rendering, card: Decision | None, send: Send
    ) -> None:
        """An answer that is not streamed, which no engine can break any more."""
        payload, timings = exchange.whole()
        try:
            written = rendering.whole(payload, timings, None if card is None else card.to_dict())
        except WaypostError as error:
            exchange.break_off(error, begun=False)
            await send_error(send, error, self._dialect, ours)
            return
        found = answer_headers(exchange.attempts, exchange.deployment, exchange.cache, complete=True)
        await send_json(send, 200, written, {**ours, **found})

    async def _fail(self, send: Send, error: WaypostError, ours: Mapping[str, str], begun: Rendering | None) -> None:
        """The error that nobody could answer; as the end of the stream, where pings have ``begun`` one."""
        if begun is not None:
            await send({"type": "http.response.body", "body": begun.broken(error)})
        else:
            await send_error(send, error, self._dialect, ours)


async def _send_stream(
    exchange: Exchange, opening: Mapping[str, str] | None, rendering: Rendering, card: Decision | None, send: Send
) -> None:
    """Events as they come. When the engine breaks off, an error ends the stream, and the mark of a good end is missing.

    Text goes out as `piece_at_once` where the client keeps up: then nothing here is woken for it. ``opening`` are the headers;
    ``None``: they have been sent.
    """
    held: list[bytes] = []
    cycle = cycle_of(send)
    take = None if cycle is None else partial(piece_at_once, cycle, rendering.chunk)
    async with contextlib.aclosing(exchange.events(take)) as events:
        if opening is not None:
            found = answer_headers(exchange.attempts, exchange.deployment, exchange.cache, complete=False)
            await send({"type": "http.response.start", "status": 200, "headers": header_list({**opening, **found})})
        try:
            async for event in events:
                if piece := rendering.piece(event):
                    held.append(piece)
                if held and not event.more:
                    body = b"".join(held)
                    held.clear()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            tail = rendering.end(None if card is None else card.to_dict())
        except WaypostError as error:
            exchange.break_off(error)
            tail = rendering.broken(error)
        except asyncio.CancelledError as cancelled:
            stop = stopping(cancelled)
            if stop is None:
                raise
            exchange.break_off(stop)
            tail = rendering.broken(stop)
    await send({"type": "http.response.body", "body": b"".join((*held, tail))})


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers."""
    return hints([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])


def mistake() -> WaypostError:
    """The error for what should not have happened."""
    return WaypostError("something went wrong in Waypost; the log has the details")


async def send_error(send: Send, error: WaypostError, dialect: Dialect, headers: Mapping[str, str] | None = None) -> None:
    """An error in the dialect's shape, with what its kind says about trying again."""
    more: dict[str, str] = {"x-should-retry": "true" if error.status in (429, 502, 503, 504) else "false"}
    if isinstance(error, NoDeployment | ProviderError) and error.retry_after_s is not None:
        more["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    await send_json(send, error.status, dialect.error_body(error), {**(headers or {}), **more})
