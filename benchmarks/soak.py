"""Waypost under good requests, faults and leaving clients at once: does its memory grow, does anything stay behind?

    python benchmarks/soak.py --minutes 10 [--callers 16] [--json FILE]

The real server in front of faultd, an engine that fails on purpose. It prints resident memory, sockets and threads while it
runs, and at the end the slope of the memory after a warm-up, whether the requests in flight went back to zero, whether every
call that hung was hung up on, and what the ledger has. Exit code 1: something stayed behind, or memory grew by more than a
megabyte a minute. Needs Linux. Run it from a checkout.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import http.client
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from gateway.processes import Program, free_port, start
from gateway.prompts import prompts

from waypost.faults.exchange import Hit
from waypost.faults.faultd import Faultd

ROOT = Path(__file__).parents[1]
MOST_MB_A_MINUTE = 1.0
DRAIN_S = 10.0
# Memory is judged once the server is warm: it remembers its last 10,000 decisions, and fills pools and caches.
WARM_REQUESTS = 10_000
LEAST_S = 120.0
# Engines that never come to an end: whoever asks them must hang up.
HANGING = ("stall-2", "never-headers", "endless")
TASKS = ("tool_calling", "vision", "chat", "memory", "reasoning", "coding")


@dataclass(frozen=True, slots=True)
class Habit:
    """One kind of request: its share of all, whom it asks for, and after how long the client leaves."""

    name: str
    weight: int
    models: tuple[str, ...]
    stream: bool = False
    leaves_after_s: float | None = None


HABITS = (
    Habit("good", 40, ("auto",)),
    Habit("good stream", 20, ("auto",), stream=True),
    Habit("fails over", 10, ("500", "503-loading", "429-ra1", "drop", "empty-200", "html-200", "first-event-error")),
    Habit("stream fails over", 10, ("500", "429-ra1", "drop", "cut-0", "first-event-error"), stream=True),
    Habit("cut stream", 8, ("cut-3", "error-after-2", "end-3", "malformed-event"), stream=True),
    Habit("cut answer", 4, ("cut-3",)),
    Habit("client leaves stream", 6, ("stall-2", "endless"), stream=True, leaves_after_s=0.15),
    Habit("client leaves early", 2, ("never-headers",), leaves_after_s=0.15),
)
FAULTS = sorted({model for habit in HABITS for model in habit.models if model != "auto"})


@dataclass(slots=True)
class Tally:
    """What the clients saw, by habit and outcome."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)

    def table(self) -> str:
        """One line for each outcome."""
        return "\n".join(f"  {name:48} {count:8,}" for name, count in sorted(self.outcomes.items()))


@dataclass(frozen=True, slots=True)
class Sample:
    """What the kernel says about the server at one moment."""

    at_s: float
    requests: int
    resident_mb: float
    sockets: int
    threads: int


class Engine:
    """faultd, and the calls to it that hang; what is over is forgotten, so that this process does not grow."""

    def __init__(self) -> None:
        self.faultd = Faultd(models=FAULTS)
        self.hung = 0
        self._hanging: list[Hit] = []

    def forget(self) -> None:
        """Keeps only the hanging calls that nobody hung up on."""
        hits, self.faultd.hits = self.faultd.hits, []
        new = [hit for hit in hits if hit.model in HANGING]
        self.hung += len(new)
        self._hanging = [hit for hit in (*self._hanging, *new) if not hit.left.is_set()]

    @property
    def hanging(self) -> int:
        """How many still hang."""
        self.forget()
        return len(self._hanging)


def config(base_url: str, folder: Path) -> dict[str, Any]:
    """One deployment for each fault, and a good one that every failed call falls back to; all routes begin with a bad one."""
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": "none"}}
            for name in ("ok", *FAULTS)
        ],
        "routes": {task: ["503-loading", "ok"] for task in TASKS},
        "policy": {"default_fallbacks": ["ok"]},
        "ledger": {"path": str(folder / "ledger.db")},
    }


async def caller(session: aiohttp.ClientSession, url: str, until: float, tally: Tally, texts: list[str]) -> None:
    """One client after the other, until the time is up."""
    weights = [habit.weight for habit in HABITS]
    while time.monotonic() < until:
        habit = random.choices(HABITS, weights)[0]
        text = f"{random.choice(texts)} It is request {random.randrange(10**9)}."
        body = {"model": random.choice(habit.models), "stream": habit.stream, "messages": [{"role": "user", "content": text}]}
        outcome = await asked(session, url, body, habit.leaves_after_s)
        tally.outcomes[f"{habit.name}: {outcome}"] += 1


async def asked(session: aiohttp.ClientSession, url: str, body: dict[str, Any], leaves_after_s: float | None) -> str:
    """How one request went, in a word or two."""

    async def ask() -> str:
        async with session.post(url, json=body) as answer:
            raw = await answer.read()
            if answer.status != 200 or not body["stream"]:
                return f"HTTP {answer.status}"
            return "whole" if b"[DONE]" in raw else "ended with an error" if b'"error"' in raw else "broke off in silence"

    try:
        return await asyncio.wait_for(ask(), leaves_after_s or 30)
    except asyncio.TimeoutError:
        return "left" if leaves_after_s else "no answer in 30 s"
    except aiohttp.ClientError as error:
        return type(error).__name__


def sample(server: Program, began: float, tally: Tally) -> Sample:
    """Now."""
    pid = server.process.pid
    sockets = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            sockets += str(descriptor.readlink()).startswith("socket:")
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return Sample(time.monotonic() - began, tally.outcomes.total(), server.resident_mb(), sockets, threads)


