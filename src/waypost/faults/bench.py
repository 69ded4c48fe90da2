"""Runs the cases against a gateway whose upstreams are faultd."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from waypost.errors import StartError
from waypost.faults.cases import CASES, READY, Case
from waypost.faults.client import Client, Seen
from waypost.faults.exchange import TEXT
from waypost.faults.faultd import Faultd
from waypost.faults.judging import Evidence, outcome
from waypost.http.session import HttpSession

REQUEST_BOUND_S = 15.0
CASE_BOUND_S = 30.0
RUN_BOUND_S = 90.0
# The least time for the cases of many requests, which come first: gateways count retries over some ten seconds, and what a
# burst has used up must not be missing in another case.
HEAVY_S = 15.0
READY_BOUND_S = 25.0
READY_PAUSE_S = 0.5
# Enough that waiting cases do not add up, few enough that a gateway on one core is not the bottleneck.
AT_ONCE = 6
# How long an upstream may take to notice that its client is gone; what comes later has failed the case anyway.
_SETTLE_S = 1.2

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "not applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one case. ``reason`` says why it is no pass; ``None`` for one."""

    row: int
    fault: str
    mode: str
    expected: str
    seen: str
    verdict: str
    reason: str | None
    model: str


async def run(
    url: str,
    *,
    key: str | None,
    prefix: str,
    faultd_port: int,
    cases: Sequence[Case] = CASES,
) -> list[Finding]:
    """The findings, in the order of the cases.

    Starts faultd on ``faultd_port``. Raises `StartError` when the port is in use, or when no gateway answers at ``url``.
    """
    elsewhere = Faultd()
    await elsewhere.start()
    models = [name for case in (READY, *cases) for name in (case.upstream_model, case.healthy_model)]
    faultd = Faultd(redirect_to=f"{elsewhere.base_url}/chat/completions", models=models)
    try:
        await _listen(faultd, faultd_port)
        async with HttpSession() as session:
            client = Client(session, url, key, bound_s=REQUEST_BOUND_S)
            await _ready(client, prefix)
            bench = _Bench(client, faultd, elsewhere, prefix)
            return await bench.run(cases)
    finally:
        await faultd.stop()
        await elsewhere.stop()


class _Bench:
    def __init__(self, client: Client, faultd: Faultd, elsewhere: Faultd, prefix: str) -> None:
        self._client = client
        self._faultd = faultd
        self._elsewhere = elsewhere
        self._prefix = prefix
        self._free = asyncio.Semaphore(AT_ONCE)

    async def run(self, cases: Sequence[Case]) -> list[Finding]:
        async def one(case: Case) -> None:
            async with self._free:
                found[case.key] = await self._find(case, end)

        found: dict[str, Finding] = {}
        clock = asyncio.get_running_loop().time
        begun = clock()
        end = begun + RUN_BOUND_S
        heavy = [case for case in cases if case.heavy]
        for case in heavy:
            await one(case)
        if heavy:
            await asyncio.sleep(begun + HEAVY_S - clock())
        await asyncio.gather(*(one(case) for case in cases if not case.heavy))
        return [found[case.key] for case in cases]

    async def _find(self, case: Case, end: float) -> Finding:
        left_s = end - asyncio.get_running_loop().time()
        bound_s = max(0.0, min(CASE_BOUND_S, left_s))
        try:
            seen = await asyncio.wait_for(case.send(self._client, self._prefix + case.key, case.stream), bound_s)
        except asyncio.TimeoutError:
            if bound_s < CASE_BOUND_S:
                return self._finding(case, "no end in time", NOT_APPLICABLE, "the time of the whole run was over")
            return self._finding(case, "no end in time", FAIL, f"took longer than {CASE_BOUND_S:.0f} s")
        if any(one.left for one in seen):
            await asyncio.sleep(_SETTLE_S)
        evidence = self._evidence(case, seen)
        told = summary(evidence)
        if not evidence.asked:
            return self._finding(case, told, NOT_APPLICABLE, "the gateway asked no upstream")
        reason = case.judge(evidence)
        return self._finding(case, told, PASS if reason is None else FAIL, reason)

    def _evidence(self, case: Case, seen: list[Seen]) -> Evidence:
        hits, healthy = self._faultd.of(case.upstream_model), self._faultd.of(case.healthy_model)
        if case.healthy_model == case.upstream_model:
            healthy = []
        return Evidence(tuple(seen), tuple(hits), tuple(healthy), self._elsewhere.count(case.upstream_model))

    def _finding(self, case: Case, seen: str, verdict: str, reason: str | None) -> Finding:
        return Finding(case.row, case.fault, case.mode, case.expected, seen, verdict, reason, self._prefix + case.key)


def summary(evidence: Evidence) -> str:
    """What the client and the upstreams saw, in a few words."""
    last = evidence.last
    many = f"{len(evidence.seen)} requests, the last: " if len(evidence.seen) > 1 else ""
    upstream = f"upstream {len(evidence.hits)}"
    healthy = f", healthy {len(evidence.healthy)}" if evidence.healthy else ""
    return f"{many}{outcome(last)} after {last.took_s:.1f} s; {upstream}{healthy}"


async def _listen(faultd: Faultd, port: int) -> None:
    try:
        await faultd.start(port)
    except OSError as error:
        message = f"port {port} is in use: end what listens there, or choose another with --faultd-port, for the gateway too"
        raise StartError(message) from error


async def _ready(client: Client, prefix: str) -> None:
    """Returns when the gateway answers: it may have started before faultd, and looks again when it likes."""
    end = time.monotonic() + READY_BOUND_S
    while (seen := await client.ask(prefix + READY.key, stream=True)).text != TEXT:
        if time.monotonic() > end or seen.status is None:
            raise StartError(
                f"no answer from {prefix + READY.key} at --url ({outcome(seen)}): start the gateway with the config that "
                "--print-config prints, and give its address with /v1"
            )
        await asyncio.sleep(READY_PAUSE_S)
