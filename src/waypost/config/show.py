"""A config as it takes effect, for people and for its version: without the value of any secret."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waypost.config.address import without_query
from waypost.config.bundles import bundles
from waypost.config.params import is_secret_name
from waypost.secret import Secret

if TYPE_CHECKING:
    from waypost.config.loader import Config
    from waypost.decide.policy import Route
    from waypost.fleet.deployment import Deployment

_HIDDEN = "(hidden)"
_CAPS = ("max_completion_tokens", "max_tokens")


def effective(config: Config) -> dict[str, Any]:
    """The whole config as JSON. A secret shows as its reference, a header only as its name. Keys: see ``docs/config.md``."""
    return {"source": config.source, "version": config.version, **_content(config), "warnings": list(config.warnings)}


def effective_requests(config: Config) -> list[dict[str, Any]]:
    """What every deployment is sent on every route that may ask it: without the caller's own fields, which come on top."""
    return [
        {
            "route": bundle.route or None,
            "deployment": bundle.deployment.id,
            "sent": _safe(bundle.sent),
            "renamed": dict(bundle.renamed),
            "dropped": list(bundle.dropped),
            "cap": next((bundle.sent[name] for name in _CAPS if name in bundle.sent), None),
        }
        for bundle in bundles(config.setup.deployments, config.setup.policy)
    ]


def version_of(config: Config) -> str:
    """A short hash of all that takes effect; where the file lies and what its secrets are does not change it."""
    text = json.dumps(_content(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _content(config: Config) -> dict[str, Any]:
    rules = config.setup.policy
    return {
        "deployments": [_deployment(deployment) for deployment in config.setup.deployments],
        "routes": {name: _route(route) for name, route in rules.routes.items()},
        "aliases": dict(rules.aliases),
        "fallbacks": {group: list(names) for group, names in rules.fallbacks.items()},
        "context_fallbacks": {group: list(names) for group, names in rules.context_fallbacks.items()},
        "default_fallbacks": list(rules.default_fallbacks),
        "policy": {
            **config.policy.model_dump(mode="json", exclude={"default_fallbacks", "last_resort", "timeouts"}),
            "last_resort": list(rules.last_resort),
            "balancing": rules.balancing,
            "timeouts": dataclasses.asdict(config.timeouts),
        },
        "router_pairs": {name: dataclasses.asdict(pair) for name, pair in rules.pairs.items()},
        "quality": config.quality.model_dump(mode="json"),
        "server": config.server.model_dump(mode="json"),
        "ledger": config.ledger.model_dump(mode="json"),
        "feedback": config.feedback.model_dump(mode="json"),
        "cache": config.cache.model_dump(mode="json"),
        "discovery": config.discovery.model_dump(mode="json"),
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "candidates": list(route.candidates),
        "settings": _safe(route.settings),
        "private": route.private,
        "needs": {"context": route.needs_context},
        "cache": None if route.cache_s is None else {"ttl_s": route.cache_s},
        "description": route.description,
        "examples": list(route.examples),
        "verify": route.verify,
        "band": route.band,
        "cost_quality": route.cost_quality,
        "quality_floor": route.quality_floor,
        "explore": route.explore,
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "group": deployment.group,
        "provider": deployment.provider,
        "model": deployment.model,
        "lane": deployment.lane,
        "local": deployment.local,
        "api_base": None if deployment.api_base is None else without_query(deployment.api_base),
        "api_key": _keys(deployment),
        "mode": deployment.mode,
        "capabilities": dataclasses.asdict(deployment.capabilities),
        "window_tokens": deployment.window_tokens,
        "max_output_tokens": deployment.max_output_tokens,
        "price": None if deployment.price is None else dataclasses.asdict(deployment.price),
        "settings": _safe(deployment.settings),
        "headers": sorted(deployment.headers),
        # What is inside a container may have come from a reference.
        "transport": {
            name: _HIDDEN if isinstance(value, Mapping | list) else _safe(value) for name, value in deployment.transport.items()
        },
        "timeouts": dataclasses.asdict(deployment.timeouts),
        "weight": deployment.weight,
        "max_parallel": deployment.max_parallel,
        "quality": dict(deployment.quality),
        "sources": dict(deployment.sources),
    }


def _keys(deployment: Deployment) -> str | list[str] | None:
    """The reference of the key, or those of all where there are several."""
    if deployment.api_keys:
        return [key.reference for key in deployment.api_keys]
    return None if deployment.api_key is None else deployment.api_key.reference


def _safe(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reference
    if isinstance(value, Mapping):
        return {
            key: _HIDDEN if is_secret_name(key) and not isinstance(child, Secret) else _safe(child)
            for key, child in value.items()
        }
    return [_safe(child) for child in value] if isinstance(value, list) else value
