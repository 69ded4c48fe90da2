"""Small tables of outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from waypost.learn.outcomes import Outcomes, Prompt


def table(
    prompts: Sequence[Prompt], scores: Sequence[Sequence[float]], costs: Sequence[float | None] | None = None
) -> Outcomes:
    """Models are called a, b, c …; ``costs`` are those of an answer of each."""
    found = np.array(scores, np.float64)
    models = tuple("abcdefghij"[: found.shape[1]])
    each = [math.nan if cost is None else cost for cost in costs or [None] * len(models)]
    return Outcomes("outcomes", tuple(prompts), models, found, np.tile(each, (len(prompts), 1)))


def asked(n: int, text: str = "question") -> list[Prompt]:
    """``n`` prompts of different words, each a group of its own."""
    return [Prompt(f"p{number:03}", f"g{number:03}", f"{text} {number}", category=f"c{number % 2}") for number in range(n)]
