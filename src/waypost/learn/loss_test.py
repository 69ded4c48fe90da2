"""Whether a mean loss is proven to be below a limit, whatever the losses are distributed like."""

from __future__ import annotations

import math

import numpy as np

from waypost.learn.outcomes import Floats

MOST_BET = 0.75
"""The largest share of the wealth that one bet may lose. That of the paper is 1/2 to 3/4."""

_PRIOR_VARIANCE = 0.25


def is_below(losses: Floats, limit: float, confidence: float) -> bool:
    """Whether the mean that ``losses`` are drawn from is below ``limit``; wrongly so with a probability of 1 - ``confidence``.

    Losses are from -1 (a gain) to 1, independent, and in an order that has nothing to do with them. It is the test by betting
    of Waudby-Smith and Ramdas (Estimating means of bounded random variables by betting, JRSS B 86(1), 2024; arXiv 2010.09686):
    wealth is bet on the mean being below, each bet sized by the variance of the losses before it. If the mean is not below,
    nobody gains by such bets, and wealth ends 1 / (1 - confidence) times as high at most so rarely (Markov's inequality). The
    highest wealth on the way would prove more (Ville's), but by the luck of the order: another seed would prove something else.
    It holds for any number of losses, and uses that most differences between two choices are 0, as no bound for hits can.
    """
    shares, tried = (1 - losses) / 2, (1 - limit) / 2
    if not losses.size or not 0 < tried < 1:
        return False
    counts = np.arange(1, losses.size + 1)
    means = (0.5 + np.cumsum(shares)) / (counts + 1)
    variances = (_PRIOR_VARIANCE + np.cumsum((shares - means) ** 2)) / (counts + 1)
    known = np.concatenate(([_PRIOR_VARIANCE], variances[:-1]))
    needed = -math.log1p(-confidence)
    bets = np.minimum(np.sqrt(2 * needed / (losses.size * known)), MOST_BET / tried)
    return bool(np.log1p(bets * (shares - tried)).sum() >= needed)


def losses_needed(losses: Floats, limit: float, confidence: float, most: int = 10_000_000) -> int | None:
    """About how many losses like these would prove it; ``None`` where no number up to ``most`` would.

    A single loss of 0 tells how many are needed at the least.
    """

    def proves(count: int) -> bool:
        return is_below(np.resize(losses, count), limit, confidence)

    if losses.mean() >= limit:
        return None
    high = max(1, losses.size)
    while not proves(high):
        high *= 2
        if high > most:
            return None
    low = 0
    while high - low > 1 + high // 1000:
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high
