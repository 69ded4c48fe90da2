"""One HTTP/1.1 connection: one request at a time, and its answer as it comes.

Most of what a gateway does is this, so it is done here and not by a general client: the least gateway there can be costs half
with it (the two floors in docs/performance.md), and deadlines and aborts are those of an attempt. The parsing is httptools'.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Protocol, cast

import httptools

MAX_HEAD_BYTES = 64 << 10
# Beyond this the engine waits until the client has read.
MAX_HELD_BYTES = 256 << 10
# How long a finished stream may take to close, so that its connection can serve again.
DRAIN_S = 0.05


class ConnectionBroken(Exception):
    """The connection ended before the answer did."""


class NotHttp(Exception):
    """What came is no HTTP, or more of a head than anybody needs."""


class Patience(Protocol):
    """How long a request may wait, and for what."""

    def listen(self) -> None:
        """The answer has begun: from now on, and until this is called again, silence may have a deadline."""
        ...

    def left_s(self, *, listening: bool = True) -> float:
        """Seconds to the next deadline. Where nobody is ``listening``, silence does not count."""
        ...

    def gave_up(self) -> Exception:
        """The error for the next deadline, when it has passed."""
        ...


class HttpConnection(asyncio.Protocol):
    """A connection that its pool owns while nobody uses it.

    `send`, then `head`, then `read` until it is empty, then `release`, which is allowed at any time and ends the request.
    """

    def __init__(self, give_back: Callable[[HttpConnection], None], forget: Callable[[HttpConnection], None]) -> None:
        self._give_back = give_back
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._patience: Patience | None = None
        # Fires no later than the next deadline, and then looks at the clock: it is left alone when a request ends, as the next
        # one comes soon, and to set a timer for each costs more than to read the answer.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._draining: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._poll: select.poll | None = None
        self.idle_since = 0.0
        self._head: dict[bytes, bytes] = {}
        self.on_header = self._head.__setitem__  # what the parser calls
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self._head.clear()
        self.headers: dict[str, str] = {}
        self._informational = False
        self._begun = self._listening = False
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._paused = False
        self._complete = False
        self._reusable = True
        self._bypass: Callable[[bytes], bool] | None = None
        self._error: Exception | None = None

    @property
    def is_open(self) -> bool:
        """A request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def is_quiet(self) -> bool:
        """A request can be sent, as far as can be known: the engine has not closed the connection, nor said anything."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._poll is None:
            return True
        return not self._poll.poll(0)  # an end that the event loop has not come to read

    def send(self, head: bytes, body: bytes, patience: Patience) -> None:
        """Sends a request. Until the release, the deadlines of ``patience`` end it."""
        self._begin()
        if self._transport is None:
            self._error = ConnectionBroken()
            return
        self._patience = patience
        self._watch(patience.left_s())
        self._transport.write(head + body)

    async def head(self) -> int:
        """The status, once all headers are here. Raises what ended the request, as `read` does."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._news()
        return self.status

    async def read(self) -> bytes:
        """The bytes of the body that have come, at least one; empty at its end.

        Raises `ConnectionBroken`, `NotHttp`, or what its patience gives up with, after everything that came before.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            await self._news()
        return self._take()

    def rest(self) -> bytes | None:
        """What `read` would give until it is empty; ``None`` if not all of it has come."""
        return self._take() if self._complete and self._error is None else None

    def _take(self) -> bytes:
        pieces, self._pieces, self._held_bytes = self._pieces, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return b"".join(pieces)

    def bypass(self, take: Callable[[bytes], bool]) -> None:
        """From now on ``take`` is shown what comes while `read` waits, which goes on waiting where it says yes: it has it.

        Whoever waits need not be woken then, which is most of what a small piece costs.
        """
        self._bypass = take

    def release(self, *, finished: bool = False) -> None:
        """Ends the request, and closes the connection unless the answer is complete.

        With ``finished``, the end of an answer that is complete in all but form is waited for, a moment and by nobody.
        """
        self._patience = self._bypass = None
        if self._complete or not (finished and self.is_open):
            self._end()
        else:
            self._draining = self._loop.call_later(DRAIN_S, self._end)

    def close(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        self._draining = None
        if self._complete and self._reusable and not self._pieces and self.is_open and self._is_sent():
            self.idle_since = self._loop.time()
            self._give_back(self)
        else:
            self.close()

    def _is_sent(self) -> bool:
        """All of the request has left: an engine may refuse one before it has read it, and read no more of it."""
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def _watch(self, seconds: float) -> None:
        at = self._loop.time() + max(seconds, 0)
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._expire), at

    def _expire(self) -> None:
        """Looks at the clock: bytes that came since have moved the deadline, and a client that reads slowly is no silence."""
        self._timer = None
        if self._patience is None:
            return
        left_s = self._patience.left_s(listening=self._waiter is not None and not self._waiter.done())
        if left_s > 0:
            self._watch(left_s)
            return
        self._fail(self._patience.gave_up())

    def _news(self) -> asyncio.Future[None]:
        """What is to be awaited for more."""
        if self._patience is not None and self._begun:
            self._patience.listen()
            if not self._listening:
                # Silence is over sooner than what the timer was set for. Later deadlines are later, so it is moved once.
                self._listening = True
                self._watch(self._patience.left_s())
        self._waiter = self._loop.create_future()
        return self._waiter

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.close()
        self._tell()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        if hasattr(select, "poll"):  # not on Windows
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer; whatever comes without a request, or after its answer, ends the connection."""
        if not self._is_awaited():
            self.close()
            return
        held_bytes = self._held_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(ConnectionBroken() if self.status else NotHttp(str(error)))
                return
            self._reusable = False
        # A head, or trailers: bytes without any of the body between them.
        self._head_bytes = self._head_bytes + len(data) if self._held_bytes == held_bytes else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self._complete:
            self._fail(NotHttp("the head or its trailers are too long"))
            return
        if self._bypass is not None and self._waiter is not None and not self._waiter.done() and self._pass_by(self._bypass):
            return
        if self._held_bytes > MAX_HELD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._tell()
        if self._complete and self._draining is not None:
            self._draining.cancel()
            self._end()

    def _pass_by(self, take: Callable[[bytes], bool]) -> bool:
        """Whether `read`, which waits, need not learn of what has come, as all of it was taken."""
        taken = 0
        try:
            for piece in self._pieces:
                if not take(piece):
                    break
                taken += 1
        except Exception as error:  # noqa: BLE001 - whoever reads gets it
            self._fail(error)
        if taken:
            del self._pieces[:taken]
            self._held_bytes = sum(map(len, self._pieces))
            if self._patience is not None:
                self._patience.listen()
        return not self._pieces and not self._complete

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: the end of an answer without a length, else an error."""
        self._forget(self)
        self._transport = None  # it holds this connection, as the parser does: without them, both go at once
        del self._parser
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.status and exc is None and not self._complete and not self._is_framed():
            self._complete, self._reusable = True, False
        elif not self._complete and self._error is None:
            self._error = ConnectionBroken()
        self._tell()

    def _is_awaited(self) -> bool:
        return not self._complete and (self._patience is not None or self._draining is not None)

    def _is_framed(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    def on_message_begin(self) -> None:
        """An answer begins. What comes behind the one that was asked for belongs to nobody."""
        if self._complete:
            self._reusable = False

    def on_headers_complete(self) -> None:
        """The head is complete; an informational one (100, 103) comes before the answer."""
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._complete:
            self._reusable = False
        elif self._informational:
            self._head.clear()
        elif status < 100:
            raise NotHttp("no status")
        else:
            self.status = status
            self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._head.items()}

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._complete:
            self._begun = True
            self._pieces.append(body)
            self._held_bytes += len(body)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self._informational:
            self._informational = False
            return
        self._complete = True
        self._reusable = self._reusable and self._parser.should_keep_alive()
