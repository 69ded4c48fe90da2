"""``GET /v1/models``: what a client may ask for."""

from __future__ import annotations

from typing import Any

from waypost.decide.policy import VIRTUAL_MODELS, Policy
from waypost.fleet.view import Deployment, FleetView

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

    Where one name stands for two things, the row is the one that a request gets (see ``decide.names``).
    """
    groups: dict[str, list[str]] = {}
    for deployment in fleet:
        groups.setdefault(deployment.group, []).append(deployment.id)
    named = {name: _row(name, "alias", {"target": target}) for name, target in policy.aliases.items()}
    for rows in (
        {name: _row(name, "virtual", {"description": _VIRTUAL[name]}) for name in VIRTUAL_MODELS},
        {d.id: _row(d.id, "deployment", _facts(d, fleet)) for d in fleet},
        {name: _row(name, "group", {"deployments": ids}) for name, ids in groups.items()},
        {name: _row(name, "route", {"candidates": list(route.candidates)}) for name, route in policy.routes.items()},
    ):
        named = {**rows, **named}
    return sorted(named.values(), key=lambda row: _SHOWN.index(row["waypost"]["kind"]))


def _row(name: str, kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "waypost", "waypost": {"kind": kind, **facts}}


def _facts(deployment: Deployment, fleet: FleetView) -> dict[str, Any]:
    can, price, status = deployment.capabilities, deployment.price, fleet.status(deployment.id)
    taken = (("image", can.vision), ("audio", can.audio), ("file", can.files))
    return {
        "group": deployment.group,
        "provider": deployment.provider,
        "model": deployment.model,
        "mode": deployment.mode,
        "local": deployment.local,
        "window_tokens": deployment.window_tokens,
        "max_output_tokens": deployment.max_output_tokens,
        "input_modalities": ["text", *(name for name, able in taken if able)],
        "capabilities": {
            "tools": can.tools,
            "vision": can.vision,
            "audio": can.audio,
            "files": can.files,
            "structured_output": can.structured_output,
            "reasoning": can.reasoning,
        },
        "price_usd_per_million": None if price is None else {"input": price.input_usd * 1e6, "output": price.output_usd * 1e6},
        "up": status.up,
        "loaded": status.loaded,
        "in_flight": status.in_flight,
        "cooling_s": status.cooling_s,
        "reason": status.reason,
        "sources": dict(deployment.sources),
    }
