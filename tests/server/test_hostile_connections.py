"""Requests that drip in, that are too large, or that lie about where they go: rows 58 to 61, over raw sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from front import Front, Said, Serve, chat, closed, entry, request

from waypost.faults.faultd import Faultd

SOON_S = 0.3
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"


async def drip(front: Front, begun: bytes, piece: bytes) -> tuple[Said, float]:
    """Sends ``begun`` and then ``piece`` again and again until the server has closed; what it said, and after how long."""
    clock = asyncio.get_running_loop().time
    start = clock()
    reader, writer = await front.open()
    writer.write(begun)
    reading = asyncio.create_task(reader.read(-1))
    while not reading.done():
        writer.write(piece)
        await asyncio.wait((reading,), timeout=SOON_S / 10)
    with suppress(ConnectionError):
        await closed(writer)
    return Said(await reading), clock() - start


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\nx-slow: ", b"."),
        (b"PO", b""),
        (b"\r\n", b"\r\n"),
        (HEAD, b"x-more: 1\r\n"),
        (HEAD + b"content-length: 100\r\n\r\n{", b" "),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
async def test_row_58_a_request_that_drips_has_one_deadline_for_headers_and_body(
    serve: Serve, begun: bytes, piece: bytes
) -> None:
    front = await serve("ok", server={"receive_timeout_s": SOON_S})
    said, seconds = await drip(front, begun, piece)
    assert (said.status, said.error["code"]) == (408, "receive_timeout")
    assert SOON_S <= seconds < 5 * SOON_S
    await front.deserted()
    assert (front.faultd.hits, front.ledger.tail(1)) == ([], [])


async def test_row_58_a_connection_on_which_nothing_comes_is_closed_without_a_word(serve: Serve) -> None:
    front = await serve("ok", server={"receive_timeout_s": SOON_S})
    said, seconds = await drip(front, b"", b"")
    assert said.raw == b""
    assert SOON_S <= seconds < 5 * SOON_S


async def test_row_58_the_next_request_of_a_connection_has_a_deadline_of_its_own(serve: Serve) -> None:
    front = await serve("ok", server={"receive_timeout_s": SOON_S})
    reader, writer = await front.open()
    for _ in range(3):
        writer.write(request(chat()))
        assert b" 200 " in await reader.readuntil(b"\r\n")
        await reader.readuntil(b'"total_tokens": 17')
        await reader.readuntil(b"}}")
        await asyncio.sleep(SOON_S / 2)
    writer.write(HEAD)
    said = Said(await asyncio.wait_for(reader.read(-1), 5 * SOON_S))
    assert (said.status, said.error["code"]) == (408, "receive_timeout")
    await closed(writer)
    assert len(front.faultd.hits) == 3


async def test_a_connection_is_closed_when_no_other_request_comes_and_not_while_others_do(serve: Serve) -> None:
    front = await serve("ok")
    front.close_idle_after(1)
    reader, writer = await front.open()
    clock = asyncio.get_running_loop().time
    for _ in range(3):
        writer.write(request(chat()))
        assert b" 200 " in await reader.readuntil(b"\r\n")
        await reader.readuntil(b'"total_tokens": 17')
        await reader.readuntil(b"}}")
        answered = clock()
        await asyncio.sleep(0.6)
    rest = await reader.read(-1)
    await closed(writer)
    assert b"HTTP" not in rest
    assert 0.9 < clock() - answered < 2


async def test_row_58_an_answer_may_take_longer_than_its_request_and_a_pipelined_request_waits_for_it(serve: Serve) -> None:
    front = await serve("ok-after-700ms", server={"receive_timeout_s": SOON_S})
    slow = request(chat("ok-after-700ms", stream=True))
    reader, writer = await front.open()
    writer.write(slow + request(chat("ok-after-700ms"), "connection: close")[:-5])
    await reader.readuntil(b"[DONE]")
    await reader.readuntil(b"0\r\n\r\n")
    writer.write(request(chat("ok-after-700ms"))[-5:])
    said = Said(await asyncio.wait_for(reader.read(-1), 5))
    assert said.status == 200
    await closed(writer)


@pytest.mark.parametrize(
    ("begun", "piece"),
    [(HEAD + b"content-length: 100\r\n\r\n{", b" "), (HEAD + b"content-length: 100\r\n\r\n", b""), (HEAD, b"x: 1\r\n")],
)
async def test_row_58_a_request_that_begins_in_the_packet_of_another_has_a_deadline_too(
    serve: Serve, begun: bytes, piece: bytes
) -> None:
    front = await serve("ok", server={"receive_timeout_s": SOON_S})
    said, seconds = await drip(front, request(chat()) + begun, piece)
    assert said.status == 200
    assert b"HTTP/1.1 408 " in said.raw
    assert SOON_S <= seconds < 5 * SOON_S
    await front.deserted()
    assert len(front.faultd.hits) == 1


async def test_row_58_a_body_that_goes_on_after_its_answer_has_the_same_deadline(serve: Serve) -> None:
    front = await serve("ok", server={"receive_timeout_s": SOON_S})
    said, seconds = await drip(front, HEAD + b"content-encoding: br\r\ncontent-length: 1000\r\n\r\n", b" ")
    assert (said.status, said.error["code"]) == (415, "unsupported_encoding")
    assert said.raw.count(b"HTTP/1.1") == 1
    assert SOON_S <= seconds < 5 * SOON_S


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
        HEAD + b"x-large: " + b"x" * 1_000_000 + b"\r\n\r\n",
        HEAD + b"x-large: " + b"x" * 70_000 + b"\r\n\r\n",
        HEAD + b"x-many: 1\r\n" * 90_000 + b"\r\n",
        b"GET /" + b"x" * 1_000_000,
    ],
)
async def test_row_58_headers_of_a_megabyte_are_refused_and_the_connection_is_closed(serve: Serve, head: bytes) -> None:
    front = await serve("ok")
    said = await front.exchange(head)
    assert (said.status, said.error["code"]) == (431, "headers_too_large")
    assert front.faultd.hits == []


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"mellon\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nmellon\r\n",
        HEAD + b"x-request-id: a\x00b\r\n\r\n",
        HEAD + b"x request id: mellon\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_400_in_openais_shape_and_the_end_of_the_connection(serve: Serve, raw: bytes) -> None:
    front = await serve("ok")
    said = await front.exchange(raw)
    assert (said.status, said.error["type"]) == (400, "invalid_request_error")
    assert b"mellon" not in said.raw
    assert front.faultd.hits == []


HOSTILE_IDS = [
    "x" * 5_000,
    "我的模型",
    "a%0d%0aset-cookie: x=1",
    "\x80\xff\xe9",
    'quote " and \\ backslash',
    "tab\there",
]


@pytest.mark.parametrize("given", HOSTILE_IDS)
@pytest.mark.parametrize("stream", [False, True])
async def test_row_59_a_hostile_id_comes_back_as_short_plain_ascii(serve: Serve, given: str, stream: bool) -> None:
    front = await serve("ok")
    value = given.encode().decode("latin-1")
    said = await front.ask(chat(stream=stream), f"x-request-id: {value}", f"x-waypost-session: {value}", f"x-evil: {value}")
    assert said.status == 200
    for name, shown in said.headers.items():
        assert shown.isprintable(), name
        assert len(shown) <= 256
    assert "set-cookie" not in said.headers
    row = await front.row(said.headers["x-waypost-decision"])
    assert row["status"] == "ok"
    assert len(row["session"]) <= 256
    [hit] = front.faultd.hits
    assert value not in hit.headers.values()


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
async def test_row_59_a_line_end_in_a_header_of_ours_makes_no_header_of_the_answer(serve: Serve, end: bytes) -> None:
    front = await serve("ok")
    raw = request(chat(), "x-request-id: a@set-cookie: x=1", "connection: close").replace(b"@", end)
    said = await front.exchange(raw)
    assert "set-cookie" not in said.headers
    assert said.headers.get("x-request-id") in (None, "a")


async def test_rows_40_and_59_a_model_in_chinese_answers_and_its_name_is_encoded(serve: Serve, faultd: Faultd) -> None:
    front = await serve(entry("ok", faultd) | {"model_name": "我的模型"})
    for stream in (False, True):
        said = await front.ask(chat("我的模型", stream=stream))
        assert said.status == 200
        assert said.headers["x-waypost-deployment"] == "%E6%88%91%E7%9A%84%E6%A8%A1%E5%9E%8B"
        assert (await front.row(said.headers["x-waypost-decision"]))["deployment"] == "我的模型"
    assert not any(front.router.view().status(deployment.id).up is False for deployment in front.router.view())


@pytest.mark.parametrize(
    "host",
    [
        "x/health?",
        "127.0.0.1/health/live?",
        "127.0.0.1:80/health/live?x=",
        "localhost:80/health/live#",
        "user@localhost",
        "localhost:80:80",
        "[::1]/health/live",
        "localhost.evil.example",
    ],
)
async def test_row_60_a_host_that_holds_a_path_is_refused_and_opens_no_other_path(serve: Serve, host: str) -> None:
    front = await serve("ok")
    said = await front.exchange(request(chat(), "connection: close", host=host))
    assert (said.status, said.error["code"]) == (403, "host_refused")
    said = await front.exchange(f"GET /v1/secret HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    assert said.status == 403
    assert front.faultd.hits == []


async def test_row_60_routing_reads_the_path_of_the_request_line_only(serve: Serve) -> None:
    front = await serve("ok")
    for target in ("http://evil.example/health/live", "/health/live", "/health/live?/v1/chat/completions"):
        said = await front.exchange(f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert (said.status, json.loads(said.body)) == (200, {"status": "alive"})
    for target in ("//health/live", "/health/live/../../v1/models", "/v1/models/../chat/completions", "/%2e%2e/health/live"):
        said = await front.exchange(f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert (said.status, said.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["api_base", "base_url", "apiBase", "API-BASE", "api_key", "extra_headers", "litellm_params"])
async def test_row_61_no_field_at_any_depth_sends_a_request_elsewhere(serve: Serve, name: str) -> None:
    elsewhere = Faultd()
    await elsewhere.start()
    front = await serve("ok")
    steer = {name: elsewhere.base_url}
    tool = {"type": "function", "function": {"name": "f", **steer}}
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", **steer}}
    bodies: list[dict[str, Any]] = [
        chat(**steer),
        chat(metadata={"a": [{"b": steer}]}),
        chat(options=steer),
        chat(stream_options=steer),
        chat(tools=[tool]),
        chat(extra={"deeper": [[[steer]]]}),
        {"model": "ok", "messages": [{"role": "user", "content": "hi", **steer}]},
        {"model": "ok", "messages": [{"role": "user", "content": [part]}]},
    ]
    for body in bodies:
        for stream in (False, True):
            said = await front.ask({**body, "stream": stream})
            assert (said.status, said.error["code"]) == (400, "forbidden_field")
            assert elsewhere.base_url.encode() not in said.raw
    assert (front.faultd.hits, elsewhere.hits, elsewhere.connections) == ([], [], 0)
    assert front.ledger.tail(1) == []
    await elsewhere.stop()


@pytest.mark.parametrize("name", ["api_base", "X-Api-Base", "base-url", "x-litellm-api-base", "Helicone-Target-URL"])
async def test_row_61_no_header_sends_a_request_elsewhere(serve: Serve, name: str) -> None:
    elsewhere = Faultd()
    await elsewhere.start()
    front = await serve("ok")
    for path in ("/v1/chat/completions", "/v1/route"):
        said = await front.ask(chat(), f"{name}: {elsewhere.base_url}", path=path)
        assert (said.status, said.error["code"], said.error["param"]) == (400, "forbidden_field", name.lower())
    assert (front.faultd.hits, elsewhere.hits, elsewhere.connections) == ([], [], 0)
    await elsewhere.stop()


async def test_row_61_a_clients_own_key_stays_with_waypost(serve: Serve) -> None:
    front = await serve("ok")
    said = await front.ask(chat(), "authorization: Bearer sk-client", "x-api-key: sk-client", "api-key: sk-client")
    assert said.status == 200
    assert front.faultd.hits[0].headers["authorization"] == "Bearer sk-waypost-test-key-1234"
    assert "sk-client" not in json.dumps(front.faultd.hits[0].headers)
