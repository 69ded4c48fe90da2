"""Abilities made up for tests: two known models, and kinds by size."""

from __future__ import annotations

import numpy as np

from waypost.decide.abilities import FIELDS, INPUTS, Abilities
from waypost.decide.model_kinds import KIND

SIZE = 1 + len(FIELDS)


def abilities(**changed: object) -> Abilities:
    """``gpt-4o-mini`` is at 1, ``llama-3-1-8b-instruct`` at 0; each doubling of size adds 0.3; long prompts are hard."""
    means = np.zeros((2, SIZE))
    means[0, 0] = 1.0
    kind, ease = np.zeros(len(KIND)), np.zeros(len(INPUTS))
    kind[KIND.index("log2_size")] = 0.3
    ease[INPUTS.index("log_words")] = -2.0
    given: dict[str, object] = {
        "names": ("gpt-4o-mini", "llama-3-1-8b-instruct"),
        "means": means,
        "covariances": np.repeat(np.diag([0.04] + [0.01] * len(FIELDS))[None], 2, axis=0),
        "outcomes": np.array([2000, 3000]),
        "ease": ease,
        "ease_covariance": np.eye(len(INPUTS)) * 0.01,
        "centre": np.full(len(INPUTS), 1 / 32),
        "kind": kind,
        "kind_covariance": np.eye(len(KIND)) * 0.01,
        "kind_sd": 0.5,
        "traffic_sd": 0.4,
        "tilt_sd": 0.15,
        "source_sd": 1.2,
        **changed,
    }
    return Abilities(**given)  # type: ignore[arg-type]
