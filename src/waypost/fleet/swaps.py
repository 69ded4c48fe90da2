"""Whose turn it is where models take each other's place in memory: requests for one model go together.

A B A B A B, asked at once, is one swap and not five: who wants what is there goes on, who would have something thrown out waits
until nobody works with that any more, and one such load is under way at a time. Who waits is served in the order of the queue,
and takes along all who want the same. Where nothing is thrown out, or nobody can say, nobody waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from waypost.fleet.memory import EngineMemory
from waypost.fleet.residency import Memory, thrown_out
from waypost.fleet.slots import Waiter


def may_call(engine: EngineMemory, deployment_id: str, queue: Collection[Waiter], *, now: float, batch_s: float | None) -> bool:
    """Whether a call may go to its engine now.

    When somebody of the ``queue`` has waited for another load for ``batch_s``, and that long has passed since the last one,
    calls to what has to leave for it wait too: those under way are the last ones before it. Without ``batch_s``, nobody waits.
    """
    if batch_s is None or (not queue and engine.is_ready(deployment_id)):
        return True
    wanted = engine.members[deployment_id].name
    later = engine.later()
    if later is None:
        return True
    if wanted in later.resident:
        return wanted in engine.coming or not _has_to_leave(engine, wanted, later, queue, now - batch_s)
    gone = thrown_out(later, wanted, engine.size_of)
    return not gone or not (engine.coming or any(map(engine.works, gone)))


def _has_to_leave(engine: EngineMemory, name: str, later: Memory, queue: Iterable[Waiter], since: float) -> bool:
    """Somebody waits since then for a load that throws these weights out."""
    if engine.loaded_at > since:
        return False
    overdue = {one for waiter in queue if waiter.since <= since for one in waiter.wanted if one in engine.members}
    others = {engine.members[one].name for one in overdue}.difference(later.resident)
    return any(name in (thrown_out(later, other, engine.size_of) or ()) for other in others)
