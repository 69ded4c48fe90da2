"""Bodies that are too large, compressed, too deep or no JSON: rows 54 to 57, through the server."""

from __future__ import annotations

import gzip
import json
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from front import Front, Said, Serve, chat, closed, request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 200_000
Pack = Callable[[bytes], bytes]
PACKERS = pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)],
)


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    """Holds what Python allocates in the block, beyond what it had, to a bound."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


def assert_nothing_happened(front: Front) -> None:
    """No engine was asked, and nothing was decided."""
    assert front.faultd.hits == []
    assert front.ledger.tail(10) == []
    assert front.in_flight() == 0


async def test_row_54_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(serve: Serve) -> None:
    front = await serve("ok", server={"max_body_bytes": LIMIT})
    said = await front.exchange(b"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: 9000000\r\n\r\n{")
    assert (said.status, said.error["code"]) == (413, "payload_too_large")
    assert_nothing_happened(front)


async def test_row_54_a_flood_without_a_length_is_refused_at_the_limit_and_memory_stays_flat(serve: Serve) -> None:
    front = await serve("ok", server={"max_body_bytes": LIMIT})
    reader, writer = await front.open()
    with at_most(3):
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        for _ in range(320):
            writer.write(piece)
            await writer.drain()
        # The refusal came long ago. What came after it is read and thrown away, so that the client gets to see the refusal.
        said = Said(await reader.readuntil(b"}}"))
    assert (said.status, said.error["code"]) == (413, "payload_too_large")
    await closed(writer)
    assert_nothing_happened(front)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_row_54_the_default_takes_a_prompt_of_a_million_tokens(serve: Serve) -> None:
    front = await serve("ok")
    words = random.Random(1).choices(["alpha", "beta", "gamma", "delta", "river", "stone", "light", "house"], k=1_000_000)
    text = " ".join(words)
    said = await front.ask(chat(text=text))
    assert said.status == 200
    assert front.faultd.hits[0].body["messages"][0]["content"] == text
    row = await front.row()
    assert row["card"]["prompt_tokens"] > 500_000


@PACKERS
async def test_row_55_a_compressed_body_is_unpacked(serve: Serve, encoding: str, pack: Pack) -> None:
    front = await serve("ok")
    text = "".join(random.Random(2).choices("abcdefgh", k=300_000))
    said = await front.ask(pack(json.dumps(chat(text=text)).encode()), f"content-encoding: {encoding}")
    assert said.status == 200
    hit = front.faultd.hits[0]
    assert hit.body["messages"][0]["content"] == text
    assert "content-encoding" not in hit.headers
    assert (await front.row())["status"] == "ok"


@PACKERS
async def test_row_55_a_small_body_that_unpacks_to_200_mb_is_refused_on_the_way(
    serve: Serve, encoding: str, pack: Pack
) -> None:
    bomb = pack(b"\0" * 200_000_000)
    front = await serve("ok", server={"max_body_bytes": 1_000_000})
    with at_most(4):
        said = await front.ask(bomb, f"content-encoding: {encoding}")
    assert (said.status, said.error["code"]) == (413, "payload_too_large")
    assert_nothing_happened(front)


@pytest.mark.parametrize(
    "headers",
    [
        ("content-encoding: br",),
        ("content-encoding: gzip, gzip",),
        ("content-encoding: gzip", "content-encoding: gzip"),
        ("content-encoding: compress",),
        ("content-encoding: zstd, identity",),
    ],
)
async def test_row_55_other_encodings_and_several_in_a_row_are_refused(serve: Serve, headers: tuple[str, ...]) -> None:
    front = await serve("ok")
    said = await front.ask(gzip.compress(json.dumps(chat()).encode()), *headers)
    assert (said.status, said.error["code"]) == (415, "unsupported_encoding")
    assert "gzip, deflate and zstd" in said.error["message"]
    assert_nothing_happened(front)


@PACKERS
async def test_row_55_a_compressed_body_that_is_cut_broken_or_goes_on_is_refused(
    serve: Serve, encoding: str, pack: Pack
) -> None:
    front = await serve("ok")
    whole = pack(json.dumps(chat(text="secret words " * 50)).encode())
    for broken in (whole[:-9], b"\0" + whole, whole + whole, whole + b"more", b"", json.dumps(chat()).encode()):
        said = await front.ask(broken, f"content-encoding: {encoding}")
        assert (said.status, said.error["code"]) == (400, "invalid_value")
    assert_nothing_happened(front)


async def test_row_55_a_zstd_body_cannot_ask_for_more_than_eight_megabytes_to_unpack_it(serve: Serve) -> None:
    front = await serve("ok")
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    greedy = packer.compress(json.dumps(chat()).encode()) + packer.flush()
    said = await front.ask(greedy, "content-encoding: zstd")
    assert (said.status, said.error["code"]) == (400, "invalid_value")
    assert_nothing_happened(front)


DEEP = 20_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"model":"ok","messages":[{"role":"user","content":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
        b'{"model":"ok","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":'
        + b'{"items":' * DEEP
        + b"{}"
        + b"}" * DEEP
        + b"}}]}",
        b'{"model":"ok","messages":[{"role":"user","content":"x"}],"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
        b'{"model":"ok","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":'
        + b'{"items":' * 200
        + b"{}"
        + b"}" * 200
        + b"}}]}",
    ],
)
async def test_row_56_nesting_is_bounded_wherever_it_is(serve: Serve, body: bytes) -> None:
    front = await serve("ok")
    said = await front.ask(body)
    assert (said.status, said.error["code"]) == (400, "invalid_value")
    assert_nothing_happened(front)


SECRET = "mellon-7391"
BROKEN: list[bytes] = [
    b"",
    b" ",
    b"null",
    b"7",
    b'"mellon-7391"',
    b'["mellon-7391"]',
    b"mellon-7391",
    b'{"model":"mellon-7391"',
    b'{"model":"mellon-7391",}',
    b"{'model':'mellon-7391'}",
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}]} trailing',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}]}{"model":"ok"}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391\n"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391 \\x"}]}',
    b'\xef\xbb\xbf{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}]}',
    '{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}]}'.encode("utf-16"),
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391 \xff"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391 \xc0\xaf"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391 \xed\xa0\x80"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}],"temperature":NaN}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}],"temperature":Infinity}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}],"seed":1e999}',
    b'{"model":"ok","messages":[{"role":"user","content":"mellon-7391"}],"seed":0x10}',
    b'{"model":7,"messages":[{"role":"user","content":"mellon-7391"}]}',
    b'{"model":"","messages":[{"role":"user","content":"mellon-7391"}]}',
    b'{"model":null,"messages":[{"role":"user","content":"mellon-7391"}]}',
    b'{"messages":[{"role":"user","content":"mellon-7391"}]}',
    b'{"model":"ok","messages":"mellon-7391"}',
    b'{"model":"ok","messages":{"role":"user","content":"mellon-7391"}}',
    b'{"model":"ok","messages":["mellon-7391"]}',
    b'{"model":"ok","messages":[{"role":"mellon-7391","content":"x"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":{"text":"mellon-7391"}}]}',
    b'{"model":"ok","messages":[{"role":"user","content":[{"type":"mellon-7391"}]}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"temperature":"mellon-7391"}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"stream":"mellon-7391"}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"stream_options":"mellon-7391"}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"tools":{"mellon-7391":1}}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":"mellon-7391"}]}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"response_format":"mellon-7391"}',
    b'{"model":"ok","messages":[{"role":"user","content":"x"}],"max_tokens":-7391}',
]


async def test_row_57_what_is_no_request_is_a_400_in_openais_shape_that_repeats_nothing_of_it(serve: Serve) -> None:
    front = await serve("ok")
    for path in ("/v1/chat/completions", "/v1/route"):
        for body in BROKEN:
            said = await front.ask(body, path=path)
            assert (said.status, said.error["type"]) == (400, "invalid_request_error"), body
            assert said.headers["content-type"] == "application/json"
            assert b"mellon" not in said.raw
            assert b"7391" not in said.raw
    assert_nothing_happened(front)


async def test_row_57_of_two_equal_keys_only_the_last_counts_and_nothing_of_the_first_is_sent_on(serve: Serve) -> None:
    front = await serve("ok", "other")
    twice = (
        b'{"model":"other","model":"ok","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}],'
    )
    twice += b'"metadata":{"api_base":"http://127.0.0.1:9"},"metadata":{"kept":"1"}}'
    said = await front.ask(twice)
    assert said.status == 200
    [hit] = front.faultd.hits
    assert (hit.model, hit.body["messages"]) == ("ok", [{"role": "user", "content": "b"}])
    assert "api_base" not in json.dumps(hit.body)
    again = b'{"model":"ok","api_base":"http://127.0.0.1:9","api_base":null,"messages":[{"role":"user","content":"b"}]}'
    said = await front.ask(again)
    assert (said.status, said.error["code"]) == (400, "forbidden_field")
    assert len(front.faultd.hits) == 1


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(serve: Serve) -> None:
    front = await serve("ok")
    _, writer = await front.open()
    writer.write(request(chat())[:-5])
    await writer.drain()
    await closed(writer)
    await front.deserted()
    assert_nothing_happened(front)
