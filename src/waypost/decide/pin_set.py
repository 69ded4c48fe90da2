"""Which models should stay in an engine's memory for good, and which are loaded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

# All subsets of so many are looked at: a tenth of a second. Of more, those whose loads would cost least are loaded on demand.
MOST = 14


@dataclass(frozen=True, slots=True)
class Model:
    """What a model takes in memory, how long a load takes, and which share of the requests wants it, from 0 to 1."""

    name: str
    size_bytes: int
    load_s: float
    demand: float

    @property
    def cost_s(self) -> float:
        """Seconds of loading that a request would have to expect if it were never there."""
        return self.demand * self.load_s


@dataclass(frozen=True, slots=True)
class PinSet:
    """What stays, what is loaded on demand, and what does not fit even alone; by name, as they were given.

    ``wait_s`` is how many seconds of loading a request has to expect, and ``absent`` how often a model that is loaded on demand
    is not there when it is asked for. Both are upper bounds, as one of these is taken to be there at a time.
    """

    pinned: tuple[str, ...]
    on_demand: tuple[str, ...]
    too_large: tuple[str, ...]
    wait_s: float
    absent: dict[str, float]


def pin_set(models: Sequence[Model], capacity_bytes: int | None, max_models: int | None = None) -> PinSet:
    """The set of models to pin that leaves the least loading, and room for each of the others beside it.

    Without that room, a load on demand would throw out what is pinned. ``capacity_bytes`` and ``max_models`` bound what is in
    memory at once; ``None``: no bound. Exact for up to `MOST` models.
    """
    fitting = [one for one in models if capacity_bytes is None or one.size_bytes <= capacity_bytes]
    if _fits(fitting, (), capacity_bytes, max_models):
        return _made(models, fitting, fitting)
    ranked = sorted(fitting, key=lambda one: -one.cost_s)[:MOST]
    others = [one for one in fitting if one not in ranked]
    best: tuple[float, float, int] | None = None
    pinned: tuple[Model, ...] = ()
    for count in range(len(ranked) + 1):
        for chosen in combinations(ranked, count):
            rest = [one for one in ranked if one not in chosen] + others
            if not _fits(chosen, rest, capacity_bytes, max_models):
                continue
            worth = round(_wait_s(rest), 9), -sum(one.cost_s for one in chosen), sum(one.size_bytes for one in chosen)
            if best is None or worth < best:
                best, pinned = worth, chosen
    return _made(models, fitting, pinned)


def _made(models: Sequence[Model], fitting: Sequence[Model], pinned: Sequence[Model]) -> PinSet:
    kept = {one.name for one in pinned}
    rest = [one for one in fitting if one.name not in kept]
    return PinSet(
        pinned=tuple(one.name for one in fitting if one.name in kept),
        on_demand=tuple(one.name for one in rest),
        too_large=tuple(one.name for one in models if one not in fitting),
        wait_s=_wait_s(rest),
        absent=dict(_absences(rest)),
    )


def _fits(pinned: Sequence[Model], rest: Sequence[Model], capacity_bytes: int | None, max_models: int | None) -> bool:
    if max_models is not None and len(pinned) + bool(rest) > max_models:
        return False
    needed = sum(one.size_bytes for one in pinned) + max((one.size_bytes for one in rest), default=0)
    return capacity_bytes is None or needed <= capacity_bytes


def _absences(rest: Sequence[Model]) -> Iterable[tuple[str, float]]:
    """How often each is not there: as often as the request before, of those that share the room, was for another one."""
    asked = sum(one.demand for one in rest)
    return ((one.name, 1 - one.demand / asked if asked else 1.0) for one in rest)


def _wait_s(rest: Sequence[Model]) -> float:
    absent = dict(_absences(rest))
    return sum(absent[one.name] * one.cost_s for one in rest)
