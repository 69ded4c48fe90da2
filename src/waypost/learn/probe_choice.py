"""Which prompts of a table of outcomes tell most of a model that nobody knows yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waypost.learn.ability_curves import AbilityCurves
from waypost.learn.outcomes import Ints, Outcomes


def choose_prompts(outcomes: Outcomes, curves: AbilityCurves, count: int, among: Sequence[int]) -> Ints:
    """``count`` rows of ``outcomes`` out of ``among``, no question twice; fewer where there are no more questions.

    The prompts are laid out by category, and in it by difficulty, and cut into as many equal parts as prompts are wanted: so
    every category and every difficulty has its share. Of each part it is the prompt whose answer tells most (`information`).
    """
    names = [outcomes.prompts[row].category for row in among]
    order = np.asarray(among)[np.lexsort((curves.offsets[list(among)], np.unique(names, return_inverse=True)[1]))]
    told, asked, chosen = curves.information, set[str](), list[int]()
    for part in np.array_split(order, min(count, len(order))):
        fresh = [row for row in part.tolist() if outcomes.prompts[row].group not in asked]
        if fresh:
            chosen.append(max(fresh, key=told.__getitem__))
            asked.add(outcomes.prompts[chosen[-1]].group)
    return np.array(chosen)
