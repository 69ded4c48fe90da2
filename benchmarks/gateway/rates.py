"""Requests a second, their latency, and what they cost, with answers in one piece."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import subprocess
import time
from pathlib import Path

import uvloop

from client import Pool
from processes import LOAD_CORE, Broken, Program, pinned
from prompts import Request
from report import HELD

CONNECTIONS = (1, 8, 64, 256)
RATE = 200  # requests a second of the open loop

# wrk gives the number of each request its place in the prompt, and prints one line that is read below.
LUA = """
local before = {%s}
local after = {%s}
local number = %d
function request()
  number = number + 1
  local at = number %% #before + 1
  return before[at] .. string.format("%%08d", number %% 100000000) .. after[at]
end
function done(summary, latency, requests)
  local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), wrong))
end
"""


def wrk(folder: Path, port: int, requests: list[Request], connections: int, seconds: float) -> dict[str, float]:
    """Closed loop: each connection sends as soon as it was answered. Raises `Broken` where an answer is not 2xx."""
    script = folder / f"wrk-{port}.lua"
    # The texts are ASCII, and Lua reads a JSON string of those alike.
    before = ",".join(json.dumps(request.before) for request in requests)
    after = ",".join(json.dumps(request.after) for request in requests)
    script.write_text(LUA % (before, after, random.randrange(10**8)))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script)]
    done = subprocess.run(
        [*pinned(LOAD_CORE), *command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True, cwd=folder
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise Broken(f"wrk said nothing that can be read:\n{done.stdout}{done.stderr}")
    count, duration_us, p50_us, p99_us, wrong = map(int, line.split()[1:])
    if wrong or not count:
        raise Broken(f"{wrong} of {count} requests failed at {connections} connections, so their number says nothing")
    return {"requests": count, "rps": count / (duration_us / 1e6), "p50_us": p50_us, "p99_us": p99_us}


def rates(
    folder: Path, port: int, gateway: Program | None, requests: list[Request], connections: tuple[int, ...], seconds: float
) -> dict[str, float]:
    """For each number of connections: requests a second, p50 and p99; and the CPU of a request where the load is highest."""
    uvloop.run(_closed_loop(port, requests, 300, 30, callers=8))  # warm
    measured: dict[str, float] = {}
    for count in connections:
        before = gateway.cpu_s() if gateway else 0.0
        found = wrk(folder, port, requests, count, seconds)
        measured |= {f"c{count}_{key}": found[key] for key in ("rps", "p50_us", "p99_us")}
        if gateway:
            measured[f"c{count}_cpu_ms"] = (gateway.cpu_s() - before) * 1000 / found["requests"]
    return measured


async def open_loop(port: int, requests: list[Request], seconds: float) -> dict[str, float]:
    """Requests at a fixed rate, sent whether or not earlier ones were answered, as people do.

    Latency counts from the moment at which a request was due. ``open_held`` is the share that was answered by the end.
    """
    pool = Pool(port)
    numbers = itertools.count(random.randrange(10**8))
    latencies: list[float] = []

    async def one(due: float) -> None:
        number = next(numbers)
        status = await pool.ask(requests[number % len(requests)].numbered(number))
        if status == 200:
            latencies.append((time.perf_counter() - due) * 1000)

    began = time.perf_counter() + 0.05
    count = max(20, round(RATE * seconds))
    asking = []
    for n in range(count):
        due = began + n / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asking.append(asyncio.ensure_future(one(due)))
    _, late = await asyncio.wait(asking, timeout=1.0)
    for task in late:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    pool.close()
    held = len(latencies) / count
    if held < HELD:
        return {"open_held": held}
    return {"open_held": held, "open_p50_ms": statistics.median(latencies), "open_p99_ms": percentile(latencies, 99)}


async def memory(port: int, gateway: Program, requests: list[Request], count: int, limit_s: float) -> dict[str, float]:
    """Resident memory when idle, when warm (a tenth of ``count``), and after ``count`` more, or what there is time for."""
    idle_mb = gateway.resident_mb()
    await _closed_loop(port, requests, count // 10, limit_s)
    warm_mb = gateway.resident_mb()
    answered = await _closed_loop(port, requests, count, limit_s)
    await asyncio.sleep(1)
    after_mb = gateway.resident_mb()
    return {"idle_mb": idle_mb, "warm_mb": warm_mb, "after_mb": after_mb, "memory_requests": answered}


async def _closed_loop(port: int, requests: list[Request], count: int, limit_s: float, callers: int = 64) -> int:
    pool, numbers, first = Pool(port), iter(range(count)), random.randrange(10**8)
    deadline, answered = time.monotonic() + limit_s, 0

    async def caller() -> None:
        nonlocal answered
        for number in numbers:
            if time.monotonic() > deadline:
                return
            if await pool.ask(requests[number % len(requests)].numbered(first + number)) == 200:
                answered += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    pool.close()
    return answered


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
