"""What is in the memory of all engines, by the deployments that answer from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Protocol

from waypost.fleet.deployment import Deployment
from waypost.fleet.memory import EngineMemory
from waypost.fleet.places import Place, place_of, reported
from waypost.fleet.report import EngineReport, Occupancy
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.timings import Timings
from waypost.turn import EMPTY

_GIB = 1 << 30


class StatedEngine(Protocol):
    """What a config says of an engine, because the engine itself does not."""

    @property
    def url(self) -> str:
        """With or without ``/v1``."""
        ...

    @property
    def memory_gib(self) -> float | None:
        """The memory for models."""
        ...

    @property
    def max_models(self) -> int | None:
        """How many models it holds at once."""
        ...

    @property
    def wake(self) -> bool:
        """A vLLM that may sleep, and may be woken."""
        ...


class Loads:
    """The memories of a fleet's engines. What changes something returns the deployments whose `residency` may differ now.

    A deployment is known from the first look at its engine that is answered; before that, and for those whose engine is not
    looked at, everything does nothing. It is not safe for threads: its owner holds a lock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._engines: dict[str, EngineMemory] = {}
        self._of: dict[str, EngineMemory] = {}
        self._deployments: Mapping[str, Deployment] = EMPTY
        self._stated: dict[str, StatedEngine] = {}
        self._memories: Mapping[str, Memory] = EMPTY

    def replace(self, deployments: Mapping[str, Deployment], stay: Collection[str], stated: Iterable[StatedEngine]) -> None:
        """Other deployments are in place. Of those that ``stay`` everything is remembered, and nothing of engines that left."""
        self._stated = {Place(engine.url).engine: engine for engine in stated}
        self._deployments = deployments
        for name in self._of.keys() - stay:
            self._of.pop(name).leave(name)
        here = {place.engine for place in map(place_of, deployments.values()) if place is not None}
        self._engines = {address: engine for address, engine in self._engines.items() if address in here}
        for address, engine in self._engines.items():
            self._state(address, engine)

    def seen(self, place: Place, ids: Iterable[str], report: EngineReport, occupancy: Occupancy | None) -> Collection[str]:
        """A look at the engine of some deployments was answered."""
        engine = self._engines.get(place.engine)
        changed: set[str] = set()
        if engine is None or engine.kind != report.kind:
            changed.update(engine.members if engine else ())
            for name in changed:
                del self._of[name]
            engine = self._engines[place.engine] = EngineMemory(self._name(report.kind), report.kind, self._clock())
            self._state(place.engine, engine)
        found = {name: reported(report, one) for name in ids if not (one := self._deployments[name]).is_pattern}
        members = {name: model for name, model in found.items() if model is None or not model.remote}
        windows = {name: self._deployments[name].window_tokens for name in members}
        engine.describe(report, [(name, self._deployments[name].model, model) for name, model in members.items()], windows)
        self._of.update(dict.fromkeys(members, engine))
        return changed.union(engine.occupy(occupancy, report.models, self._clock()))

    def watched(self, place: Place, occupancy: Occupancy) -> Collection[str]:
        """The engine said what it has in memory, between two looks."""
        engine = self._engines.get(place.engine)
        return () if engine is None else engine.occupy(occupancy, None, self._clock())

    def active(self, place: Place) -> bool:
        """Calls are under way at the engine, or were since it said what it has in memory."""
        engine = self._engines.get(place.engine)
        return engine is not None and engine.active

    def busy(self, place: Place) -> bool:
        """Calls are under way at the engine."""
        engine = self._engines.get(place.engine)
        return engine is not None and engine.busy

    def listed(self, place: Place) -> tuple[str, ...]:
        """The models that the engine listed when it was looked at last."""
        engine = self._engines.get(place.engine)
        return () if engine is None else engine.listed

    def wakes(self, place: Place) -> bool:
        """The config says that the engine may be woken."""
        stated = self._stated.get(place.engine)
        return stated is not None and stated.wake

    def engine(self, deployment_id: str) -> EngineMemory | None:
        """The memory of its engine, as far as that is looked at."""
        return self._of.get(deployment_id)

    def loading_since(self, deployment_ids: Iterable[str], since: float) -> bool:
        """An engine of these loads a model, or did since then."""
        engines = (self._of[name] for name in deployment_ids if name in self._of)
        return any(engine.coming or engine.loaded_at > since for engine in engines)

    def gone(self, deployment_id: str) -> Collection[str]:
        """Its engine does not answer any more."""
        engine = self._of.get(deployment_id)
        return () if engine is None else engine.gone()

    def idle(self, deployment_id: str) -> Collection[str]:
        """Its last call is over."""
        engine = self._of.get(deployment_id)
        return () if engine is None else engine.idle(deployment_id)

    def answers(self, deployment_id: str, *, first_output: bool, counts: bool) -> Collection[str]:
        """A call gives its answer; ``first_output``: just now, as it is streamed. ``counts``: it shows what is in demand."""
        engine = self._of.get(deployment_id)
        if engine is None:
            return ()
        learns = first_output and self._deployments[deployment_id].lane != "ollama"  # whose answers say it themselves
        return engine.answers(deployment_id, self._clock(), learns=learns, counts=counts)

    def asleep(self, deployment_id: str) -> bool:
        """Its engine sleeps, and may be woken."""
        engine = self._of.get(deployment_id)
        return engine is not None and engine.asleep

    def woken(self, deployment_id: str, took_s: float) -> Collection[str]:
        """Its engine was woken, which took so long."""
        engine = self._of.get(deployment_id)
        return () if engine is None else engine.woken(took_s, self._clock())

    def timed(self, deployment_id: str, timings: Timings) -> Collection[str]:
        """An answer is complete, and this is the work that it was."""
        engine = self._of.get(deployment_id)
        return () if engine is None else engine.timed(deployment_id, timings, self._clock())

    def refused(self, deployment_id: str) -> Collection[str]:
        """Its engine could not load it."""
        engine = self._of.get(deployment_id)
        return () if engine is None else engine.refused(deployment_id, self._clock())

    def loaded(self, deployment_id: str) -> bool | None:
        """Whether its model is in memory."""
        engine = self._of.get(deployment_id)
        return None if engine is None else engine.loaded(deployment_id)

    def residency(self, deployment_id: str) -> tuple[Residency | None, float]:
        """How its model stands in the memory of its engine, and until when that stays true by itself."""
        engine, now = self._of.get(deployment_id), self._clock()
        if engine is None:
            return None, math.inf
        until = engine.misfit_until(deployment_id)
        window = self._deployments[deployment_id].window_tokens
        return engine.residency(deployment_id, window, now), until if until > now else math.inf

    def memories(self) -> Mapping[str, Memory]:
        """The memories of all engines, by `Residency.engine`."""
        known = [(engine.name, memory) for engine in self._engines.values() if (memory := engine.memory()) is not None]
        if known != list(self._memories.items()):
            self._memories = MappingProxyType(dict(known))
        return self._memories

    def _state(self, address: str, engine: EngineMemory) -> None:
        stated = self._stated.get(address)
        if stated is None:
            engine.state(None, None, sleeps=False)
        else:
            engine.state(round(stated.memory_gib * _GIB) if stated.memory_gib else None, stated.max_models, sleeps=stated.wake)

    def _name(self, kind: str) -> str:
        """A name for an engine: its address is nobody's business who reads a decision card."""
        taken = {engine.name for engine in self._engines.values()}
        return next(name for number in count(1) if (name := kind if number == 1 else f"{kind}-{number}") not in taken)
