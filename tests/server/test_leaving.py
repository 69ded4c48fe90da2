"""Clients that leave, in whatever phase, and clients that stop reading: rows 26 to 29, through the server."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from front import Front, Serve, chat, closed, entry, request, until

from waypost.faults.faultd import Faultd
from waypost.server.protocol import piece_at_once

LANES = pytest.mark.parametrize(
    # LiteLLM uses what pydantic deprecates, in every call.
    "provider",
    ["hosted_vllm", pytest.param("deepseek", marks=pytest.mark.filterwarnings("ignore"))],
)


async def leave(front: Front, body: dict[str, Any], *, after: bytes = b"", behind: bytes = b"") -> None:
    """A client that sends ``body``, waits until it has read ``after`` and the engine has its request, and is gone."""
    reader, writer = await front.open()
    writer.write(request(body) + behind)
    await front.faultd.hit(body["model"])
    if after:
        await reader.readuntil(after)
    await closed(writer)


async def assert_aborted(front: Front, model: str, *, committed: bool) -> dict[str, Any]:
    """The engine saw it within a second, nobody else was asked, and the ledger says what came of it."""
    [hit] = front.faultd.hits
    await asyncio.wait_for(hit.left.wait(), 1)
    row = await asyncio.wait_for(front.row(), 1)
    assert (row["status"], row["error"], row["http_status"]) == ("cancelled", "cancelled", 499)
    [attempt] = row["attempts"]
    assert (attempt["deployment"], attempt["error"], attempt["committed"]) == (model, "cancelled", committed)
    await front.deserted()
    await asyncio.wait_for(front.faultd.all_left(), 1)
    assert front.in_flight() == 0
    view = front.router.view()
    assert view.status(model).up is not False
    return row


@LANES
async def test_row_26_a_client_that_leaves_before_the_headers_frees_the_engine(
    serve: Serve, faultd: Faultd, provider: str
) -> None:
    front = await serve(entry("never-headers", faultd, provider), "ok")
    await leave(front, chat("never-headers", stream=True))
    row = await assert_aborted(front, "never-headers", committed=False)
    assert row["completion_tokens"] is None


@LANES
async def test_row_26_a_client_that_leaves_while_events_are_held_back_frees_the_engine(
    serve: Serve, faultd: Faultd, provider: str
) -> None:
    front = await serve(entry("stall-0", faultd, provider), "ok")
    await leave(front, chat("stall-0", stream=True))
    await assert_aborted(front, "stall-0", committed=False)


async def test_row_26_a_client_that_leaves_between_pings_frees_the_engine(serve: Serve) -> None:
    front = await serve("never-headers", "ok", server={"ping_s": 0.02})
    await leave(front, chat("never-headers", stream=True), after=b": ping\n\n\r\n")
    await assert_aborted(front, "never-headers", committed=False)


@LANES
async def test_row_27_a_client_that_leaves_mid_stream_frees_the_engine_and_is_billed_for_what_came(
    serve: Serve, faultd: Faultd, provider: str
) -> None:
    priced = entry("endless", faultd, provider) | {"model_info": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5}}
    front = await serve(priced, "ok")
    await leave(front, chat("endless", stream=True), after=b" word")
    row = await assert_aborted(front, "endless", committed=True)
    assert row["usage_estimated"]
    assert row["completion_tokens"] >= 1
    assert row["cost_usd"] > 0


@LANES
async def test_row_27_a_client_that_leaves_a_silent_stream_frees_the_engine(
    serve: Serve, faultd: Faultd, provider: str
) -> None:
    front = await serve(entry("stall-2", faultd, provider), "ok")
    await leave(front, chat("stall-2", stream=True), after=b" from")
    row = await assert_aborted(front, "stall-2", committed=True)
    assert row["completion_tokens"] >= 1


async def test_row_27_nothing_more_is_written_to_a_connection_that_has_just_broken(serve: Serve) -> None:
    front = await serve("stall-2")
    reader, writer = await front.open()
    writer.write(request(chat("stall-2", stream=True)))
    await reader.readuntil(b" from")
    [cycle] = front.answering()
    assert piece_at_once(cycle, bytes, b"more")
    cycle.transport.abort()  # as when a write fails: the protocol learns of it in the next turn of the loop
    assert not piece_at_once(cycle, bytes, b"more")
    await closed(writer)
    await front.deserted()


@LANES
async def test_row_28_a_client_that_leaves_an_answer_that_is_not_streamed_frees_the_engine(
    serve: Serve, faultd: Faultd, provider: str
) -> None:
    front = await serve(entry("never-headers", faultd, provider), "ok")
    await leave(front, chat("never-headers"))
    await assert_aborted(front, "never-headers", committed=False)


@pytest.mark.parametrize(
    ("body", "after"),
    [(chat("never-headers", stream=True), b""), (chat("stall-2", stream=True), b" from"), (chat("never-headers"), b"")],
    ids=["row_26", "row_27", "row_28"],
)
async def test_rows_26_to_28_a_client_that_closes_its_sending_side_has_left_as_nothing_tells_the_two_apart(
    serve: Serve, body: dict[str, Any], after: bytes
) -> None:
    front = await serve(body["model"], "ok")
    reader, writer = await front.open()
    writer.write(request(body))
    await front.faultd.hit(body["model"])
    if after:
        await reader.readuntil(after)
    writer.write_eof()
    rest = await asyncio.wait_for(reader.read(), 1)
    assert b"[DONE]" not in rest
    await assert_aborted(front, body["model"], committed=bool(after))
    assert front.faultd.count("ok") == 0
    await closed(writer)


@pytest.mark.parametrize("stream", [False, True])
async def test_rows_26_and_28_a_client_that_leaves_while_we_connect_frees_the_attempt(
    serve: Serve, deaf_url: str, stream: bool
) -> None:
    deaf = {"model": "hosted_vllm/deaf", "api_base": deaf_url}
    front = await serve({"model_name": "deaf", "litellm_params": deaf}, "ok")
    reader, writer = await front.open()
    writer.write(request(chat("deaf", stream=stream)))
    await until(front.in_flight)
    await closed(writer)
    row = await asyncio.wait_for(front.row(), 1)
    assert (row["status"], row["attempts"][0]["error"]) == ("cancelled", "cancelled")
    await front.deserted()
    assert front.in_flight() == 0
    assert front.faultd.hits == []
    del reader


@pytest.mark.parametrize(("body", "after"), [(chat("endless", stream=True), b" word"), (chat("never-headers"), b"")])
async def test_rows_27_and_28_a_client_that_leaves_with_another_request_in_line_frees_the_engine(
    serve: Serve, body: dict[str, Any], after: bytes
) -> None:
    front = await serve("endless", "never-headers", "ok")
    await leave(front, body, after=after, behind=request(chat("ok")))
    await assert_aborted(front, body["model"], committed=bool(after))
    assert front.faultd.count("ok") == 0


async def test_row_27_a_client_that_leaves_a_simulated_stream_leaves_nothing_behind(serve: Serve) -> None:
    front = await serve(entry("sim", Faultd(), "simulated"))
    _, writer = await front.open()
    writer.write(request(chat("sim", stream=True)))
    await closed(writer)
    row = await asyncio.wait_for(front.row(), 1)
    assert row["status"] in ("ok", "cancelled")
    await front.deserted()
    assert front.in_flight() == 0


PHASES: tuple[tuple[dict[str, Any], bytes], ...] = (
    (chat("never-headers", stream=True), b""),
    (chat("stall-0", stream=True), b""),
    (chat("endless", stream=True), b" word"),
    (chat("stall-2", stream=True), b" from"),
    (chat("never-headers"), b""),
    (chat("sim", stream=True), b"HTTP/1.1 200"),
)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the sockets of this process in /proc")
@pytest.mark.filterwarnings("ignore")
async def test_rows_26_to_28_fifty_leaving_clients_leave_no_task_no_socket_and_no_slot(serve: Serve, faultd: Faultd) -> None:
    providers = ("hosted_vllm", "deepseek")
    faults = ("never-headers", "stall-0", "endless", "stall-2")
    models = [
        entry(fault, faultd, provider) | {"model_name": f"{provider}-{fault}"} for provider in providers for fault in faults
    ]
    front = await serve(*models, entry("sim", faultd, "simulated"))

    async def one(number: int) -> None:
        body, after = PHASES[number % len(PHASES)]
        provider = providers[number // len(PHASES) % 2]
        name = body["model"] if body["model"] == "sim" else f"{provider}-{body['model']}"
        reader, writer = await front.open()
        writer.write(request({**body, "model": name}))
        if after:
            await reader.readuntil(after)
        else:
            await until(lambda: front.router.view().status(name).in_flight > 0)
        await closed(writer)

    async def settled() -> None:
        await front.deserted()
        await faultd.all_left()
        assert front.in_flight() == 0

    for number in range(2 * len(PHASES)):  # what is made once: pools, imports, caches
        await one(number)
    await asyncio.wait_for(settled(), 2)
    tasks, files = len(asyncio.all_tasks()), open_files()
    await asyncio.gather(*(one(number) for number in range(50)))
    await asyncio.wait_for(settled(), 2)
    assert (len(asyncio.all_tasks()), open_files()) == (tasks, files)
    rows = front.ledger.tail(1000)
    assert len(rows) == 50 + 2 * len(PHASES)
    assert {row["status"] for row in rows} <= {"ok", "cancelled"}


async def reader_that_stops(front: Front, body: dict[str, Any]) -> socket.socket:
    """A client with a small buffer that reads the first bytes of its answer, and then nothing more."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", front.port))
    await loop.sock_sendall(client, request(body))
    assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
    return client


