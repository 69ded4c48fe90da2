"""Streams: the time to the first words, and the CPU of a chunk."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from dataclasses import dataclass

import engine
from client import Connection, Pool
from processes import Program
from prompts import Request
from rates import percentile

CHUNKS = 200
WORD = engine.WORD.encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """So many streams at a time, so many times, with so many milliseconds between two chunks (0: as fast as they go).

    Their starts are spread over ``spread_s``: at a model's pace they come one by one, and in a burst all at once.
    """

    key: str
    streams: int
    rounds: int
    gap_ms: float
    spread_s: float = 0.0
    chunks: int = CHUNKS


PACED = Plan("paced", 16, 4, 7.5, spread_s=1.5)
BURST = Plan("burst", 160, 1, 0)
MANY = Plan("many", 500, 1, 50, spread_s=2.5)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client heard of one stream: when the first words came, and whether every word and the end did."""

    first_s: float | None
    complete: bool


async def streams(
    plan: Plan, port: int, engine_port: int, gateway: Program | None, requests: list[Request]
) -> dict[str, float]:
    """Runs the plan: each stream on a connection of its own that is open already, and the next one as soon as it is over."""
    await _set_pace(engine_port, plan)
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(plan.streams)]
    connections = [connection for _, connection in opened]
    numbers = itertools.count(random.randrange(10**8))
    heard: list[Heard] = []

    async def caller(connection: Connection, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        for _ in range(plan.rounds):
            number = next(numbers)
            heard.append(await _listen(connection, requests[number % len(requests)].numbered(number), plan.chunks))

    before = gateway.cpu_s() if gateway else 0.0
    await asyncio.gather(*(caller(one, n * plan.spread_s / plan.streams) for n, one in enumerate(connections)))
    cpu_s = gateway.cpu_s() - before if gateway else 0.0
    for connection in connections:
        connection.close()
    first_ms = [one.first_s * 1000 for one in heard if one.first_s is not None]
    found = {f"{plan.key}_complete": sum(one.complete for one in heard) / len(heard)}
    if first_ms:
        found[f"{plan.key}_first_p50_ms"] = statistics.median(first_ms)
        found[f"{plan.key}_first_p95_ms"] = percentile(first_ms, 95)
    if gateway:
        found[f"{plan.key}_cpu_us"] = cpu_s * 1e6 / (len(heard) * plan.chunks)
        found[f"{plan.key}_mb"] = gateway.highest_mb()
    return found


async def _listen(connection: Connection, request: bytes, chunks: int) -> Heard:
    pieces: list[bytes] = []
    first: list[float] = []

    def on_body(piece: bytes) -> None:
        pieces.append(piece)
        if not first and WORD in piece:
            first.append(time.perf_counter())

    sent = time.perf_counter()
    try:
        status = await asyncio.wait_for(connection.ask(request, on_body), 300)
    except (ConnectionError, asyncio.TimeoutError):
        return Heard(first[0] - sent if first else None, complete=False)
    body = b"".join(pieces)
    return Heard(first[0] - sent if first else None, status == 200 and body.count(WORD) == chunks and b"[DONE]" in body)


async def _set_pace(engine_port: int, plan: Plan) -> None:
    pool = Pool(engine_port)
    await pool.ask(f"POST /pace/{plan.gap_ms}/{plan.chunks} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n".encode())
    pool.close()
