"""What a few right and wrong answers say of the share of right ones."""

from __future__ import annotations

import numpy as np

from waypost.decide.quality import QualityEstimate

# Shares at which the posterior is looked at: bounds are right to a thousandth.
_SHARES = (np.arange(2000) + 0.5) / 2000


def share_of(passed: int, asked: int) -> QualityEstimate:
    """The mean of the Beta posterior under a uniform prior (Laplace's rule of succession), and bounds of 9 in 10."""
    logs = passed * np.log(_SHARES) + (asked - passed) * np.log1p(-_SHARES)
    below = np.cumsum(np.exp(logs - logs.max()))
    lower, upper = (float(np.interp(share * below[-1], below, _SHARES)) for share in (0.05, 0.95))
    return QualityEstimate((passed + 1) / (asked + 2), lower, upper, asked)
