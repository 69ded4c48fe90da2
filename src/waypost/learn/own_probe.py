"""A probe of a user's own: prompts out of a file of known models' outcomes, which gives their good answers as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.errors import ArtefactError
from waypost.learn.ability_curves import AbilityCurves
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcomes import Ints, Outcomes, Prompt
from waypost.learn.probe_choice import choose_prompts


@dataclass(frozen=True, slots=True)
class OwnProbe:
    """The outcomes of a file, and the ``rows`` of them that a new model is asked."""

    outcomes: Outcomes
    curves: AbilityCurves
    rows: Ints

    @classmethod
    def choose(cls, path: Path, count: int) -> OwnProbe:
        """The ``count`` prompts of a file that tell most. Raises ArtefactError where it cannot be used.

        Prompts without an `answer` are never chosen; they are predicted like all that are not asked.
        """
        outcomes = load_outcomes([path])
        curves = AbilityCurves.fit(outcomes.scores)
        among = [row for row, prompt in enumerate(outcomes.prompts) if prompt.answer]
        if not among:
            raise ArtefactError(f"no prompt of {path.name} has a good answer to compare with: give it a column `answer`")
        return cls(outcomes, curves, choose_prompts(outcomes, curves, count, among))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What is asked."""
        return tuple(self.outcomes.prompts[row] for row in self.rows.tolist())
