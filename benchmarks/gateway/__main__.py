"""Waypost against other gateways, in front of engines that cost nothing: rates, latency, streams, CPU, memory.

    python benchmarks/gateway                       # everything, 3 runs: about 40 minutes
    python benchmarks/gateway --quick               # Waypost, direct and the floor, in less than a minute
    python benchmarks/gateway --only waypost,litellm --rates

The gateway has core 0 for itself; the load generators and the engine share core 1. Each run measures every gateway once, so the
ratios within a run hold where the machine's own speed does not. Needs Linux, wrk and nginx (`apt-get install wrk nginx-light`).
docs/performance.md explains the method.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from peers import (
    DIRECT,
    PEERS,
    PLAIN,
    ROOT,
    Peer,
    nginx_version,
    printed,
    start_nginx_engine,
    start_streaming_engine,
    wrk_version,
)
from processes import GATEWAY_CORE, LOAD_CORE, Broken, Program, pinned
from prompts import Request
from prompts import requests as made_requests
from rates import CONNECTIONS, memory, open_loop, rates, wrk
from report import Measured, tables
from streams import BURST, MANY, PACED, Plan, streams

PARTS = ("rates", "streams", "memory", "processes", "starts")
QUICK = ("direct", "waypost", "floor")
_PYTHON_PATH = {"PYTHONPATH": str(ROOT / "src")}


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and for how long."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    repeats: int
    seconds: float
    connections: tuple[int, ...]
    plans: tuple[Plan, ...]
    memory_requests: int
    memory_limit_s: float


class Bench:
    """Runs the parts, one gateway after the other."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self.failed: dict[str, str] = {}

    def run(self, peer: Peer | None, *, first: bool) -> dict[str, float]:
        """One run of one gateway; ``None`` stands for none. ``first``: with what is measured once only."""
        name = peer.name if peer else DIRECT
        found: dict[str, float] = {}
        for part in self._options.parts:
            skipped = {"memory": not (first and peer), "processes": name != "waypost"}.get(part)
            if name in self.failed or skipped:
                continue
            measure = {
                "rates": self._rates,
                "streams": self._streams,
                "memory": self._memory,
                "processes": self._processes,
            }.get(part)
            if measure is not None:
                say(f"  {name}: {part}")
                try:
                    found |= measure(peer)
                except (Broken, ConnectionError) as error:
                    self.failed[name] = f"{part}: {error}"
        return found

    def _rates(self, peer: Peer | None) -> dict[str, float]:
        with started(peer, self._folder, streaming=False) as (port, _, gateway):
            asked = _requests(peer, port, stream=False)
            found = rates(self._folder, port, gateway, asked, self._options.connections, self._options.seconds)
            found |= uvloop.run(open_loop(port, asked, self._options.seconds))
            found |= {f"c{count}_p99_ms": found[f"c{count}_p99_us"] / 1000 for count in self._options.connections}
            return found | ({"ready_s": gateway.ready_s} if gateway else {})

    def _streams(self, peer: Peer | None) -> dict[str, float]:
        found: dict[str, float] = {}
        with started(peer, self._folder, streaming=True) as (port, engine_port, gateway):
            asked = _requests(peer, port, stream=True)
            warm = Plan("warm", 16, 1, 0)
            for plan in (warm, *self._options.plans):
                found |= uvloop.run(streams(plan, port, engine_port, gateway, asked))
                found[f"{plan.key}_complete_percent"] = 100 * found[f"{plan.key}_complete"]
        return {key: value for key, value in found.items() if not key.startswith("warm_")}

    def _memory(self, peer: Peer | None) -> dict[str, float]:
        with started(peer, self._folder, streaming=False) as (port, _, gateway):
            if gateway is None:
                return {}
            time.sleep(2)
            asked = _requests(peer, port, stream=False)
            count, limit_s = self._options.memory_requests, self._options.memory_limit_s
            return uvloop.run(memory(port, gateway, asked, count, limit_s))

    def _processes(self, peer: Peer | None) -> dict[str, float]:
        """One process, then two that share config and ledger; the second shares its core with the load and the engine."""
        with started(peer, self._folder, streaming=False) as (port, engine_port, one):
            if peer is None or one is None:
                return {}
            alone = self._together(peer, [port])
            other = peer.start(one.log.parent, engine_port, LOAD_CORE)
            try:
                return {"two_processes": self._together(peer, [port, other.port]) / alone}
            finally:
                other.stop()

    def _together(self, peer: Peer, ports: list[int]) -> float:
        """Requests a second, all ports being asked at once."""

        def ask(port: int) -> float:
            asked = _requests(peer, port, stream=False)
            return wrk(self._folder, port, asked, 64, self._options.seconds)["rps"]

        with ThreadPoolExecutor() as callers:
            list(callers.map(ask, ports))  # warm
            return sum(callers.map(ask, ports))