async def test_row_29_a_client_that_stops_reading_holds_its_engine_back_and_is_then_cut_off(serve: Serve) -> None:
    front = await serve("flood", "ok", server={"send_timeout_s": 0.5})
    client = await reader_that_stops(front, chat("flood", stream=True))
    hit = await front.faultd.hit("flood")
    before = -1
    while hit.sent > before:
        before = hit.sent
        await asyncio.sleep(0.1)
    assert not hit.left.is_set()
    assert hit.sent < 32 << 20  # what the kernel's buffers hold; without back-pressure it would be gigabytes
    await asyncio.wait_for(hit.left.wait(), 2)
    row = await asyncio.wait_for(front.row(), 1)
    assert (row["status"], row["error"], row["http_status"]) == ("partial", "client_stalled", 200)
    [attempt] = row["attempts"]
    assert (attempt["error"], attempt["committed"]) == ("cancelled", True)
    assert row["completion_tokens"] >= 1
    await front.deserted()
    assert front.in_flight() == 0
    assert front.faultd.count("ok") == 0
    client.close()


async def test_row_29_a_client_that_reads_slowly_is_waited_for(serve: Serve) -> None:
    front = await serve("flood", server={"send_timeout_s": 1.5})
    client = await reader_that_stops(front, chat("flood", stream=True))
    loop = asyncio.get_running_loop()
    enough = loop.time() + 2.5
    while loop.time() < enough:
        await loop.sock_recv(client, 1 << 20)
        await asyncio.sleep(0.0005)
    hit = await front.faultd.hit("flood")
    assert not hit.left.is_set()
    client.close()
    await asyncio.wait_for(hit.left.wait(), 1)
    assert (await front.row())["status"] == "cancelled"


async def test_row_29_an_answer_that_is_not_streamed_and_never_read_is_cut_off_too(serve: Serve) -> None:
    front = await serve("large", server={"send_timeout_s": 0.3})
    client = await reader_that_stops(front, chat("large"))
    assert (await front.row())["status"] == "ok"  # the engine gave it all
    await until(lambda: not front.connected(), within_s=2)
    client.close()


async def test_row_29_a_reader_that_leaves_before_the_cut_is_a_client_that_left(serve: Serve) -> None:
    front = await serve("flood", server={"send_timeout_s": 30})
    client = await reader_that_stops(front, chat("flood", stream=True))
    hit = await front.faultd.hit("flood")
    before = -1
    while hit.sent > before:
        before = hit.sent
        await asyncio.sleep(0.1)
    client.close()
    await asyncio.wait_for(hit.left.wait(), 1)
    row = await front.row()
    assert (row["status"], row["error"]) == ("cancelled", "cancelled")
