"""How long Ollama is to keep a model. It throws out first what is to be kept for the shortest time: the time says the worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.fleet.view import Deployment, Residency

KEEP_ALIVE = "keep_alive"
# What nobody would miss. With Ollama's own five minutes, models leave that are soon loaded again, though there is room: four
# times as many loads (`waypost simulate everything-fits`).
LEAST_S = 1800
# And so much more for each second of loading that the next request would have to expect if it were not there.
SECONDS_PER_SECOND = 60


def keep_alive_s(deployment: Deployment, residency: Residency | None, settings: Mapping[str, Any]) -> int | None:
    """Seconds to keep the model of a deployment; ``None`` where that is not for us to say.

    It is not where the deployment's settings, or those ``settings`` that are laid over them, say it; where nobody knows how
    long a load takes; or where its engine is no Ollama. It grows with demand x load, so that the order in which Ollama throws
    models out is that of what they are worth. Demand is known in steps: requests that follow each other get the same value.
    Another value loads nothing again.
    """
    if residency is None or residency.load_s is None or deployment.reads != "ollama":
        return None
    if KEEP_ALIVE in settings or KEEP_ALIVE in deployment.settings:
        return None
    return LEAST_S + round(SECONDS_PER_SECOND * residency.demand * residency.load_s)
