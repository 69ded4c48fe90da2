"""``GET /v1/models``: what a client may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from waypost.decide.names import Meaning, resolve
from waypost.decide.policy import VIRTUAL_MODELS, Policy
from waypost.decide.router_pairs import route_of
from waypost.fleet.view import Capabilities, Deployment, FleetView, Price, Residency

_VIRTUAL = {
    "auto": "Reads each request and picks the deployment for its task.",
    "auto-fast": "As auto, the quickest candidate first.",
    "auto-cheap": "As auto, the cheapest candidate first.",
    "auto-best": "As auto, the strongest candidate first.",
    "auto-private": "As auto, on local deployments only.",
}
_SHOWN = ("virtual", "route", "alias", "deployment", "group")


def list_models(fleet: FleetView, policy: Policy) -> list[dict[str, Any]]:
    """Every name that a request may use, in OpenAI's form, with what is known about it in the field ``waypost``.

    Where one name stands for two things, the row is the one that a request gets (see ``decide.names``). A name that is not a
    deployment shows what all those that it may reach can do together.
    """
    groups: dict[str, list[str]] = {}
    for deployment in fleet:
        groups.setdefault(deployment.group, []).append(deployment.id)
    # What each of a thousand names stands for is looked for among all: not for those that have their row already.
    groups = {name: ids for name, ids in groups.items() if ids != [name]}

    def row(name: str, kind: str, **facts: Any) -> dict[str, Any]:
        return _row(name, kind, {**facts, **_together(_reach(resolve(name, fleet, policy), fleet, policy))})

    named = {name: row(name, "alias", target=target) for name, target in policy.aliases.items()}
    for rows in (
        {name: row(name, "virtual", description=_VIRTUAL[name]) for name in VIRTUAL_MODELS},
        {d.id: _row(d.id, "deployment", _facts(d, fleet)) for d in fleet},
        {name: row(name, "group", deployments=ids) for name, ids in groups.items()},
        {name: row(name, "route", candidates=list(route.candidates)) for name, route in policy.routes.items()},
    ):
        named = {**rows, **named}
    return sorted(named.values(), key=lambda row: _SHOWN.index(row["waypost"]["kind"]))


def numbered_row(name: str, meaning: Meaning, fleet: FleetView, policy: Policy) -> dict[str, Any]:
    """The row of a name with a number, such as ``auto@0.3``: no list holds them, as there is no end of them."""
    return _row(name, meaning.kind, _together(_reach(meaning, fleet, policy)))


def _row(name: str, kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "waypost", "waypost": {"kind": kind, **facts}}


def _facts(deployment: Deployment, fleet: FleetView) -> dict[str, Any]:
    price, status = deployment.price, fleet.status(deployment.id)
    return {
        "group": deployment.group,
        "provider": deployment.provider,
        "model": deployment.model,
        "mode": deployment.mode,
        "local": deployment.local,
        "window_tokens": deployment.window_tokens,
        "max_output_tokens": deployment.max_output_tokens,
        "input_modalities": _modalities(deployment.capabilities),
        "capabilities": asdict(deployment.capabilities),
        "price_usd_per_million": None if price is None else _per_million(price),
        "up": status.up,
        "loaded": status.loaded,
        "in_flight": status.in_flight,
        "max_parallel": deployment.max_parallel,
        "cooling_s": status.cooling_s,
        "probing": status.probing,
        "resting_keys": [key + 1 for key in status.resting_keys],
        "latency_s": status.latency_s,
        "whole_latency_s": status.whole_latency_s,
        "residency": _residency(status.residency, fleet),
        "reason": status.reason,
        "sources": dict(deployment.sources),
    }


def _residency(known: Residency | None, fleet: FleetView) -> dict[str, Any] | None:
    """How the model stands in the memory of its engine, and what is in there."""
    if known is None:
        return None
    memory = fleet.memories.get(known.engine)
    # Not `asdict`, which copies all that is resident: for each of a thousand models, a thousand names.
    shown = None if memory is None else {field.name: getattr(memory, field.name) for field in fields(memory)}
    return {**asdict(known), "memory": shown}


def _modalities(can: Capabilities) -> list[str]:
    return ["text", *(name for name, able in (("image", can.vision), ("audio", can.audio), ("file", can.files)) if able)]


def _reach(meaning: Meaning | None, fleet: FleetView, policy: Policy) -> list[Deployment]:
    """The deployments at which a request for a name may end, fallbacks included."""
    if meaning is None:
        return []
    if meaning.kind == "deployment":
        return _with_fallbacks(meaning.deployments, fleet, policy)
    if meaning.kind == "pair":
        return _with_fallbacks(_named(route_of(meaning.name, policy.pairs[meaning.name]).candidates, fleet), fleet, policy)
    routes = [policy.routes[meaning.name]] if meaning.kind == "route" else list(policy.routes.values())
    found: dict[str, Deployment] = {}
    for route in routes:
        reached = _with_fallbacks(_named(route.candidates, fleet), fleet, policy)
        local_only = route.private or meaning.name == "auto-private"
        found |= {d.id: d for d in reached if d.mode == "chat" and (d.local or not local_only)}
    return list(found.values())


def _with_fallbacks(deployments: Iterable[Deployment], fleet: FleetView, policy: Policy) -> list[Deployment]:
    first = list(deployments)
    return [*first, *_named(policy.fallbacks_of(d.group for d in first), fleet)]


def _named(names: Iterable[str], fleet: FleetView) -> list[Deployment]:
    """Candidates as a route lists them; ``*`` is every deployment that has a name of its own."""
    return [d for name in names for d in (_everybody(fleet) if name == "*" else fleet.exactly(name) or fleet.loosely(name))]


def _everybody(fleet: FleetView) -> list[Deployment]:
    return [d for d in fleet if not d.is_pattern]


def _together(deployments: list[Deployment]) -> dict[str, Any]:
    """What deployments can do between them: the largest window, any capability, and whether all are local."""
    can = Capabilities(
        **{field.name: _any(getattr(d.capabilities, field.name) for d in deployments) for field in fields(Capabilities)}
    )
    prices = [_per_million(d.price) for d in deployments if d.price is not None]
    return {
        "local": all(d.local for d in deployments) if deployments else None,
        "window_tokens": max((d.window_tokens for d in deployments if d.window_tokens is not None), default=None),
        "input_modalities": _modalities(can),
        "capabilities": asdict(can),
        "price_range_usd_per_million": {kind: _ends([p[kind] for p in prices]) for kind in prices[0]} if prices else None,
    }


def _any(known: Iterable[bool | None]) -> bool | None:
    """True if any is; else unknown if any is unknown, or if there is none."""
    values = set(known)
    return True if True in values else None if None in values or not values else False


def _ends(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "max": max(values)}


def _per_million(price: Price) -> dict[str, float]:
    return {"input": round(price.input_usd * 1e6, 9), "output": round(price.output_usd * 1e6, 9)}
