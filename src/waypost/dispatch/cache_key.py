"""Which requests may be answered from the cache, and what makes two of them the same."""

from __future__ import annotations

from hashlib import blake2b

import orjson

from waypost.decide.card import Decision
from waypost.dispatch.request import build
from waypost.fleet.view import FleetView
from waypost.turn import Turn

# What is done for these tasks is done each time, or is about one person at one moment.
NEVER_TASKS = frozenset({"tool_calling", "memory"})
NEVER_NEEDS = frozenset({"fresh_information", "own_past"})

# Fields, of the caller or of the settings, with which an answer is more than text that depends on the request alone.
NEVER_FIELDS = frozenset({"tools", "functions", "web_search_options", "audio", "store"})


def cache_key(turn: Turn, decision: Decision, fleet: FleetView) -> bytes | None:
    """The key of what the first candidate would be asked, and by whom; ``None`` where the answer must be made each time.

    It covers the whole body that the engine would get (the caller's fields, and the settings of route and deployment as `build`
    lays them over each other, and whether it is to be a stream), who would answer (the replicas of a group are one), the client
    (`Turn.tenant` and `Turn.caller`), and the versions of policy and artefacts. The order of a mapping's keys does not count.
    The key is a BLAKE2b hash: nothing of a prompt can be read from it.
    """
    if not decision.candidates or not _is_repeatable(turn, decision):
        return None
    first = decision.candidates[0]
    deployment = next((known for known in fleet if known.id == first.deployment), None)
    if deployment is None or first.simulated:
        return None
    body = build(turn, deployment, first)
    body.pop("keep_alive", None)  # it changes with demand, and no answer with it
    if body.get("n") not in (None, 1) or any(body.get(name) not in (None, False, []) for name in NEVER_FIELDS):
        return None
    who = (turn.tenant, turn.caller)
    by = (first.group, first.provider, first.model, decision.policy_version, decision.artefact_version)
    try:
        written = orjson.dumps((body, who, by), default=dict, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # the lane will say what is wrong with it
        return None
    return blake2b(written, digest_size=32).digest()


def _is_repeatable(turn: Turn, decision: Decision) -> bool:
    """The same question has the same answer: nothing is done, nothing is looked at, and nobody's own memory is asked."""
    scores = decision.task
    return not (
        turn.known_to_memory
        or turn.tools
        or turn.needs_tools
        or turn.inputs
        or not NEVER_NEEDS.isdisjoint(scores.needs)
        or not NEVER_TASKS.isdisjoint(scores.tasks)
    )