async def watch(server: Program, engine: Engine, tally: Tally, began: float, seconds: float) -> list[Sample]:
    """Samples sixty times, and prints each."""
    samples = [sample(server, began, tally)]
    while samples[-1].at_s < seconds:
        await asyncio.sleep(max(1.0, seconds / 60))
        engine.forget()
        samples.append(now := sample(server, began, tally))
        used = f"{now.resident_mb:8.1f} MB {now.sockets:5} sockets {now.threads:4} threads"
        print(f"{now.at_s:7.0f} s {now.requests:9,} requests {used}", flush=True)
    return samples


def slope_mb_a_minute(samples: list[Sample]) -> float | None:
    """Of the straight line through the memory once it is warm, and a quarter is over. ``None``: too short to tell."""
    late = [one for one in samples[len(samples) // 4 :] if one.requests >= WARM_REQUESTS]
    if not late or late[-1].at_s - late[0].at_s < LEAST_S:
        return None
    line = statistics.linear_regression([one.at_s / 60 for one in late], [one.resident_mb for one in late])
    return line.slope


def in_flight(port: int) -> int:
    """The sum over all deployments, as the server says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/v1/models")
    listed = json.loads(connection.getresponse().read())["data"]
    connection.close()
    return sum(model["waypost"].get("in_flight") or 0 for model in listed)


def ledger_rows(folder: Path) -> dict[str, int]:
    """How many decisions of each status the ledger has."""
    with sqlite3.connect(folder / "ledger.db") as database:
        return dict(database.execute("SELECT status, count(*) FROM decisions GROUP BY status"))


async def soak(minutes: float, callers: int, folder: Path) -> dict[str, Any]:
    """Runs it all, and says what was found."""
    engine, tally = Engine(), Tally()
    await engine.faultd.start()
    server = await asyncio.to_thread(started, engine.faultd.base_url, folder)
    try:
        began = time.monotonic()
        url = f"http://127.0.0.1:{server.port}/v1/chat/completions"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            until = began + minutes * 60
            calling = [asyncio.ensure_future(caller(session, url, until, tally, prompts())) for _ in range(callers)]
            samples = await watch(server, engine, tally, began, minutes * 60)
            await asyncio.gather(*calling)
        left = await drained(server.port, engine)
        after = sample(server, began, tally)
    finally:
        await asyncio.to_thread(server.stop)
        await engine.faultd.stop()
    return {
        "requests": tally.outcomes.total(),
        "outcomes": dict(tally.outcomes),
        "slope_mb_a_minute": slope_mb_a_minute(samples),
        "resident_mb": {"first": samples[0].resident_mb, "last": after.resident_mb},
        "sockets": {"most": max(one.sockets for one in samples), "after": after.sockets},
        "in_flight_after": left,
        "hung_calls": engine.hung,
        "hung_calls_left": engine.hanging,
        "silent_breaks": sum(count for name, count in tally.outcomes.items() if "silence" in name or "no answer" in name),
        "ledger": ledger_rows(folder),
        "exit_code": server.process.returncode,
    }


async def drained(port: int, engine: Engine) -> int:
    """Waits until nothing is in flight and nothing hangs, for a while; how many requests are still in flight."""
    for _ in range(round(DRAIN_S / 0.1)):
        left = await asyncio.to_thread(in_flight, port)
        if not left and not engine.hanging:
            break
        await asyncio.sleep(0.1)
    return left


def started(base_url: str, folder: Path) -> Program:
    """The server, on any core."""
    port = free_port()
    file = folder / "waypost.yaml"
    file.write_text(json.dumps(config(base_url, folder)))
    command = [sys.executable, "-m", "waypost", "serve", "-c", str(file), "--port", str(port)]
    return start(command, port=port, folder=folder, core=None, env={"PYTHONPATH": str(ROOT / "src")}, ready="/health/live")


def verdict(found: dict[str, Any]) -> list[str]:
    """What is wrong, in sentences."""
    slope, rows = found["slope_mb_a_minute"], sum(found["ledger"].values())
    left = sum(count for name, count in found["outcomes"].items() if name.endswith(": left"))
    # Who left before an engine was asked may have left before the request was read.
    least = found["requests"] - (left - found["hung_calls"])
    checks = (
        (slope is not None and slope > MOST_MB_A_MINUTE, f"memory grows by {slope or 0:.2f} MB a minute"),
        (found["in_flight_after"] != 0, f"{found['in_flight_after']} requests stayed in flight"),
        (found["hung_calls_left"] != 0, f"{found['hung_calls_left']} hanging calls were never hung up on"),
        (found["silent_breaks"] != 0, f"{found['silent_breaks']} answers broke off in silence, or never came"),
        (not least <= rows <= found["requests"], f"the ledger has {rows} decisions for {found['requests']} requests"),
        (found["exit_code"] != 0, f"the server ended with {found['exit_code']}"),
    )
    return [problem for wrong, problem in checks if wrong]


def main() -> int:
    """Soaks, prints, and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--callers", type=int, default=16, help="clients at a time")
    parser.add_argument("--json", type=Path, help="write what was found into this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(soak(options.minutes, options.callers, Path(folder)))
    print(Tally(collections.Counter(found["outcomes"])).table())
    print(json.dumps({key: value for key, value in found.items() if key != "outcomes"}, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    problems = verdict(found)
    print("\n".join(f"WRONG: {problem}" for problem in problems) or "nothing stayed behind")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
