"""A simulation: conversations come, `decide` says who is asked, engines load and answer."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from waypost.decide.decision import Artefacts, decide
from waypost.decide.eviction import Weights
from waypost.decide.explanation import Explanation
from waypost.decide.keep_alive import KEEP_ALIVE
from waypost.decide.policy import Policy
from waypost.decide.task import TaskScores
from waypost.decide.waiting import fresh_tokens
from waypost.fleet.view import Capabilities, Deployment, FleetView, Residency, Status
from waypost.simulate.engine import Engine, Job
from waypost.simulate.scenario import GB, Scenario
from waypost.simulate.traffic import Session
from waypost.turn import EMPTY, Turn

# As many as the fleet remembers of a conversation.
_ANSWERED_LAST = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: the seconds from its arrival to its first token, and how good the model is at it.

    A request that nobody may answer has no ``model`` and no quality. ``swapped``: something was thrown out of memory for it.
    """

    route: str
    model: str | None
    arrived_s: float
    first_s: float | None = None
    quality: float = 0.0
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """All answers in the order in which they were asked for, and what the engines had to do for them."""

    answers: tuple[Answer, ...]
    loads: int
    loading_s: float


class _NamedRoute:
    """Turns of a simulation name their route: there is no task to be found."""

    version = "simulated"

    def predict(self, turn: Turn) -> TaskScores:
        """No task."""
        del turn
        return TaskScores(EMPTY, None)

    def explain(self, turn: Turn) -> Explanation:
        """No words that did anything."""
        return Explanation(turn.model, None, ())


class World:
    """One scenario under one policy. Its clock is that of its events, and nothing else moves it."""

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self._scenario = scenario
        self._policy = policy
        self._artefacts = Artefacts(_NamedRoute())
        self._deployments = tuple(_deployment(name, scenario) for name in scenario.models)
        self._engines = {name: _engine(name, scenario) for name in scenario.engines}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = count()
        self._in_flight: Counter[str] = Counter()
        self._last: dict[str | None, tuple[str, ...]] = {}
        self._answers: list[Answer] = []

    def run(self, sessions: Sequence[Session]) -> Outcome:
        """What becomes of these conversations: the next turn of each comes a while after the answer to the one before."""
        for session in sessions:
            self._at(session.starts_s, partial(self._ask, session, 0))
        while self._events:
            now, _, happens = heapq.heappop(self._events)
            happens(now)
        engines = self._engines.values()
        answers = tuple(sorted(self._answers, key=lambda answer: answer.arrived_s))
        return Outcome(answers, sum(engine.loads for engine in engines), sum(engine.loading_s for engine in engines))

    def view(self, now: float, session: str | None = None) -> FleetView:
        """The fleet as the router would see it."""
        memories = {name: engine.memory(now) for name, engine in self._engines.items()}
        statuses = {}
        for deployment in self._deployments:
            model = self._scenario.models[deployment.id]
            weights = model.weights or deployment.id
            resident = weights in memories[model.engine].resident
            residency = Residency(
                engine=model.engine,
                weights=weights,
                size_bytes=round(model.size_gb * GB),
                load_s=self._scenario.load_s(deployment.id),
                prompt_tokens_per_s=model.prompt_tokens_per_s,
                answer_tokens_per_s=model.answer_tokens_per_s,
                demand=self._engines[model.engine].demand(weights),
            )
            statuses[deployment.id] = Status(
                up=True, loaded=resident, in_flight=self._in_flight[deployment.id], residency=residency
            )
        return FleetView(self._deployments, statuses, self._last.get(session, ()), memories)

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), happens))

    def _ask(self, session: Session, number: int, now: float) -> None:
        turn = session.turns[number]
        made = decide(turn, self.view(now, session.id), self._policy, self._artefacts)
        if not made.candidates:
            self._answers.append(Answer(turn.model, None, now))
            self._next(session, number, now)
            return
        first = made.candidates[0]
        chosen = first.deployment
        model = self._scenario.models[chosen]
        engine = self._engines[model.engine]
        self._in_flight[chosen] += 1
        then, kept_s = partial(self._next, session, number), first.settings.get(KEEP_ALIVE)
        engine.take(Job(turn, chosen, model.weights or chosen, now, then, kept_s))
        if engine.running is None:
            self._start(engine, now)

    def _next(self, session: Session, number: int, now: float) -> None:
        if number + 1 < len(session.turns):
            self._at(now + session.pauses_s[number + 1], partial(self._ask, session, number + 1))

    def _start(self, engine: Engine, now: float) -> None:
        job, load_s, swapped = engine.start(now)
        model = self._scenario.models[job.deployment]
        turn = job.turn
        fresh = fresh_tokens(turn) if engine.has_read(job) else turn.prompt_tokens
        first = now + load_s + fresh / model.prompt_tokens_per_s
        quality = model.quality[turn.model]
        self._answers.append(Answer(turn.model, job.deployment, job.arrived_s, first - job.arrived_s, quality, swapped))
        if load_s:
            self._at(now + load_s, lambda _: engine.loaded())
        self._at(first + (turn.answer_tokens or 0) / model.answer_tokens_per_s, partial(self._end, engine))

    def _end(self, engine: Engine, now: float) -> None:
        job = engine.end(now)
        self._in_flight[job.deployment] -= 1
        before = [name for name in self._last.get(job.turn.session, ()) if name != job.deployment]
        self._last[job.turn.session] = (job.deployment, *before[: _ANSWERED_LAST - 1])
        job.then(now)
        if engine.queue:
            self._start(engine, now)


def _deployment(name: str, scenario: Scenario) -> Deployment:
    model = scenario.models[name]
    able = Capabilities(vision=model.sees)
    stated = model.quality if scenario.quality_known else {}
    # As an Ollama's, so that `decide` says how long it is to be kept.
    return Deployment(name, name, "simulated", name, "ollama", local=True, capabilities=able, quality=stated)


def _engine(name: str, scenario: Scenario) -> Engine:
    block = scenario.engines[name]
    held = {
        (name, model.weights or one): Weights(one, round(model.size_gb * GB), scenario.load_s(one), 0.0, 0)
        for one, model in scenario.models.items()
        if model.engine == name
    }
    capacity = None if block.capacity_gb is None else round(block.capacity_gb * GB)
    # Without any bound, all of them fit.
    most = len(held) if block.max_models is None and capacity is None else block.max_models
    return Engine(name, capacity, most, block.keep_alive_s, held)
