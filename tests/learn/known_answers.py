"""Outcomes whose truth is known: models of known ability on prompts of known ease."""

from __future__ import annotations

import numpy as np

from waypost.decide.abilities import IN_FIELD, INPUTS
from waypost.learn.answers import Answers

PROMPTS = 400
NAMES = (
    *("gpt-4o-2024-08-06", "gpt-4o-mini", "claude-3-5-haiku", "llama-3-1-8b-instruct", "llama-3-3-70b-instruct"),
    *("qwen-2-5-7b-instruct", "qwen-2-5-72b-instruct", "gemma-2-9b-instruct", "gemma-2-2b-instruct", "mistral-large-2411"),
)
TRUTH = dict(zip(NAMES, (1.6, 1.0, 0.9, -0.2, 1.3, 0.2, 1.1, 0.3, -1.2, 1.4), strict=True))
EASE = np.zeros(len(INPUTS))
EASE[INPUTS.index("log_words")] = -1.0
LEVELS = {"easy": 1.0, "plain": 0.0, "hard": -1.0}


def known_answers(seed: int = 1, without: tuple[str, ...] = ()) -> list[Answers]:
    """Three sources with all models in two and half of them in the third."""
    rng = np.random.default_rng(seed)
    return [_source(rng, name, [one for one in NAMES[:: 2 if name == "hard" else 1] if one not in without]) for name in LEVELS]


def _source(rng: np.random.Generator, name: str, models: list[str]) -> Answers:
    labels = rng.dirichlet(np.full(len(IN_FIELD) - 4, 0.1), PROMPTS)
    inputs = np.hstack((labels, rng.uniform(0, 1, (PROMPTS, 4))))
    inputs[:, -1] = 0
    centred = inputs - inputs.mean(axis=0)
    odds = LEVELS[name] + centred @ EASE
    scores = np.stack([rng.random(PROMPTS) < 1 / (1 + np.exp(-(odds + TRUTH[model]))) for model in models], axis=1)
    tokens = np.exp(4 + inputs[:, [-4]] + rng.normal(0, 0.3, (PROMPTS, len(models))))
    return Answers(name, tuple(models), tuple(models), inputs, scores.astype(np.float64), tokens)
