"""Entries of real decisions, and rules to replay them under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost import Router
from waypost.errors import WaypostError
from waypost.learn.replay import Rules

Entry = dict[str, Any]


def model(name: str, *, usd: float | None = None, **info: Any) -> dict[str, Any]:
    """An entry of a model list: a simulated model, ``usd`` a million tokens."""
    price = {} if usd is None else {"input_cost_per_token": usd / 1e6, "output_cost_per_token": usd / 1e6}
    return {"model_name": name, "litellm_params": {"model": f"simulated/{name}"}, "model_info": {**price, **info}}


def config(*models: Mapping[str, Any], **blocks: Any) -> dict[str, Any]:
    """A config with these models that looks at nothing and keeps no file."""
    return {"model_list": list(models), "discovery": {"enabled": False}, "ledger": {"enabled": False}, **blocks}


def rules_of(given: Mapping[str, Any]) -> Rules:
    """The rules of a config, without chance."""
    router = Router.from_config(given)
    return Rules(router.policy, router.view().deployments, router.artefacts).without_chance()


async def asked(given: Mapping[str, Any], *requests: Mapping[str, Any]) -> list[Entry]:
    """The entries of requests to a router with this config, whatever became of them."""
    async with Router.from_config(given) as router:
        return [await _entry_of(router, **{"messages": "hello there", **request}) for request in requests]


async def _entry_of(router: Router, **request: Any) -> Entry:
    try:
        decision = (await router.acompletion(**request)).decision.id
    except WaypostError:
        decision = router.ledger.tail(1)[0]["id"]
    found = router.ledger.get(decision)
    assert found is not None
    return found
