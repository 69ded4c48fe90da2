"""An engine that loads and unloads models as Ollama does, on a clock that is told to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from waypost.decide.eviction import Weights, evicted
from waypost.fleet.view import Memory
from waypost.turn import Turn

# How many of the latest requests say what is in demand.
_LATEST = 50


@dataclass(frozen=True, slots=True)
class Job:
    """A turn that was sent to a deployment of an engine, and what happens ``then``, when it is answered.

    ``kept_s`` is how long the request says that the model is to be kept; ``None``: it says nothing.
    """

    turn: Turn
    deployment: str
    weights: str
    arrived_s: float
    then: Callable[[float], None]
    kept_s: float | None = None


class Engine:
    """Answers one request at a time, in the order in which they come, and unloads what was not used for as long as it is kept.

    That is for ``keep_alive_s``, unless the request said another time. To load something, it throws others out by
    `decide.eviction.evicted`, what is kept for the shortest time first, and else in the order of their names, as Ollama goes by
    the path of their files then.
    """

    def __init__(
        self,
        name: str,
        capacity_bytes: int | None,
        max_models: int | None,
        keep_alive_s: float,
        weights: Mapping[tuple[str, str], Weights],
    ) -> None:
        self._name = name
        self._capacity_bytes = capacity_bytes
        self._max_models = max_models
        self._keep_alive_s = keep_alive_s
        self._weights = weights
        self._used_s: dict[str, float] = {}
        self._kept_s: dict[str, float] = {}
        self._read: dict[str, str | None] = {}
        self._wanted: deque[str] = deque(maxlen=_LATEST)
        self._loading: str | None = None
        self.queue: deque[Job] = deque()
        self.running: Job | None = None
        self.loads = 0
        self.loading_s = 0.0

    def memory(self, now: float) -> Memory:
        """What is in memory now."""
        busy = self.running.weights if self.running else None
        for name in [one for one, used_s in self._used_s.items() if one != busy and used_s + self._kept_s[one] <= now]:
            self._unload(name)
        there = tuple(
            sorted((name for name in self._used_s if name != self._loading), key=lambda name: (self._kept_s[name], name))
        )
        return Memory(there, self._capacity_bytes, self._max_models, self._loading)

    def demand(self, weights: str) -> float:
        """The share of the latest requests that wanted these weights."""
        return self._wanted.count(weights) / len(self._wanted) if self._wanted else 0.0

    def has_read(self, job: Job) -> bool:
        """The prompt that these weights read last was one of this conversation."""
        return self._read.get(job.weights) == job.turn.session

    def take(self, job: Job) -> None:
        """A request comes in."""
        self._wanted.append(job.weights)
        self.queue.append(job)

    def start(self, now: float) -> tuple[Job, float, bool]:
        """Begins with the next request: with the seconds of its load, and whether something is thrown out for it."""
        memory = self.memory(now)
        job = self.running = self.queue.popleft()
        self._kept_s[job.weights] = self._kept_s.get(job.weights, self._keep_alive_s) if job.kept_s is None else job.kept_s
        if job.weights in memory.resident:
            return job, 0.0, False
        gone = evicted(memory, self._name, job.weights, self._weights) or ()
        for name in gone:
            self._unload(name)
        load_s = self._weights[self._name, job.weights].load_s or 0.0
        self._loading = job.weights
        self._used_s[job.weights] = now
        self.loads += 1
        self.loading_s += load_s
        return job, load_s, bool(gone)

    def loaded(self) -> None:
        """The load is done."""
        self._loading = None

    def end(self, now: float) -> Job:
        """The answer is out."""
        job, self.running = self.running, None
        if job is None:
            raise RuntimeError("no request is running")
        self._used_s[job.weights] = now
        self._read[job.weights] = job.turn.session
        return job

    def _unload(self, name: str) -> None:
        del self._used_s[name], self._kept_s[name]
        self._read.pop(name, None)
