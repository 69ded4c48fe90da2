"""All that serving reads of what `waypost train quality` left behind, as one thing that can be swapped for another."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import ABILITIES, Abilities, Standing
from waypost.decide.lengths import LENGTHS, LengthForecast
from waypost.decide.live_quality import LiveQuality
from waypost.decide.moved_abilities import Passed, after_outcomes
from waypost.decide.probed import ProbeResult
from waypost.decide.quality_pools import PoolQuality
from waypost.decide.quality_weights import POOLS, QUALITY_FILE, QualityWeights, load_quality_weights
from waypost.errors import ArtefactError
from waypost.fleet.view import Deployment

_DIGEST_CHARS = 8

Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class LearnedQuality:
    """The estimates of quality, and the forecast of lengths if there is one. ``version`` names what they were learned from."""

    version: str
    estimator: LiveQuality
    lengths: LengthForecast | None

    def after_probes(self, results: Sequence[tuple[Deployment, ProbeResult]]) -> LearnedQuality:
        """The same, but that these probes count, and no others. Takes under a millisecond for ten of them."""
        version = f"{self.version}+probes-{_digest(results)}" if results else self.version
        return replace(self, estimator=self.estimator.after_probes(results, version))


def load_quality(path: Path | None = None) -> LearnedQuality:
    """What is in the folder ``path``, or what is shipped.

    Pools count where they are of one's own outcomes: the shipped ones are of examinations, and speak for no other traffic.
    Where ``path`` holds no abilities, they and the lengths are those that are shipped. Raises ArtefactError where something is
    missing or damaged, does not belong together, or was learned for another reading of the text.
    """
    weights = load_quality_weights(path)
    abilities = _piece(weights, ABILITIES, Abilities.of_arrays)
    lengths = _piece(weights, LENGTHS, LengthForecast.of_arrays)
    if path is None:
        return LearnedQuality(weights.version, LiveQuality(abilities, version=weights.version), lengths)
    pools = _piece(weights, POOLS, functools.partial(PoolQuality.of_arrays, weights.version))
    if abilities is None and pools is None and lengths is None:
        raise ArtefactError(f"{QUALITY_FILE} holds neither pools nor abilities nor lengths: run `waypost train quality`")
    version = weights.version
    if abilities is None:
        shipped = load_quality_weights()
        version = f"{version}+{shipped.version}"
        abilities = _piece(shipped, ABILITIES, Abilities.of_arrays)
        lengths = lengths or _piece(shipped, LENGTHS, LengthForecast.of_arrays)
    models = {} if abilities is None or pools is None else _own(pools, abilities)
    return LearnedQuality(version, LiveQuality(abilities, pools, models, version=version), lengths)


def _own(pools: PoolQuality, abilities: Abilities) -> dict[str, Standing]:
    """Where the models of the pools stand after their outcomes there."""
    found: dict[str, Standing] = {}
    for pool in pools.pools:
        asked = np.rint(pool.experts.counts.sum(axis=0)).astype(int).tolist()
        outcomes = [Passed(share * n, n) for share, n in zip(pool.experts.overall.tolist(), asked, strict=True)]
        before = [found.get(model) or abilities.standing(_called(model)) or abilities.anybody() for model in pool.models]
        after = after_outcomes(list(zip(before, outcomes, strict=True)), abilities)
        found.update(zip(pool.models, after, strict=True))
    return found


def _called(model: str) -> Deployment:
    """A deployment of which only the name is known, with its provider where the name has one in front."""
    provider, _, name = model.rpartition("/")
    return Deployment(model, model, provider, name, "litellm", local=False)


def _piece(weights: QualityWeights, name: str, make: Callable[[Mapping[str, npt.NDArray[Any]]], Piece]) -> Piece | None:
    arrays = weights.piece(name)
    if not arrays:
        return None
    try:
        return make(arrays)
    except (KeyError, ValueError, IndexError):
        raise ArtefactError(
            f"the {name} in {QUALITY_FILE} are of another form: reinstall Waypost, or run `waypost train quality`"
        ) from None


def _digest(results: Sequence[tuple[Deployment, ProbeResult]]) -> str:
    """The same for the same probes, in whatever order."""
    said = sorted(f"{deployment.id} {result.prompts} {result.probed_at} {result.passed}" for deployment, result in results)
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]
