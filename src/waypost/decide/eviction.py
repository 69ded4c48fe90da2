"""What has to leave an engine's memory so that something else can be loaded, and what that will cost later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from waypost.fleet.view import FleetView, Memory, thrown_out


class Weights(NamedTuple):
    """What is known of one set of weights of an engine, from all deployments that answer from it.

    ``name`` is a model's, for the card. ``in_flight`` counts the calls of all of them, and those that wait until they may call.
    """

    name: str
    size_bytes: int | None
    load_s: float | None
    demand: float
    in_flight: int


def known_weights(fleet: FleetView) -> dict[tuple[str, str], Weights]:
    """The weights that the fleet's deployments answer from, by engine and name."""
    found: dict[tuple[str, str], Weights] = {}
    statuses = fleet.statuses
    for deployment in fleet.deployments:
        status = statuses.get(deployment.id)
        if status is None or (residency := status.residency) is None:
            continue
        key = residency.engine, residency.weights
        before = found.get(key)
        if before is None:
            size, load_s, demand = residency.size_bytes, residency.load_s, residency.demand
            found[key] = Weights(deployment.model, size, load_s, demand, status.in_flight + residency.queued)
        else:
            found[key] = Weights(
                before.name,
                residency.size_bytes if before.size_bytes is None else before.size_bytes,
                residency.load_s if before.load_s is None else before.load_s,
                max(before.demand, residency.demand),
                before.in_flight + status.in_flight + residency.queued,
            )
    return found


def evicted(memory: Memory, engine: str, wanted: str, weights: Mapping[tuple[str, str], Weights]) -> tuple[str, ...] | None:
    """The weights that are thrown out of the memory of ``engine`` to load ``wanted``; ``None`` where that cannot be said."""

    def size_of(name: str) -> int | None:
        known = weights.get((engine, name))
        return None if known is None else known.size_bytes

    return thrown_out(memory, wanted, size_of)


def reload_s(absent: Iterable[Weights | None]) -> float | None:
    """The seconds of loading that the next request has to expect for what is not there: demand x load, summed.

    ``None`` where a load time is not known.
    """
    total = 0.0
    for weights in absent:
        if weights is None or (weights.load_s is None and weights.demand > 0):
            return None
        total += weights.demand * (weights.load_s or 0.0)
    return total
