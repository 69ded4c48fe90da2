"""A question over HTTP is bounded in time and bytes, and goes nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from waypost.http.session import FAILURES, HttpSession, read_up_to
from waypost.http.target import Target, over

Answering = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Site:
    """A server that keeps every head and answers with the same bytes, or as ``answering`` does."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.answering: Answering | None = None
        self._serving: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.append(task)
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                if self.answering is None:
                    writer.write(OK)
                else:
                    await self.answering(self.heads[-1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with HttpSession() as opened:
        yield opened


async def test_questions_share_a_connection(site: Site, session: HttpSession) -> None:
    for _ in range(3):
        async with session.ask("GET", f"{site.url}/v1/models", timeout_s=5) as answer:
            assert (answer.status, await read_up_to(answer, 100)) == (200, b"hello")
    assert site.connections == 1
    assert site.heads[0].startswith(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept-Encoding: identity\r\n" in site.heads[0]
    assert b"Content-Length" not in site.heads[0]


async def test_an_empty_body_has_a_length(site: Site, session: HttpSession) -> None:
    async with session.ask("POST", site.url, timeout_s=5, body=b""):
        pass
    assert site.heads[0].endswith(b"Content-Length: 0\r\n\r\n")


async def test_no_more_is_read_than_is_wanted(site: Site, session: HttpSession) -> None:
    async def pour(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    site.answering = pour
    async with session.ask("GET", site.url, timeout_s=5) as answer:
        assert 1000 < len(await read_up_to(answer, 1000)) < 1 << 20


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
async def test_silence_ends_at_the_deadline_wherever_it_begins(site: Site, session: HttpSession, begun: bytes) -> None:
    async def fall_silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await writer.drain()
        await asyncio.Event().wait()

    site.answering = fall_silent
    with pytest.raises(asyncio.TimeoutError):
        async with session.ask("GET", site.url, timeout_s=0.1) as answer:
            await read_up_to(answer, 100)


async def test_a_question_waits_its_turn_no_longer_than_its_time(site: Site, session: HttpSession) -> None:
    full = asyncio.Event()

    async def fall_silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        if len(site.heads) == 100:
            full.set()
        await asyncio.Event().wait()

    async def ask(timeout_s: float) -> None:
        async with session.ask("GET", site.url, timeout_s=timeout_s):
            raise AssertionError

    site.answering = fall_silent
    asking = [asyncio.ensure_future(ask(60)) for _ in range(100)]
    await full.wait()
    with pytest.raises(asyncio.TimeoutError):
        await ask(0.05)
    assert site.connections == 100
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("url", ["http://[bad", "not an address", "http://", "ftp://127.0.0.1", "http://127.0.0.1:99999999"])
async def test_an_address_that_is_none_is_a_failure_like_others(session: HttpSession, url: str) -> None:
    with pytest.raises(FAILURES):
        async with session.ask("GET", url, timeout_s=5):
            pass


def test_a_name_and_a_password_in_an_address_are_sent_and_give_way_to_a_key() -> None:
    url = "http://me:open%20sesame@here/"
    assert b"\r\nAuthorization: Basic bWU6b3BlbiBzZXNhbWU=\r\n" in Target.of("GET", url, {}).head
    assert Target.of("GET", url, {"authorization": "Bearer key"}).head.count(b"uthorization") == 1


def test_a_path_below_an_address_comes_before_its_query() -> None:
    target = Target.of("GET", "https://here/v1/?a=b c", {}, below="/models")
    assert target.head.startswith(b"GET /v1/models?a=b%20c HTTP/1.1\r\n")
    assert (target.origin.port, target.origin.tls) == (443, True)
    assert Target.of("GET", "http://here", {}).head.startswith(b"GET / HTTP/1.1\r\nHost: here\r\n")


def test_a_header_with_a_line_end_is_not_sent() -> None:
    with pytest.raises(ValueError, match="line end"):
        Target.of("GET", "http://here", {"X": "1\r\nY: 2"})


def test_headers_replace_others_however_they_are_written() -> None:
    assert over({"Accept": "a", "Host": "h"}, {"accept": "b"}) == {"Host": "h", "accept": "b"}
