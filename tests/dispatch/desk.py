"""A fleet of faults, a watch that counts, and a desk that makes one request through dispatch."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from waypost.decide.card import Candidate, Decision
from waypost.decide.policy import Verify
from waypost.decide.task import TaskScores
from waypost.dialects.openai_tools import read_tool_choice, read_tools
from waypost.dispatch.attempt import Attempt
from waypost.dispatch.attempt_log import AttemptLog
from waypost.dispatch.dispatcher import Answer, Dispatcher
from waypost.dispatch.events import Event, Lane
from waypost.dispatch.hedge import HedgeAfter
from waypost.dispatch.lanes.litellm import LiteLlmLane
from waypost.dispatch.lanes.ollama import OllamaLane
from waypost.dispatch.lanes.openai import OpenAiLane
from waypost.dispatch.lanes.simulated import SimulatedLane
from waypost.errors import ProviderError, WaypostError
from waypost.faults.faultd import Faultd
from waypost.fleet.deployment import Deployment, Price, Timeouts
from waypost.fleet.slots import Admission
from waypost.fleet.state import Fleet
from waypost.fleet.timings import Timings
from waypost.fleet.view import FleetView
from waypost.secret import Secret
from waypost.turn import Message, Text, Turn

KEY = "sk-waypost-test-key-1234"
# LiteLLM uses what pydantic deprecates, in every call.
LITELLM_WARNS = pytest.mark.filterwarnings("ignore")
# What a test waits out; any other engine has all the time that a busy machine takes.
SILENT = ("never-headers", "slow-headers", "stall-")
QUICK = Timeouts(connect_s=1.0, first_byte_s=0.3, idle_s=0.3, total_s=5.0)


class CountingWatch:
    """Counts what dispatch reports about each deployment."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.successes: Counter[str] = Counter()
        self.usual_s: dict[tuple[str, bool], float] = {}
        self.answers: list[tuple[str, float | None, bool, str | None]] = []
        self.failures: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.timings: list[tuple[str, Timings]] = []

    def begin(self, deployment_id: str, *, anyway: bool = False) -> Admission:
        self.begun[deployment_id] += 1
        self.in_flight[deployment_id] += 1
        return Admission(deployment_id, begun=True, failing=deployment_id in self.failing)

    async def slot(self, deployment_ids: Collection[str], wait_s: float) -> Admission:
        raise AssertionError("nobody is ever full here")

    def wake(self, deployment_id: str) -> None:
        return None

    def answers(self, deployment_id: str) -> None:
        raise AssertionError("nobody is ever probed here")

    def end(self, deployment_id: str, *, probe: bool = False, worked: bool = False) -> None:
        self.in_flight[deployment_id] -= 1
        assert self.in_flight[deployment_id] >= 0
        if worked:
            self.successes[deployment_id] += 1
            self.failing.discard(deployment_id)

    def answered(
        self, deployment_id: str, latency_s: float | None, *, stream: bool, session: str | None, background: bool = False
    ) -> None:
        self.answers.append((deployment_id, latency_s, stream, session))

    def p95_s(self, deployment_id: str, *, stream: bool) -> float | None:
        return self.usual_s.get((deployment_id, stream))

    def outrun(self, deployment_id: str, latency_s: float, *, stream: bool) -> None:
        self.answers.append((deployment_id, latency_s, stream, None))

    def timed(self, deployment_id: str, timings: Timings) -> None:
        self.timings.append((deployment_id, timings))

    def failed(self, deployment_id: str, error: ProviderError, *, key: int | None = None) -> None:
        self.failures.append((deployment_id, error.code))
        self.failing.add(deployment_id)


@dataclass
class Seen:
    """What a caller saw of one request."""

    events: list[Event] = field(default_factory=list)
    error: WaypostError | None = None
    deployment: str | None = None

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(event.payload) for event in self.events]

    @property
    def calls(self) -> list[tuple[Any, Any, str, str]]:
        """Index, id, name and arguments of each tool call, joined by index as clients do."""
        joined: dict[Any, list[Any]] = {}
        for chunk in self.chunks:
            for choice in chunk["choices"]:
                for at, call in enumerate((choice.get("delta") or choice.get("message") or {}).get("tool_calls") or ()):
                    made = joined.setdefault(call.get("index", at), [None, "", ""])
                    made[0] = made[0] or call.get("id")
                    made[1] += call["function"].get("name") or ""
                    made[2] += call["function"].get("arguments") or ""
        return [(index, *made) for index, made in joined.items()]

    @property
    def finish_reason(self) -> str | None:
        return next((event.finish_reason for event in reversed(self.events) if event.finish_reason), None)

    @property
    def text(self) -> str:
        return "".join(
            (choice.get("delta") or choice.get("message") or {}).get("content") or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
        )


