"""How good would the answers have been under other rules? An estimate from rated decisions, where chance had a part in them.

The estimate is doubly robust (Dudik, Langford and Li 2011, arXiv 1103.4601): what was expected of each answer, mended by how
far ratings lay from it where the new rules choose what was chosen, in proportion to how seldom that happened. It has no bias
where the propensities are right, however wrong the expectations are. Nothing can be said of decisions where the new rules
choose what never had a chance: a few of them may count for anything between 0 and 1 (Manski 1990), and with more the answer is
no.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from waypost.errors import ThinData
from waypost.learn.outcomes import Bools, Floats, Ints
from waypost.learn.quality_metrics import means, resamples

LEAST_DECISIONS = 30
"""So many rated decisions there must be, in all and where chance chose what the new rules change to: with fewer, the intervals
of resamples are too narrow."""

MOST_UNJUDGED = 0.05
"""The share of decisions that may count for anything between 0 and 1. More would widen the interval beyond use."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rated decisions, an entry for each in every field.

    ``scores`` are ratings from 0 to 1 of the answer that was chosen; ``propensities`` with which probability it was.
    ``followed``: the new rules choose the same. ``changed``: they choose another one than the old rules did without chance.
    ``possible``: what they choose had a chance. ``expected_chosen`` and ``expected_new`` are the scores that were expected of
    both, NaN where nobody knew. ``clusters`` are equal for decisions that hang together, such as those of one conversation.
    """

    scores: Floats
    propensities: Floats
    followed: Bools
    changed: Bools
    possible: Bools
    expected_chosen: Floats
    expected_new: Floats
    clusters: Ints


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and the bounds of its interval of 95 %."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says.

    ``new`` is the mean score under the new rules, ``old`` that of the answers as they were, ``difference`` what the new rules
    gain. ``weighted`` is the mean of the ratings alone, weighted by the inverse of their propensities and by the sum of the
    weights. ``effective`` is how many decisions of equal weight would say as much; ``drawn`` how many ratings speak for what
    changes, and ``unjudged`` the share of decisions of which nothing is known.
    """

    n: int
    new: Interval
    old: Interval
    difference: Interval
    weighted: Interval
    effective: float
    drawn: int
    unjudged: float


def judge(evidence: Evidence, *, resampled: int = 1000, seed: int = 1) -> Judgement:
    """What the new rules would have scored. ``resampled`` and ``seed`` are of the bootstrap over clusters (Efron 1979).

    Raises `ThinData` that says what is missing where too few decisions are rated, or too few that chance made in the way of
    the new rules.
    """
    n = len(evidence.scores)
    if n < LEAST_DECISIONS:
        raise ThinData(f"{n} decisions are rated so that it counts", LEAST_DECISIONS - n, of="ratings")
    drawn = int((evidence.followed & evidence.changed).sum())
    judged = evidence.possible & (~evidence.changed | (drawn >= LEAST_DECISIONS))
    unjudged = 1 - float(judged.mean())
    if unjudged > MOST_UNJUDGED:
        raise _lacking(evidence, drawn)
    usual = float(evidence.scores.mean())
    chosen, other = (np.where(np.isnan(told), usual, told) for told in (evidence.expected_chosen, evidence.expected_new))
    inverse = np.where(evidence.followed & judged, 1 / evidence.propensities, 0.0)
    if not inverse.any():
        raise ThinData("nothing that is rated went where the new rules go", LEAST_DECISIONS, of="ratings of what did")
    mended = other + inverse * (evidence.scores - chosen)
    weights = resamples(evidence.clusters, resampled, seed)
    new, least, most = (means(weights, np.where(judged, mended, unknown)) for unknown in (other, 0.0, 1.0))
    old = means(weights, evidence.scores)
    with np.errstate(invalid="ignore"):  # a resample may have none of them
        alone = (weights @ (inverse * evidence.scores)) / (weights @ inverse)
    return Judgement(
        n=n,
        new=_interval(new, least, most, lowest=0.0),
        old=_interval(old, old, old, lowest=0.0),
        difference=_interval(new - old, least - old, most - old, lowest=-1.0),
        weighted=_interval(alone, alone, alone, lowest=0.0),
        effective=float(inverse.sum() ** 2 / (inverse**2).sum()),
        drawn=drawn,
        unjudged=unjudged,
    )


def _interval(values: Floats, lower: Floats, upper: Floats, *, lowest: float) -> Interval:
    """The value of the decisions themselves, and the percentiles of the resamples, cut to what is possible."""
    tail = 100 * (1 - CONFIDENCE) / 2
    bounds = np.nanpercentile(lower, tail), np.nanpercentile(upper, 100 - tail)
    cut = (float(min(max(bound, lowest), 1.0)) for bound in (values[0], *bounds))
    return Interval(*cut)


def _lacking(evidence: Evidence, drawn: int) -> ThinData:
    """What is missing."""
    n, changed = len(evidence.scores), evidence.changed & evidence.possible
    impossible = int((~evidence.possible).sum())
    if impossible > MOST_UNJUDGED * n:
        return ThinData(
            f"in {impossible} of {n} rated decisions the new rules choose what never had a chance (its propensity was 0), and "
            f"{MOST_UNJUDGED:.0%} is the most that may be so: let the routes explore, and rate what comes then",
            None,
        )
    # Where nothing was drawn yet, all that chance leaves to others.
    chances = evidence.propensities[changed & evidence.followed] if drawn else 1 - evidence.propensities[changed]
    chance = float(chances.mean())
    return ThinData(
        f"the new rules change {int(changed.sum())} of {n} rated decisions, and in {drawn} of these chance chose as they do, "
        f"with a propensity of {chance:.3g}: {LEAST_DECISIONS} such ratings are the least",
        math.ceil((LEAST_DECISIONS - drawn) / chance),
        of=f"rated decisions that they change{'' if drawn else ', if chance has one other choice there'}",
    )