@contextmanager
def started(peer: Peer | None, folder: Path, *, streaming: bool) -> Iterator[tuple[int, int, Program | None]]:
    """An engine and a gateway in front of it: the port to ask, the engine's, and the gateway."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        engine = start_streaming_engine(Path(place)) if streaming else start_nginx_engine(Path(place))
        gateway = None
        try:
            gateway = peer.start(Path(place), engine.port) if peer else None
            yield gateway.port if gateway else engine.port, engine.port, gateway
        finally:
            for program in (gateway, engine):
                if program is not None:
                    program.stop()


def _requests(peer: Peer | None, port: int, *, stream: bool) -> list[Request]:
    path, model, headers = (peer.path, peer.model, peer.headers) if peer else (PLAIN, "bench-0", "")
    return made_requests(f"127.0.0.1:{port}", path, model, headers, stream=stream)


def starts() -> dict[str, float]:
    """What Waypost costs before and beside serving: its import, a cold `waypost route`, and decisions alone."""
    say("  waypost: starts and decisions")
    footprint = json.loads(_waypost_says([str(ROOT / "benchmarks" / "footprint.py"), "--runs", "7", "--json"]))
    found = {"import_s": footprint["import_s"]["median"]}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "waypost.yaml")
        config.write_text('model_list: [{model_name: m, litellm_params: {model: openai/m, api_base: "http://127.0.0.1:9/v1"}}]')
        times = []
        for _ in range(6):
            began = time.perf_counter()
            _waypost_says(["-m", "waypost", "route", "-c", str(config), "What did I tell you about my sister?"])
            times.append(time.perf_counter() - began)
    found["route_s"] = statistics.median(times[1:])
    for tokens, repeat in ((100, 2000), (8000, 300)):
        command = ["-m", "waypost", "bench", "decide", "--tokens", str(tokens), "--repeat", str(repeat), "--json"]
        decided = json.loads(_waypost_says(command))
        found |= {f"decide_{tokens}_{key}": decided[key] for key in ("p50_us", "p99_us")}
    return found


def _waypost_says(arguments: list[str]) -> str:
    return printed([*pinned(GATEWAY_CORE), sys.executable, *arguments], _PYTHON_PATH)


def machine() -> dict[str, Any]:
    """Where and when this is measured."""
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "engine": f"nginx {nginx_version()}",
        "load": f"wrk {wrk_version()}",
    }


def read_options(arguments: list[str] | None = None) -> tuple[Options, argparse.Namespace]:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (DIRECT, *(peer.name for peer in PEERS))
    parser.add_argument("--quick", action="store_true", help="one short run of Waypost, direct and the floor")
    parser.add_argument("--only", default="", help=f"some of {','.join(names)}; direct is always measured")
    for part in PARTS:
        parser.add_argument(
            f"--{part}", action="append_const", dest="parts", const=part, help=f"measure {part}; none means all"
        )
    parser.add_argument("--repeats", type=int, help="runs, of which the median counts; 3, or 1 with --quick")
    parser.add_argument("--seconds", type=float, help="of each rate; 5, or 2 with --quick")
    parser.add_argument("--memory-requests", type=int, default=100_000, help="how many the memory test sends")
    parser.add_argument("--memory-limit", type=float, default=300, help="seconds after which it stops all the same")
    parser.add_argument("--json", type=Path, help="write everything that was measured into this file")
    given = parser.parse_args(arguments)
    only = tuple(filter(None, given.only.split(",")))
    if unknown := set(only) - set(names):
        parser.error(f"--only knows {', '.join(names)}, and not {', '.join(sorted(unknown))}")
    quick = given.quick
    chosen = only or (QUICK if quick else names)
    return Options(
        parts=tuple(given.parts or (("rates", "streams") if quick else PARTS)),
        names=(DIRECT, *(name for name in names if name in chosen and name != DIRECT)),
        repeats=given.repeats or (1 if quick else 3),
        seconds=given.seconds or (2 if quick else 5),
        connections=(1, 64) if quick else CONNECTIONS,
        plans=(replace(PACED, rounds=1), BURST) if quick else (PACED, BURST, MANY),
        memory_requests=given.memory_requests,
        memory_limit_s=given.memory_limit,
    ), given


def say(line: str) -> None:
    """Tells how far it is."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measures, and prints Markdown. Exit code 1: a gateway that is there could not be measured."""
    options, given = read_options()
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise SystemExit("it needs wrk and nginx: apt-get install wrk nginx-light")
    where = machine()
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    chosen = [peer for peer in PEERS if peer.name in options.names]
    missing = {peer.title: how for peer in chosen if (how := peer.missing())}
    there = [peer for peer in chosen if not peer.missing()]
    versions = {peer.name: peer.version() for peer in there}
    runs: dict[str, list[dict[str, float]]] = {DIRECT: [], **{peer.name: [] for peer in there}}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for repeat in range(options.repeats):
            say(f"run {repeat + 1} of {options.repeats}")
            for peer in (None, *there):
                runs[peer.name if peer else DIRECT].append(bench.run(peer, first=repeat == 0))
    own = starts() if "starts" in options.parts and "waypost" in versions else {}
    titles = {DIRECT: "direct, no gateway", **{peer.name: f"{peer.title} {versions[peer.name]}" for peer in there}}
    print(_page(where, options, tables(Measured(runs, titles, own)), missing, bench.failed))
    if given.json:
        found = {"machine": where, "versions": versions, "runs": runs, "own": own, "missing": missing, "failed": bench.failed}
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if bench.failed else 0


def _page(where: dict[str, Any], options: Options, body: str, missing: dict[str, str], failed: dict[str, str]) -> str:
    machine_is = f"{where['cores']} cores ({where['cpu']}), {where['system']}, Python {where['python']}"
    how = f"load average before {where['load_before']}; medians of {options.repeats}, {options.seconds:g} s each"
    lines = [f"{where['date']}, {machine_is}; engine {where['engine']}, load {where['load']}; {how}."]
    if where["load_before"] > 0.5:
        lines.append("**The machine was busy: these numbers are noise.**")
    lines.append(body)
    lines += [f"{title} is not installed: {how}" for title, how in missing.items()]
    lines += [f"{name} could not be measured: {why}" for name, why in failed.items()]
    return "\n\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
