"""What a task model must beat: the most frequent task, the design note's word rules, and LiteLLM's tiers."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from waypost.decide.labels import DEFAULT_TASK
from waypost.learn.datasets import Row

ACTION_WORDS = ("add", "create", "delete", "set", "turn", "play", "schedule", "update", "remind")
MEMORY_WORDS = ("remember", "who is", "what did", "last time", "when did")
LITELLM_CLASSIFIERS = ("heuristic", "heuristic_v2")
TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
"""LiteLLM's, from the least demanding on."""
NO_LITELLM = "LiteLLM's complexity router is not installed: pip install 'waypost[litellm]'"


def most_frequent(rows: Sequence[Row]) -> list[str]:
    """The most frequent label of these rows, for each of them."""
    if not rows:
        return []
    (task, _), *_ = Counter(row.task for row in rows).most_common(1)
    return [task] * len(rows)


def note_rules(row: Row) -> str:
    """The rules of the note that Waypost began with: images first, then action substrings, then memory substrings, else chat.

    The note's own lists are not at hand: these words stand in for them. Blind to images, they score about what the design
    measured for the note's rules (accuracy on the hundred prompts 0.45 and 0.45, macro-F1 on dev 0.150 and 0.155).
    """
    text = row.text.lower()
    if row.has_image:
        return "vision"
    if any(word in text for word in ACTION_WORDS):
        return "tool_calling"
    return "memory" if any(word in text for word in MEMORY_WORDS) else "chat"


def litellm_tiers(classifier: str) -> Callable[[Sequence[str]], tuple[str, ...]] | None:
    """Tells the tier that LiteLLM's complexity router gives each text: one of ``TIERS``.

    ``classifier`` is one of its two that run on this machine. ``None`` where no LiteLLM with this router is installed.
    """
    # Before the import: without it, LiteLLM fetches its price table from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from litellm.router_strategy.complexity_router import complexity_router  # noqa: PLC0415  slow, and an extra
    except ImportError:
        return None
    router: Any = complexity_router.ComplexityRouter("auto", None, {"classifier_type": classifier})

    async def classify(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple([str((await router.aclassify(text)).tier.value) for text in texts])

    return lambda texts: asyncio.run(classify(texts))


def kindest_mapping(rows: Sequence[Row], tiers: Sequence[str]) -> dict[str, str]:
    """For each tier, the task that is right for most of its rows.

    It is chosen on the very rows that are then judged: no mapping that a user could write does better.
    """
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row, tier in zip(rows, tiers, strict=True):
        if not row.has_image:
            right[tier].update(row.accept)
    return {tier: right[tier].most_common(1)[0][0] if right[tier] else DEFAULT_TASK for tier in sorted(set(tiers))}


def tasks_of_tiers(rows: Sequence[Row], tiers: Sequence[str], mapping: dict[str, str]) -> list[str]:
    """The tasks that tiers stand for. A row with an image is given to vision, which the router itself does not look at."""
    return ["vision" if row.has_image else mapping[tier] for row, tier in zip(rows, tiers, strict=True)]
