"""Where deployments stand after a probe: what was known of each, moved by what it answered well."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from waypost.decide.abilities import Abilities, Standing
from waypost.decide.probed import ProbeResult

_PSEUDO = 0.5
"""Added to the passed and to the failed, so that all and none have odds (Haldane's correction)."""


def after_probes(known: Sequence[tuple[Standing, ProbeResult]], abilities: Abilities) -> list[Standing]:
    """The standings of deployments whose probes asked the same prompts.

    How hard the prompts are is not known beforehand: it is one more source of outcomes, and learned from all the deployments
    together. So one probe alone moves little, and several tell who is better than whom. All is normal in log-odds, so the
    posterior is exact. Who answered nothing stays where it was.
    """
    size = len(known)
    if not size:
        return []
    before = np.array([standing.mean[0] for standing, _ in known])
    variances = np.array([standing.covariance[0, 0] for standing, _ in known])
    seen = np.array([_log_odds(result) for _, result in known])
    noise = seen[:, 1] + abilities.traffic_sd**2
    # Of what was seen: own ability, the prompts' ease (common to all), and chance.
    total = np.diag(variances + noise) + abilities.source_sd**2
    gain = variances[:, None] * np.linalg.inv(total)
    means = before + gain @ (seen[:, 0] - before)
    left = variances - np.diag(gain) * variances
    return [
        standing if not result.asked else standing.at(float(mean), float(variance), standing.n + result.asked)
        for (standing, result), mean, variance in zip(known, means, left, strict=True)
    ]


def _log_odds(result: ProbeResult) -> tuple[float, float]:
    """Of passing, with their variance; nearly without weight where nothing was answered."""
    if not result.asked:
        return 0.0, 1e6
    passed, failed = result.passed + _PSEUDO, result.asked - result.passed + _PSEUDO
    return math.log(passed / failed), 1 / passed + 1 / failed
