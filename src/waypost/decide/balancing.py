"""Which of several replicas is asked first: by load, by chance or by latency; a conversation stays where it was.

Balancing only orders: who may be asked at all is for the guards to say. Chance comes from the turn's id, so that a replay of
the same turn falls the same way.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

from waypost.decide.policy import Policy
from waypost.fleet.view import Deployment, FleetView, Status
from waypost.turn import Turn

# From here on the better of two is taken instead of the best of all: of many routers that look at the same replicas, each
# picks another one, and the longest queue is hardly longer (M. Mitzenmacher, "The Power of Two Choices in Randomized Load
# Balancing", IEEE TPDS 2001).
MANY = 9
# How far above the mean a replica may be loaded and still keep its conversations: the 1 + ε of V. Mirrokni, M. Thorup and
# M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018, with the ε = 1/4 that proxies use.
LOAD_FACTOR = 1.25

Load = Callable[[Deployment], tuple[float, ...]]


def balanced(replicas: Sequence[Deployment], turn: Turn, fleet: FleetView, policy: Policy) -> tuple[Deployment, ...]:
    """The replicas in the order to ask them: the same ones, by the strategy of their group.

    ``least_busy``: requests in flight for each unit of weight. ``latency``: how long the replica takes lately, times the
    requests that it would have, for each unit of weight; one that nobody knows yet is asked while it is idle. ``weighted``, and
    ties of both: chance, in proportion to the weights. A conversation goes first to the replica that answered it last, unless
    that one has more than its share of the load.
    """
    if len(replicas) < 2:
        return tuple(replicas)
    load = _load(policy.balancing_of(replicas[0].group), turn, fleet)
    order = list(replicas)
    if load is None or len(order) < MANY:
        order.sort(key=lambda one: (*(load(one) if load else ()), _draw(turn, one)))
    else:
        _better_of_two_first(order, load, turn, fleet)
    if fleet.answered_last and policy.session_affinity:
        _stay(order, fleet)
    return tuple(order)


def _load(strategy: str, turn: Turn, fleet: FleetView) -> Load | None:
    """How much is to be said against a replica; ``None`` where only chance decides."""

    def busy(replica: Deployment) -> tuple[float, ...]:
        return (fleet.status(replica.id).in_flight / replica.weight,)

    def slow(replica: Deployment) -> tuple[float, ...]:
        """Peak EWMA, as in Finagle's balancers: latency times (in flight + 1). An unknown one comes first while it is idle, and
        then last until its first answer is there.
        """
        status = fleet.status(replica.id)
        latency_s = status.latency_s if turn.stream else status.whole_latency_s
        if latency_s is None:
            return (2.0 if status.in_flight else 0.0, status.in_flight / replica.weight)
        return (1.0, latency_s * (status.in_flight + 1) / replica.weight)

    return {"least_busy": busy, "latency": slow}.get(strategy)


def _draw(turn: Turn, replica: Deployment) -> float:
    """Sorting by this draws replicas one by one, each in proportion to its weight (Efraimidis and Spirakis 2006)."""
    return -math.log(chance(turn, replica.id)) / replica.weight


def chance(turn: Turn, salt: str) -> float:
    """Uniform over (0, 1]."""
    digest = hashlib.blake2b(f"{turn.id}:{salt}".encode(errors="replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / 2.0**64


def _better_of_two_first(order: list[Deployment], load: Load, turn: Turn, fleet: FleetView) -> None:
    """Draws two of those that are there, the less loaded one first; the others follow, from the second one's place on."""
    places = [place for place, replica in enumerate(order) if _is_there(fleet.status(replica.id))]
    if not places:
        return
    one = places.pop(_drawn([order[place] for place in places], chance(turn, "one")))
    two = places[_drawn([order[place] for place in places], chance(turn, "two"))] if places else one
    if load(order[two]) < load(order[one]):
        one, two = two, one
    others = [place for place in (*range(two, len(order)), *range(two)) if place not in (one, two)]
    order[:] = [order[place] for place in dict.fromkeys((one, two, *others))]


def _drawn(replicas: Sequence[Deployment], chance: float) -> int:
    """The position of one of them, in proportion to the weights."""
    left = chance * sum(replica.weight for replica in replicas)
    for position, replica in enumerate(replicas):
        left -= replica.weight
        if left <= 0:
            return position
    return len(replicas) - 1


def _stay(order: list[Deployment], fleet: FleetView) -> None:
    """Puts the replica first that answered this conversation last: it may still hold the prompt in its cache."""
    places = {replica.id: place for place, replica in enumerate(order) if _is_there(fleet.status(replica.id))}
    name = next((name for name in fleet.answered_last if name in places), None)
    if name is None:
        return
    kept = order[places[name]]
    requests = 1 + sum(fleet.status(one).in_flight for one in places)
    share = kept.weight / sum(order[place].weight for place in places.values())
    if fleet.status(name).in_flight + 1 <= math.ceil(LOAD_FACTOR * requests * share):
        order.insert(0, order.pop(places[name]))


def _is_there(status: Status) -> bool:
    """It counts for the share of others: it is neither down nor cooling."""
    return status.up is not False and status.cooling_s is None
