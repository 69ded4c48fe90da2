"""A small scenario: two models on an engine that holds one, and conversations of one turn."""

from __future__ import annotations

from typing import Any

from waypost.simulate.scenario import Scenario


def scenario(**changes: Any) -> Scenario:
    """Route ``one`` prefers ``a``, route ``two`` prefers ``b``; a load takes ten seconds."""
    speed = {"prompt_tokens_per_s": 1000, "answer_tokens_per_s": 100, "load_s": 10, "size_gb": 5}
    lengths = {"prompt_tokens": 900, "message_tokens": 100, "answer_tokens": 100}
    return Scenario.model_validate(
        {
            "about": "small",
            "engines": {"gpu": {"max_models": 1}},
            "models": {
                "a": {"engine": "gpu", "quality": {"one": 0.9, "two": 0.8}, **speed},
                "b": {"engine": "gpu", "quality": {"two": 0.9}, **speed},
            },
            "routes": {"one": {"candidates": ["a"], **lengths}, "two": {"candidates": ["b", "a"], **lengths}},
            "sessions": [{"weight": 1, "turns": [1, 1], "routes": {"one": 1, "two": 1}}],
            "sessions_per_hour": 60,
            "think_s": 5,
            **changes,
        }
    )
