"""The memory of one engine: what is in it, what is thrown out of it first, how much fits, and who is asked for how often."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from waypost.fleet.report import EngineReport, ModelReport, Occupancy, Occupant
from waypost.fleet.residency import Memory, Residency, thrown_out
from waypost.fleet.timings import Timings
from waypost.fleet.weights import MISFIT_S, WAKE_S, Weights

# How long a request counts among the latest ones: after so long for a third, after three times as long for a twentieth.
DEMAND_S = 600.0
# A share of the requests is shown anew when it has moved by so much: shown with each request, it would cost each request.
STEP = 0.02
# Where a model has to be read from a disk before it answers. What else runs has one model, for as long as it runs.
_LOADING = frozenset({"ollama", "llamacpp", "llama_swap", "lm_studio"})


class EngineMemory:
    """What is known of one engine. Times are seconds of one clock.

    Every method that changes something returns the deployments whose `Residency` may differ now. It is not safe for threads:
    its owner holds a lock.
    """

    __slots__ = (
        "_asked",
        "_capacity_bytes",
        "_cold",
        "_epoch",
        "_full",
        "_loading",
        "_looked",
        "_max_models",
        "_memory",
        "_most_bytes",
        "_names",
        "_refused",
        "_resident",
        "_said",
        "_sleeps",
        "_total",
        "_weights",
        "kind",
        "listed",
        "loaded_at",
        "members",
        "name",
    )

    def __init__(self, name: str, kind: str, now: float) -> None:
        self.name = name
        self.kind = kind
        self.members: dict[str, Weights] = {}
        self.listed: tuple[str, ...] = ()
        # When what was loaded last began to answer.
        self.loaded_at = -math.inf
        self._capacity_bytes: int | None = None
        self._max_models: int | None = None
        self._sleeps = False
        self._asked = False
        self._weights: dict[str, Weights] = {}
        self._names: dict[str, str] = {}
        # `None`: nobody knows what is in memory.
        self._resident: dict[Weights, Occupant] | None = None
        # Those that were asked for while they were not there, and since when: the first of them is being loaded.
        self._cold: dict[Weights, float] = {}
        # What was there when it was last looked into, without what answers have taught since.
        self._looked: dict[Weights, Occupant] = {}
        # Those whose load failed since then.
        self._refused: set[Weights] = set()
        self._loading: str | None = None
        self._said = Occupancy()
        self._most_bytes, self._full = 0, False
        self._epoch, self._total = now, 0.0
        self._memory: Memory | None = None

    def state(self, capacity_bytes: int | None, max_models: int | None, *, sleeps: bool) -> None:
        """Takes down what the config says of it. ``sleeps``: its model may be out of memory, though it is a vLLM."""
        self._capacity_bytes, self._max_models, self._sleeps, self._memory = capacity_bytes, max_models, sleeps, None

    @property
    def busy(self) -> bool:
        """Calls of ours are under way."""
        return any(weights.busy for weights in tuple(self.members.values()))

    @property
    def active(self) -> bool:
        """Its memory may have changed by calls of ours since it was looked at."""
        return self._asked or self.busy

    def describe(
        self, report: EngineReport, members: Iterable[tuple[str, str, ModelReport | None]], windows: Mapping[str, int | None]
    ) -> None:
        """Takes down what a full look says; ``members`` are the deployments: id, model, and what the report says of it.

        ``windows`` are theirs.
        """
        self.listed = tuple(model.name for model in report.models)
        self._names = {
            name: self._named(model.weights or model.name)
            for model in reversed(report.models)
            for name in (model.name, *model.aliases)
        }
        for model in report.models:
            if model.weights is None:
                self._of(model.name).describe(model)
        for deployment_id, name, said in members:
            weights = self._of(said.name if said else name)
            if self.members.get(deployment_id, weights) is not weights:
                self.idle(deployment_id)
            self.members[deployment_id] = weights
            weights.window_tokens = windows[deployment_id]

    def occupy(self, occupancy: Occupancy | None, models: Iterable[ModelReport] | None, now: float) -> Collection[str]:
        """Takes down what is in memory, as the engine says; where it does not, ``models`` are those of a full look.

        A model that came while another one left shows that there is no room for both, and one that lies in GPU memory in part
        shows that there is no more of that: from then on the most that was ever seen there counts as all there is.
        """
        self._said = said = occupancy or Occupancy()
        here = said.models
        if here is None and models is not None and any(model.loaded is not None for model in models):
            here = tuple(Occupant(model.name, window_tokens=model.window_tokens) for model in models if model.loaded)
        if here is not None:
            before, self._resident = self._looked, {self._of(occupant.name): occupant for occupant in here}
            self._looked = dict(self._resident)
            left, came = before.keys() - self._resident.keys(), self._resident.keys() - before.keys()
            for weights, occupant in self._resident.items():
                weights.occupy(occupant, now)
            if left:  # for a load that failed, maybe: there is no more room for that one than before
                for weights in self._weights.values():
                    if weights not in self._refused:
                        weights.misfit_until = 0.0
            self._refused.clear()
            taken = _taken(here)
            self._most_bytes = max(self._most_bytes, taken)
            beside = taken + _taken(before[weights] for weights in left)
            in_part = any(occupant.gpu_bytes and occupant.gpu_bytes < (occupant.memory_bytes or 0) for occupant in here)
            self._full = self._full or in_part or bool(left and came and beside > self._most_bytes)
        self._loading = None if said.loading is None else self._of(said.loading).name
        self._asked, self._memory = False, None
        return self.members

    def gone(self) -> Collection[str]:
        """The engine does not answer any more: what it had in memory is not known."""
        self._resident, self._looked, self._loading, self._said, self._memory = None, {}, None, Occupancy(), None
        return self.members

    def leave(self, deployment_id: str) -> None:
        """The deployment is not there any more."""
        self.idle(deployment_id)
        del self.members[deployment_id]

    def begin(self, deployment_id: str, now: float) -> None:
        """A call begins."""
        weights = self.members[deployment_id]
        self._asked, weights.used_at = True, now
        self._reordered(weights)
        weights.busy.add(deployment_id)
        if self._resident is not None and weights not in self._resident and weights not in self._cold:
            self._cold[weights], self._memory = now, None

    def idle(self, deployment_id: str) -> Collection[str]:
        """The last call of a deployment is over. If none of its model's callers had an answer, its load was given up, maybe."""
        weights = self.members[deployment_id]
        weights.busy.discard(deployment_id)
        if weights.busy:
            return ()
        self._reordered(weights)
        if self._warm(weights) is None:
            return ()
        if self._resident is not None:
            self._resident.pop(weights, None)
        return self.members

    def answers(self, deployment_id: str, now: float, *, learns: bool, counts: bool) -> Collection[str]:
        """A call gives its answer: its model is loaded, whatever the last look said.

        ``learns``: who waited until now for a model that was not loaded waited for the load, and for the reading of the prompt.
        ``counts``: it shows what is in demand.
        """
        weights = self.members[deployment_id]
        since = self._warm(weights)
        changed = self._demand(weights, now) if counts else ()
        if since is not None:
            self.loaded_at = now
            if learns:
                weights.loaded(now - since, now)
        if self._resident is not None and weights not in self._resident:
            # Without another look: who left for it is not asked in the belief that it is there.
            gone = self._gone_for(weights.name)
            self._resident = {one: there for one, there in self._resident.items() if one.name not in gone}
            if (seen := self._looked.get(weights)) is None:
                weights.kept_s = math.inf
            self._resident[weights] = seen or Occupant(weights.name)
            weights.misfit_until = 0.0
            self._memory = None
        elif since is None:
            return changed
        return self.members

    @property
    def asleep(self) -> bool:
        """Its model is out of memory, and may be brought back."""
        return self._sleeps and self._resident is not None and not self._resident

    def woken(self, took_s: float, now: float) -> Collection[str]:
        """It has its model in memory again, which took so long."""
        self._resident, self._memory = {self._of(name): Occupant(name) for name in self.listed}, None
        for weights in self._resident:
            self._warm(weights)
            weights.loaded(took_s, now, shortest_s=0.0)
        return self.members

    def timed(self, deployment_id: str, timings: Timings, now: float) -> Collection[str]:
        """An answer is complete, and this is the work that it was."""
        weights = self.members[deployment_id]
        before = weights.loads_seen
        weights.loaded(timings.load_s or 0.0, now - (timings.prompt_s or 0.0) - (timings.answer_s or 0.0))
        weights.worked(timings, cached=self.kind == "ollama" and weights.loads_seen == before)
        return self.members

    def refused(self, deployment_id: str, now: float) -> Collection[str]:
        """A load failed: it does not fit beside what is there, or not at all."""
        weights = self.members[deployment_id]
        weights.misfit_until = now + MISFIT_S
        self._warm(weights)
        # Ollama lists it while it tries, and may have thrown others out for it.
        self._looked.pop(weights, None)
        if self._resident is not None:
            self._resident.pop(weights, None)
        self._refused.add(weights)
        self._full = self._full or bool(self._most_bytes)
        self._memory = None
        return self.members

    def loaded(self, deployment_id: str) -> bool | None:
        """Whether a deployment's model is in memory."""
        return None if self._resident is None else self._holds(self.members[deployment_id])

    def residency(self, deployment_id: str, window_tokens: int | None, now: float) -> Residency:
        """How the model of a deployment stands."""
        weights = self.members[deployment_id]
        occupant = self._resident.get(weights) if self._resident and self._holds(weights) else None
        load_s: float | None = weights.load_s
        if not weights.loads_seen and self.kind not in _LOADING:
            load_s = WAKE_S if self._sleeps else None
        return Residency(
            engine=self.name,
            weights=weights.name,
            size_bytes=weights.size_bytes(window_tokens),
            gpu_share=weights.gpu_share,
            window_tokens=None if occupant is None else occupant.window_tokens,
            load_s=load_s,
            loads_seen=weights.loads_seen,
            prompt_tokens_per_s=weights.prompt_tokens_per_s,
            answer_tokens_per_s=weights.answer_tokens_per_s,
            running=self._said.running,
            waiting=self._said.waiting,
            cache_used=self._said.cache_used,
            demand=weights.demand,
            misfit=now < weights.misfit_until,
        )

    def misfit_until(self, deployment_id: str) -> float:
        """Until when its model counts as one that does not fit."""
        return self.members[deployment_id].misfit_until

    def memory(self) -> Memory | None:
        """The memory as a value; the same one until something changes. ``None``: nobody knows what is in it."""
        if self._resident is None:
            return None
        if self._memory is None:
            order = sorted(filter(self._holds, self._resident), key=self._leaves)
            first = next(iter(self._cold), None)
            self._memory = Memory(
                tuple(weights.name for weights in order),
                capacity_bytes=self._capacity_bytes or (self._most_bytes or None if self._full else None),
                max_models=self._max_models or self._said.max_models,
                loading=self._loading or (None if first is None else first.name),
            )
        return self._memory

    def is_ready(self, deployment_id: str) -> bool:
        """Its model is in memory, and nothing is being loaded."""
        return self._resident is not None and not self._cold and self.members[deployment_id] in self._resident

    @property
    def coming(self) -> tuple[str, ...]:
        """The weights that somebody waits for while they are loaded, in that order."""
        return tuple(weights.name for weights in self._cold)

    def later(self) -> Memory | None:
        """The memory as it will be after the loads that are under way."""
        memory = self.memory()
        if memory is None:
            return None
        for name in self.coming:
            gone = thrown_out(memory, name, self.size_of) or ()
            memory = replace(memory, resident=(*(one for one in memory.resident if one not in gone), name))
        return memory

    def size_of(self, name: str) -> int | None:
        """The bytes that some weights take in memory."""
        weights = self._weights[name]
        return weights.size_bytes(weights.window_tokens)

    def works(self, name: str) -> bool:
        """Calls of ours are under way at these weights."""
        return bool(self._weights[name].busy)

    def _gone_for(self, name: str) -> tuple[str, ...]:
        memory = self.memory()
        return () if memory is None else thrown_out(memory, name, self.size_of) or ()

    def _holds(self, weights: Weights) -> bool:
        """It is in memory. Ollama lists what is being loaded, too: then who asked for it has no answer yet."""
        return self._resident is not None and weights in self._resident and weights not in self._cold

    def _warm(self, weights: Weights) -> float | None:
        """Nobody waits for it to be loaded any more; since when somebody did."""
        since = self._cold.pop(weights, None)
        if since is not None:
            self._memory = None
        return since

    def _reordered(self, weights: Weights) -> None:
        """It works, or does so no more: where there are others beside it, that may change who is thrown out first."""
        if self._resident is not None and len(self._resident) > 1 and (not weights.busy or self.kind != "ollama"):
            self._memory = None

    def _leaves(self, weights: Weights) -> tuple[bool, float, str]:
        """The order in which models are thrown out: those that work come last.

        Ollama goes by how long each is to be kept, the shortest first, and says only until when, which comes to the same for
        each when it was used last. The others take the one that was not used for longest.
        """
        return bool(weights.busy), weights.kept_s if self.kind == "ollama" else weights.used_at, weights.name

    def _demand(self, weights: Weights, now: float) -> Collection[str]:
        """Counts a request. Those before it count less with time; instead of lessening each of them, this one counts more."""
        age = (now - self._epoch) / DEMAND_S
        if age > 50:  # far from where numbers end
            for each in self._weights.values():
                each.asked *= math.exp(-min(age, 700.0))
            self._total *= math.exp(-min(age, 700.0))
            self._epoch, age = now, 0.0
        counts = math.exp(age)
        weights.asked += counts
        self._total += counts
        if abs(weights.asked / self._total - weights.demand) <= STEP:
            return ()
        for each in self._weights.values():
            each.demand = each.asked / self._total
        return self.members

    def _of(self, name: str) -> Weights:
        """The weights that a name of the engine means."""
        name = self._names.get(name) or self._named(name)
        return self._weights.get(name) or self._weights.setdefault(name, Weights(name))

    def _named(self, name: str) -> str:
        return name.removesuffix(":latest") if self.kind == "ollama" else name


def _taken(occupants: Iterable[Occupant]) -> int:
    """Bytes of GPU memory; of any memory where nothing is on a GPU."""
    here = tuple(occupants)
    return sum(one.gpu_bytes or 0 for one in here) or sum(one.memory_bytes or 0 for one in here)
