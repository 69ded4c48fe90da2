"""uvicorn's HTTP, with the deadlines and limits that it lacks: for requests that drip in, and for answers that nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.types import Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from waypost.errors import HeadersTooLarge, InvalidRequest, ReceiveTimeout, WaypostError
from waypost.exchange import STALLED
from waypost.server.spoken import spoken_at

LEAVE = "waypost.leave"
"""Where a request's state holds what is to be called, with ``STALLED`` or nothing, when its client is gone."""
# What h11 allows; nginx allows half of it.
MAX_HEAD_BYTES = 64 << 10
# How long a client that is still sending may take to notice that it was refused. Closing at once would reset the connection,
# and many clients would then never see why (RFC 9112, section 9.6).
LINGER_S = 2.0


class GuardedHttp(HttpToolsProtocol):
    """One connection. What breaks a rule of it is answered in the dialect's shape where it still can be, and closed.

    The whole of a request, headers and body, has ``receive_timeout_s``: from the connection, and later from its first byte. A
    connection that waits between two requests is uvicorn's to close. An answer has no deadline, but a client that takes nothing
    of it for ``send_timeout_s`` while more is waiting is cut off. Whoever is in ``LEAVE`` is told that the client is gone.
    It is gone when it closes its sending side, as TCP says no more of one that has left; Go's server and nginx take it so too.
    """

    receive_timeout_s: ClassVar[float]
    send_timeout_s: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiving: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        # Since when the connection waits for another request; ``None``: it does not.
        self._waiting_since: float | None = None
        # The request that is being answered: ``cycle`` is the last one that came, which may be waiting behind it.
        self._answering: RequestResponseCycle | None = None
        # Whether a request's headers are not complete, and what has come of them.
        self._in_head = True
        self._head_bytes = 0
        self._refused = False
        self._refusal: WaypostError = InvalidRequest("the request is not valid HTTP")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """The client has as long for its first byte as for its last."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._received()
        self._sent()
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        answering = self._answering
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
        self._leave(None)

    def data_received(self, data: bytes) -> None:
        """A request that is complete with its first packet, as most are, needs no timer."""
        if self._refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self._refused:
            self._refuse(_head_too_large())
        elif self._begun() and not self._refused:
            self._expect()

    def on_headers_complete(self) -> None:
        """Raises, which the parser makes a refusal of, if the headers are too large."""
        self._in_head = False
        if self._head_bytes > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                self._refusal = _head_too_large()
                raise self._refusal
        super().on_headers_complete()
        if len(self.pipeline) == 1:
            # uvicorn reads no more now, and would not see the client go. A body beyond its limit, or a third request, waits.
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """The request is here; how long its answer takes is not the client's doing."""
        super().on_message_complete()
        self._received()
        self._in_head, self._head_bytes = True, 0
        if self.cycle.response_complete and self._waiting_since is None:
            # It was answered before it was read to its end, and uvicorn has forgotten that the connection now waits.
            self._wait()

    def on_response_complete(self) -> None:
        """As uvicorn does it, but one timer serves all waits for another request: setting one costs more than all else."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._wait()

    def timeout_keep_alive_handler(self) -> None:
        """Looks at the clock: there may have been requests since the timer was set."""
        self.timeout_keep_alive_task = None
        if self._waiting_since is None:
            return
        left_s = self._waiting_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        self._waiting_since = None

    def _wait(self) -> None:
        self._waiting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def send_400_response(self, msg: str) -> None:
        """Our shape of an error, in place of uvicorn's text."""
        del msg
        self._refuse(self._refusal)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(self.send_timeout_s, self._stalled)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._sent()
        super().resume_writing()

    def _begun(self) -> bool:
        """Part of a request is here, and not all of it."""
        return self._head_bytes > 0 or not self._in_head

    def _expect(self) -> None:
        if self._receiving is None:
            self._receiving = self.loop.call_later(self.receive_timeout_s, self._late)

    def _received(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _sent(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _late(self) -> None:
        self._receiving = None
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and (self.pipeline or not cycle.more_body):
            # It is we who keep this request waiting: the one before it is still being answered.
            self._expect()
        elif self._begun() and not (cycle is not None and cycle.more_body and cycle.response_started):
            seconds = self.receive_timeout_s
            self._refuse(ReceiveTimeout(f"the request did not arrive within {seconds:g} s (server.receive_timeout_s)"))
        else:
            self.transport.close()

    def _stalled(self) -> None:
        self._sending = None
        self._leave(STALLED)
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _leave(self, why: str | None) -> None:
        if self._answering is not None and not self._answering.response_complete:
            leave = self._answering.scope["state"].pop(LEAVE, None)
            if leave is not None:
                leave(why)

    def _refuse(self, error: WaypostError) -> None:
        path: bytes = getattr(self, "url", b"")  # of the last request that named one
        body = spoken_at(path.decode("latin-1")).error_body(error)
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-should-retry: false\r\nconnection: close\r\n\r\n"
        )
        self._refused = True
        self._received()
        self.transport.write(head.encode() + body)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write_eof()
            self._receiving = self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()


def guarded(receive_timeout_s: float, send_timeout_s: float) -> type[asyncio.Protocol]:
    """The protocol with these deadlines, as ``uvicorn.Config(http=…)`` takes it."""
    return type("GuardedHttp", (GuardedHttp,), {"receive_timeout_s": receive_timeout_s, "send_timeout_s": send_timeout_s})


def cycle_of(send: Send) -> RequestResponseCycle | None:
    """What uvicorn's ``send`` is a method of; ``None`` where it is another server's, or somebody stands before it."""
    cycle = getattr(send, "__self__", None)
    return cycle if isinstance(cycle, RequestResponseCycle) else None


def piece_at_once(cycle: RequestResponseCycle, render: Callable[[bytes], bytes], payload: bytes) -> bool:
    """Renders a payload and sends it as a piece of the answer's body; or does neither, as ``send`` would have to wait.

    It is what `RequestResponseCycle.send` does for a piece that is not the last, of an answer whose headers are sent.
    """
    if cycle.flow.write_paused or cycle.disconnected or cycle.response_complete or not cycle.chunked_encoding:
        return False
    if cycle.transport.is_closing():  # it broke under the piece before this one: asyncio warns of each that is written after it
        return False
    if piece := render(payload):
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    return True


def answer_at_once(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Sends a whole answer as one piece; uvicorn's ``send`` needs two, and searches each header for what would break out of it.

    ``headers`` are safe, and say how long the body is. False: nothing was sent, and ``send`` has to do it, as it is another
    server's, the client is gone or does not read, or the connection ends with this answer.
    """
    cycle = cycle_of(send)
    if cycle is None or cycle.response_started or cycle.disconnected:
        return False
    if not cycle.keep_alive or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    head = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    ours = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    written = b"%b%b%b\r\n%b" % (STATUS_LINE[status], ours, head.encode("latin-1"), body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(written)
    cycle.message_event.set()
    cycle.on_response()
    return True


def _head_too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"the headers are larger than {MAX_HEAD_BYTES} bytes: send less, or put it into the body")
