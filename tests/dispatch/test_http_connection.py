"""The HTTP/1.1 connection to an engine, against a server that sends exactly these bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from waypost.dispatch.events import Call
from waypost.dispatch.patience import Patience
from waypost.errors import ConnectFailed, ProviderProtocolError
from waypost.fleet.deployment import Deployment, Timeouts
from waypost.http import pool
from waypost.http.connection import MAX_HEAD_BYTES, ConnectionBroken, HttpConnection, NotHttp
from waypost.http.pool import HttpPool, Origin

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nContent-Length: "
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n"
DEPLOYMENT = Deployment("here", "here", "openai", "m", "openai", local=True)

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """A server that answers every request with the same pieces, and a pool that reaches it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.then_close = False
        self.pause_s = 0.0
        self.connections = 0
        self.gone = asyncio.Event()
        self._serving: list[asyncio.Task[None]] = []
        self.pool = HttpPool()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = Origin("127.0.0.1", self._server.sockets[0].getsockname()[1], tls=False)

    async def stop(self) -> None:
        await self.pool.close()
        self._server.close()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.append(task)
        try:
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.pause_s)
                if self.then_close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        self.gone.set()

    async def ask(self, *pieces: bytes, then_close: bool = False, deployment: Deployment = DEPLOYMENT) -> HttpConnection:
        self.pieces, self.then_close = list(pieces), then_close
        connection = await self.pool.connection(self.origin, 1)
        connection.send(HEAD + b"0\r\n\r\n", b"", Patience(Call(deployment, {}, stream=True)))
        return connection

    async def body(self, *pieces: bytes, then_close: bool = False) -> bytes:
        connection = await self.ask(*pieces, then_close=then_close)
        try:
            await connection.head()
            return b"".join([piece async for piece in _pieces(connection)])
        finally:
            connection.release()


async def _pieces(connection: HttpConnection) -> AsyncIterator[bytes]:
    while piece := await connection.read():
        yield piece


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("answer", [OK, CHUNKED], ids=["length", "chunked"])
async def test_an_answer_is_the_same_wherever_it_is_split(site: Site, answer: bytes) -> None:
    for at in range(1, len(answer)):
        assert await site.body(answer[:at], answer[at:]) == b"hello"
    assert site.connections == 1


async def test_a_body_without_a_length_ends_with_its_connection(site: Site) -> None:
    assert await site.body(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", then_close=True) == b"hello"
    assert await site.body(OK) == b"hello"
    assert site.connections == 2


@pytest.mark.parametrize("answer", [OK[:-2], CHUNKED[:-30], b"HTTP/1.1 200"], ids=["length", "chunked", "head"])
async def test_an_answer_that_breaks_off_is_an_error_after_what_came(site: Site, answer: bytes) -> None:
    with pytest.raises(ConnectionBroken):
        await site.body(answer, then_close=True)


async def test_informational_answers_come_before_the_one_that_counts(site: Site) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    connection = await site.ask(b"HTTP/1.1 100 Continue\r\n\r\n", hint, OK)
    assert await connection.head() == 200
    assert "link" not in connection.headers
    assert await connection.read() == b"hello"
    connection.release()


@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp.example.org ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES,
        b"HTTP/1.1 101 Up\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["another protocol", "an endless head", "an upgrade", "no status"],
)
async def test_what_is_no_answer_in_http_is_refused(site: Site, answer: bytes) -> None:
    connection = await site.ask(answer)
    with pytest.raises((NotHttp, ConnectionBroken)):
        await connection.head()
    connection.release()
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_an_answer_that_was_given_up_takes_its_connection_along(site: Site) -> None:
    connection = await site.ask(OK[:-2])
    await connection.head()
    connection.release()
    await asyncio.wait_for(site.gone.wait(), 1)
    assert await site.body(OK) == b"hello"
    assert site.connections == 2


async def test_bytes_behind_an_answer_are_never_taken_for_the_next_one(site: Site) -> None:
    assert await site.body(OK + OK.replace(b"hello", b"stale")) == b"hello"
    assert await site.body(OK) == b"hello"
    assert site.connections == 2


async def test_a_connection_on_which_a_request_was_answered_before_all_of_it_was_sent_is_not_used_again(site: Site) -> None:
    site.pieces, site.pause_s = [OK], 0.05
    connection = await site.pool.connection(site.origin, 1)
    body = b"\r\n\r\n" * (4 << 20)  # more than the kernel holds
    connection.send(HEAD + b"%d\r\n\r\n" % len(body), body, Patience(Call(DEPLOYMENT, {}, stream=True)))
    assert await connection.head() == 200
    assert [piece async for piece in _pieces(connection)] == [b"hello"]
    connection.release()
    assert not connection.is_open
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_garbage_behind_an_answer_does_not_spoil_it(site: Site) -> None:
    assert await site.body(OK + b"garbage") == b"hello"
    assert await site.body(OK) == b"hello"
    assert site.connections == 2


@pytest.mark.parametrize("endless", [b"Trailer: ", b"1;extension="], ids=["trailers", "a chunk's extension"])
async def test_endless_bytes_that_belong_to_no_body_end_the_answer(site: Site, endless: bytes) -> None:
    head = CHUNKED[: CHUNKED.index(b"Trailer") if endless.startswith(b"T") else CHUNKED.index(b"0\r\n")]
    with pytest.raises(NotHttp):
        await site.body(head, endless, *[b"x" * 4096] * 40)
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_a_reader_who_is_slow_holds_the_engine_up_and_loses_nothing(site: Site) -> None:
    large = b"x" * (4 << 20)
    connection = await site.ask(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(large), large)
    await connection.head()
    while not connection._paused:  # noqa: ASYNC110  # an event for it would be there for this test only
        await asyncio.sleep(0)
    assert connection._held_bytes < 1 << 20
    assert b"".join([piece async for piece in _pieces(connection)]) == large
    connection.release()