class Desk:
    """Makes requests through a real dispatcher with real lanes, and keeps what came of them."""

    def __init__(self, faultd: Faultd) -> None:
        self.faultd = faultd
        self.watch = CountingWatch()
        self.log = AttemptLog()
        self.pauses: list[float] = []
        self.now = 0.0
        self.hedge: HedgeAfter | None = None
        self.verify: Verify = "off"
        self.lanes: dict[str, Lane] = {
            "openai": OpenAiLane(),
            "ollama": OllamaLane(),
            "litellm": LiteLlmLane(),
            "simulated": SimulatedLane(),
        }
        self.dispatcher = Dispatcher(self.lanes, self.watch, sleep=self._pause, rng=random.Random(1).random)

    def live(self, *deployments: Deployment, **options: Any) -> Fleet:
        """Puts a real fleet behind the dispatcher; time passes only in the pauses before retries, and when told to."""
        fleet = Fleet(deployments, clock=lambda: self.now, rng=lambda: 0.0)
        more = {"sleep": self._pause, "rng": random.Random(1).random, "clock": lambda: self.now, **options}
        self.dispatcher = Dispatcher(self.lanes, fleet, **more)
        return fleet

    async def ask_live(self, fleet: Fleet, *, stream: bool = True, **body: Any) -> Seen:
        """One request to all deployments of a live fleet, in their order, whatever their health: what a stale decision does."""
        return await self.ask(*fleet.view().deployments, stream=stream, view=fleet.view(), **body)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def deployment(self, fault: str, **changes: Any) -> Deployment:
        """A deployment of faultd that fails with ``fault``; its id is the same word."""
        made = Deployment(
            id=fault,
            group="group",
            provider="hosted_vllm",
            model=fault,
            lane="openai",
            local=True,
            api_base=self.faultd.base_url,
            api_key=Secret(KEY),
            price=Price(input_usd=1e-6, output_usd=1e-5),
            timeouts=QUICK if fault.startswith(SILENT) else Timeouts(),
        )
        if changes.get("lane") == "ollama":
            made = replace(made, provider="ollama_chat", api_base=self.faultd.root_url)
        return replace(made, **changes)

    async def open(
        self, *deployments: Deployment | str, stream: bool = True, view: FleetView | None = None, **body: Any
    ) -> Answer:
        fleet = view or FleetView(tuple(d if isinstance(d, Deployment) else self.deployment(d) for d in deployments))
        self.log = AttemptLog()
        asked, decided = turn(stream=stream, **body), replace(decision(fleet), verify=self.verify)
        return await self.dispatcher.open(asked, decided, fleet, started=0.0, log=self.log, hedge=self.hedge)

    async def ask(
        self, *deployments: Deployment | str, stream: bool = True, view: FleetView | None = None, **body: Any
    ) -> Seen:
        """Reads one answer to its end, whatever it is, and has it judged."""
        seen = Seen()
        try:
            answer = await self.open(*deployments, stream=stream, view=view, **body)
            seen.deployment = answer.deployment.id
            async with aclosing(answer.events()) as events:
                async for event in events:
                    seen.events.append(event)
            self.log.judge()
        except WaypostError as error:
            seen.error = error
        return seen

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return self.log.attempts

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Deployment and error code of every attempt."""
        return [(attempt.deployment, attempt.error) for attempt in self.attempts]

    def assert_idle(self) -> None:
        """Every attempt that began has ended."""
        assert not +self.watch.in_flight


def turn(*, stream: bool = True, **body: Any) -> Turn:
    messages = [{"role": "user", "content": "hi"}]
    full: Mapping[str, Any] = {"model": "auto", "messages": messages, **body}
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    said = (Message("user", (Text("hi"),)),)
    tools = read_tools(full)
    choice = read_tool_choice(full, tools) if tools else None
    return Turn("turn-1", "auto", said, full, tools, choice, stream=stream, prompt_tokens=7, answer_tokens=cap)


def candidate(deployment: Deployment, **settings: Any) -> Candidate:
    return Candidate(deployment.id, deployment.group, deployment.provider, deployment.model, "in order", settings)


def decision(fleet: FleetView) -> Decision:
    return Decision(
        id="decision-1",
        requested="auto",
        route="chat",
        reason="test",
        task=TaskScores({}, None),
        candidates=tuple(candidate(deployment) for deployment in fleet),
        removed=(),
        prompt_tokens=7,
        answer_tokens=16,
        policy_version="p",
        artefact_version="a",
    )
