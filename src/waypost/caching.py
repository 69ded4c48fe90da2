"""The response cache that a config asks for."""

from __future__ import annotations

from collections.abc import Callable

from waypost.config import Config
from waypost.dispatch.answer_store import AnswerStore
from waypost.dispatch.cache import AnswerCache


def open_cache(config: Config, clock: Callable[[], float]) -> AnswerCache | None:
    """An empty cache; ``None`` where no route has one. ``clock`` tells seconds, and never goes back."""
    ttls = {name: route.cache_s for name, route in config.setup.policy.routes.items() if route.cache_s is not None}
    if not ttls:
        return None
    bounds = config.cache
    store = AnswerStore(max_entries=bounds.max_entries, max_bytes=bounds.max_bytes, clock=clock)
    return AnswerCache(store, ttls, max_answer_bytes=bounds.max_answer_bytes)
