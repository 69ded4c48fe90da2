"""How high a rate may be, given how often it was seen."""

from __future__ import annotations

import math

_HALVINGS = 50


def upper_bound(hits: int, n: int, confidence: float = 0.95) -> float | None:
    """The one-sided upper bound of a rate seen ``hits`` times in ``n``; ``None`` where ``n`` is 0.

    Exact: the largest rate at which so few hits still have a probability of ``1 - confidence`` (Clopper and Pearson 1934,
    Biometrika 26(4), 404-413).
    """
    if n == 0:
        return None
    if hits == n:
        return 1.0
    ways = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(hits + 1)]
    low, high = hits / n, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        hit, miss = math.log(middle), math.log1p(-middle)
        so_few = sum(math.exp(way + i * hit + (n - i) * miss) for i, way in enumerate(ways))
        low, high = (middle, high) if so_few > 1 - confidence else (low, middle)
    return high