async def test_an_idle_connection_is_closed_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEEP_ALIVE_S", 0.05)
    assert await site.body(OK) == b"hello"
    await asyncio.wait_for(site.gone.wait(), 1)


async def test_a_connection_that_the_engine_closed_just_now_is_not_used_again(site: Site) -> None:
    for _ in range(20):
        assert await site.body(OK, then_close=True) == b"hello"
        await asyncio.wait_for(site.gone.wait(), 1)
        site.gone.clear()
    assert site.connections == 20


async def test_a_connection_that_broke_before_its_request_was_sent_says_so_at_once(site: Site) -> None:
    connection = await site.pool.connection(site.origin, 1)
    connection.close()
    await asyncio.sleep(0.01)
    connection.send(HEAD + b"0\r\n\r\n", b"", Patience(Call(DEPLOYMENT, {}, stream=True)))
    with pytest.raises(ConnectionBroken):
        await asyncio.wait_for(connection.head(), 1)


async def test_a_timer_that_one_request_left_does_not_end_the_next_one_too_early(site: Site) -> None:
    hasty = replace(DEPLOYMENT, timeouts=replace(DEPLOYMENT.timeouts, first_byte_s=0.1))
    first = await site.ask(OK, deployment=hasty)
    assert (await first.head(), first.rest()) == (200, b"hello")
    first.release()
    second = await site.ask(OK[:-1])
    assert second is first
    assert await second.head() == 200
    assert await second.read() == b"hell"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(second.read(), 0.3)


async def test_an_answer_that_nobody_asked_to_be_compressed_is_an_error(desk: Desk) -> None:
    seen = await desk.ask("gzip-200", stream=False)
    assert isinstance(seen.error, ProviderProtocolError)
    assert "compressed" in seen.error.message


@pytest.mark.parametrize("coding", [b"Identity", b""])
async def test_an_answer_that_says_it_is_not_compressed_is_one(site: Site, desk: Desk, coding: bytes) -> None:
    said = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
    site.pieces = [b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(said)), said]
    seen = await desk.ask(desk.deployment("here", api_base=f"http://127.0.0.1:{site.origin.port}/v1"), stream=False)
    assert (seen.text, seen.error) == ("hi", None)
    await desk.dispatcher.close()


@pytest.mark.parametrize("headers", [{"x-a": "b\r\nx-evil: 1"}, {"x-a\nb": "c"}, {"x-a": "\u20ac"}, {"Content-Length": "3"}])
async def test_a_header_that_cannot_be_sent_is_a_clear_error(desk: Desk, headers: dict[str, str]) -> None:
    seen = await desk.ask(desk.deployment("ok", headers=headers))
    assert isinstance(seen.error, ConnectFailed)
    assert "a header of it is not valid" in seen.error.message
    assert desk.faultd.hits == []


@given(st.lists(st.sampled_from([b"a", b"bc", b"\r\n", b"0"]), min_size=1, max_size=20))
def test_chunks_of_any_bytes_arrive_as_they_are(chunks: list[bytes]) -> None:
    async def ask() -> bytes:
        site = Site()
        await site.start()
        framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        body = await site.body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n")
        await site.stop()
        return body

    assert asyncio.run(ask()) == b"".join(chunks)


def chunks(*bodies: bytes) -> list[bytes]:
    """Each as a chunk of a body."""
    return [b"%x\r\n%b\r\n" % (len(body), body) for body in bodies]


async def test_what_comes_while_somebody_waits_may_pass_by(site: Site) -> None:
    head, last = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"
    site.pause_s = 0.02
    connection = await site.ask(head + chunks(b"0")[0], *chunks(b"a", b"stop", b"b"), last)
    taken: list[bytes] = []

    def take(piece: bytes) -> bool:
        if piece == b"stop":
            return False
        taken.append(piece)
        return True

    await connection.head()
    connection.bypass(take)
    read = [piece async for piece in _pieces(connection)]
    connection.release()
    assert read == [b"0", b"stop"]  # the first had come before
    assert taken == [b"a", b"b"]


async def test_nothing_passes_by_who_is_busy(site: Site) -> None:
    connection = await site.ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"a", b"b")
    await connection.head()
    connection.bypass(lambda _: True)
    await asyncio.sleep(0.05)
    assert await connection.read() == b"ab"
    connection.release()


async def test_what_passes_by_is_no_silence(site: Site) -> None:
    head, last = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"
    hurried = replace(DEPLOYMENT, timeouts=Timeouts(idle_s=0.15))
    site.pause_s = 0.05
    connection = await site.ask(head, *chunks(*[b"x"] * 8), last, deployment=hurried)
    taken: list[bytes] = []
    connection.bypass(lambda piece: not taken.append(piece))  # type: ignore[func-returns-value]
    assert await connection.head() == 200
    assert [piece async for piece in _pieces(connection)] == []
    assert taken == [b"x"] * 8
    connection.release()


async def test_a_mistake_in_what_takes_a_piece_is_raised_to_who_waits(site: Site) -> None:
    connection = await site.ask(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"a", b"b")

    def take(piece: bytes) -> bool:
        raise ZeroDivisionError(piece)

    await connection.head()
    connection.bypass(take)
    with pytest.raises(ZeroDivisionError):
        [piece async for piece in _pieces(connection)]
    assert not connection.is_open
    connection.release()
