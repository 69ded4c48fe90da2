"""The headers that Waypost sets and reads, in one table that the docs are held to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from waypost.decide.card import Decision
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.fleet.deployment import Deployment
from waypost.ledger.record import known_cost

RESPONSE_HEADERS: Mapping[str, str] = {
    "x-request-id": "The caller's request id, or the decision id where it sent none.",
    "x-waypost-decision": "The id of the decision: `waypost log show ID` and `GET /v1/decisions/ID` explain it.",
    "x-waypost-deployment": "The deployment that answered.",
    "x-waypost-model": "The model name that the engine was asked for.",
    "x-waypost-provider": "The deployment's provider.",
    "x-waypost-route": "The route that was followed; absent where the caller named a deployment.",
    "x-waypost-task": "The task that was recognised, or `unknown` where the model abstained.",
    "x-waypost-reason": "Why this route, in a sentence.",
    "x-waypost-attempts": "How many calls were made, the one that answered included.",
    "x-waypost-fallback-from": "The deployment that was asked first, where another one answered.",
    "x-waypost-cost-usd": "What the call cost in US dollars, where price and usage are known (not on streams).",
    "x-waypost-cache": "On a route with a cache: `hit`, `shared` with a request like it, or `miss`; else absent.",
    "x-waypost-simulated": "`true` where no model was asked: the answer comes from the simulated fleet.",
}
REQUEST_HEADERS: Mapping[str, str] = {
    "x-request-id": "An id of the caller's own, given back in the answer.",
    "x-waypost-card": "`true` adds the whole decision card: a field `waypost` of the answer, or a last event before `[DONE]`.",
    "x-waypost-private": "`true` keeps the request on local deployments.",
    "x-waypost-known-to-memory": "`true`: the last message speaks of something in the user's own memory or contacts.",
    "x-waypost-cost-quality": "How quality is weighed against cost: a number from 0 (the cheapest) to 1 (the best).",
    "x-waypost-channel": "The way that the request came, such as `voice`; `policy.channel_routes` reads it.",
    "x-waypost-session": "Names the conversation, which stays with the replica that answered it last.",
    "x-openwebui-chat-id": "Open WebUI's name of the conversation, read where `x-waypost-session` is absent.",
    "x-openwebui-task": "Open WebUI's name of its own work, such as `title_generation`: to the smallest loaded model.",
    "x-openwebui-user-id": "Open WebUI's name of the user: users share nothing in the cache.",
    "cache-control": "`no-cache` asks for a new answer, which is kept; `no-store` for one that the cache has no part in.",
}
_LONGEST_VALUE = 256
_SAFE_MARKS = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"
_SAFE = re.compile(f"[A-Za-z0-9{re.escape(_SAFE_MARKS)}]*")


def safe_value(value: object) -> str:
    """A header value that is printable ASCII, whatever came in: the rest is percent-encoded, and long values are cut."""
    text = str(value)
    return (text if _SAFE.fullmatch(text) else quote(text, safe=_SAFE_MARKS))[:_LONGEST_VALUE]


# For values that come again, as names of deployments do.
_safe_again = lru_cache(1024)(safe_value)


def decision_headers(decision: Decision, request_id: str) -> dict[str, str]:
    """What is known as soon as there is a decision, also where it refuses. ``request_id`` is safe, as ids of ours are."""
    headers = {
        "x-request-id": request_id,
        "x-waypost-decision": decision.id,
        "x-waypost-task": _safe_again(decision.task.task or "unknown"),
        "x-waypost-reason": _safe_again(decision.reason),
    }
    if decision.route is not None:
        headers["x-waypost-route"] = _safe_again(decision.route)
    return headers


def answer_headers(
    attempts: Iterable[Attempt], deployment: Deployment, cache: CacheUse | None = None, *, complete: bool
) -> dict[str, str]:
    """What is known once somebody answers; the cost only of an answer that is ``complete``."""
    made = tuple(attempts)
    headers = {
        "x-waypost-deployment": _safe_again(deployment.id),
        "x-waypost-model": _safe_again(deployment.model),
        "x-waypost-provider": _safe_again(deployment.provider),
        "x-waypost-attempts": str(len(made)),
    }
    if made and made[0].deployment != deployment.id:
        headers["x-waypost-fallback-from"] = _safe_again(made[0].deployment)
    if cache is not None:
        headers["x-waypost-cache"] = cache.state
    cost_usd = known_cost(made, cache) if complete else None
    if cost_usd is not None:
        headers["x-waypost-cost-usd"] = f"{cost_usd:.8f}"
    if deployment.provider == "simulated":
        headers["x-waypost-simulated"] = "true"
    return headers
