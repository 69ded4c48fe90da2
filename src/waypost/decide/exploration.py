"""A share of turns whose first candidate is drawn, so that what is written down tells how the others would have done.

Drawn are groups, each equally often: who would be first, and everybody whose quality may reach the quality of that one, by the
upper bound of its interval, and whose model need not be loaded for it. One of whom nothing is known may. Chance comes from the
turn's id, as in balancing. The propensity is the exact probability with which the first group is the first; which of its
replicas is asked is for balancing to say, and does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from waypost.decide.balancing import chance
from waypost.decide.card import Candidate
from waypost.turn import Turn
from waypost.value import value


@value(frozen=True, slots=True)
class Draw:
    """The candidates after the draw. ``explored``: it put another one first."""

    candidates: tuple[Candidate, ...]
    propensity: float = 1.0
    explored: bool = False


def draw(candidates: tuple[Candidate, ...], turn: Turn, share: float) -> Draw:
    """Draws who goes first, in a ``share`` of turns, more than 0. The others keep their order."""
    first = candidates[0]
    groups = drawable(candidates)
    if len(groups) < 2:
        return Draw(candidates)
    others = [one for one in candidates if groups.get(one.group) is one and one is not first]
    each = share / len(groups)
    spot = 1 - chance(turn, "explore")
    if spot >= each * len(others):
        return Draw(candidates, 1 - each * len(others))
    drawn = others[min(int(spot / each), len(others) - 1)]
    reason = f"{drawn.reason}; drawn to go ahead of {first.deployment}, as this route explores"
    rest = (one for one in candidates if one is not drawn)
    return Draw((replace(drawn, reason=reason), *rest), each, explored=True)


def drawable(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The groups that may be drawn, each with its first candidate; the first of all is who would be asked without chance."""
    first = candidates[0]
    groups = {one.group: one for one in reversed(candidates) if one is first or _may_be_as_good(one, first)}
    groups[first.group] = first
    return groups


def _may_be_as_good(one: Candidate, first: Candidate) -> bool:
    if one.fallback or one.loads:
        return False
    return (
        one.expected_quality is None
        or first.expected_quality is None
        or one.expected_quality.upper >= first.expected_quality.mean
    )
