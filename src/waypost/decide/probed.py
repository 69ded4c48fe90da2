"""What a probe of a deployment found: how many of a known set of prompts it answered well."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waypost.addresses import engine_at
from waypost.decide.quality import QualityEstimate
from waypost.fleet.view import Deployment
from waypost.known_settings import LOAD_TIME

# Settings that change no answer, or only where it is cut.
_BESIDE = LOAD_TIME | {"max_tokens", "max_completion_tokens", "num_predict", "n_predict", "user", "metadata", "store"}
_DIGEST_CHARS = 10


@dataclass(frozen=True, slots=True)
class Tally:
    """A group of probe prompts: its ``name``, the ``task`` that they are, how many were answered well, and how many at all.

    Calls that failed are not among those ``asked``.
    """

    name: str
    task: str
    passed: int
    asked: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe of one deployment.

    ``key`` is what `probe_key` gives for whatever answers alike; ``deployment`` is what it was called then. ``prompts`` names
    the set and its version; only results of the same set can be compared. ``probed_at`` is ISO 8601, in UTC. ``errors`` counts
    calls that failed. ``expected`` is the mean score that is predicted for the whole file, where the prompts were chosen from a
    file of outcomes.
    """

    key: str
    deployment: str
    prompts: str
    probed_at: str
    groups: tuple[Tally, ...]
    errors: int = 0
    expected: QualityEstimate | None = None

    @property
    def passed(self) -> int:
        """Prompts that were answered well."""
        return sum(group.passed for group in self.groups)

    @property
    def asked(self) -> int:
        """Prompts that were answered at all."""
        return sum(group.asked for group in self.groups)


def probe_key(deployment: Deployment) -> str:
    """The same for deployments that answer alike: ``provider/model``, and a digest of its place and of its settings.

    What a local engine calls a model may be other weights elsewhere, so its address counts; an address cannot be read off the
    digest. It takes some 20 µs: ask once for a fleet, not for each request.
    """
    place = engine_at(deployment.api_base) if deployment.api_base is not None else ""
    settings = {name: value for name, value in deployment.settings.items() if name not in _BESIDE}
    said = json.dumps([place, settings], sort_keys=True, default=_plain)
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    return f"{deployment.provider}/{deployment.model.removesuffix(':latest')}#{digest}"


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)
