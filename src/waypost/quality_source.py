"""Where the estimates of quality and length come from: an artefact that is read when somebody first needs it, probes, RouteLLM.

The one that the config names is read when the config is, and again when its file has changed. One that cannot be used changes
nothing: the one before it stays in force.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from waypost.config.quality import QualitySettings
from waypost.decide.learned_quality import LearnedQuality, load_quality
from waypost.decide.policy import Policy
from waypost.decide.probed import ProbeResult, probe_key
from waypost.decide.quality import AnswerLengths, QualityEstimate, QualityEstimator, WinRates
from waypost.decide.quality_weights import QUALITY_CARD_FILE, QUALITY_FILE
from waypost.decide.task import TaskScores
from waypost.errors import ArtefactError
from waypost.fleet.deployment import Deployment
from waypost.probe_results import default_probes_path, load_probes
from waypost.routellm import load_router
from waypost.turn import EMPTY, Turn

_log = logging.getLogger("waypost")

Load = Callable[[Path | None], LearnedQuality]
LoadRouter = Callable[[str, Path | None], WinRates]
Probed = tuple[tuple[Deployment, ProbeResult], ...]
_Stamp = tuple[int, int, int]
_Seen = tuple[QualitySettings, tuple[_Stamp | None, ...]]


class QualitySource:
    """A `QualityEstimator`, and a forecast of lengths, that are read from a file when they are first asked."""

    def __init__(self, load: Load = load_quality, load_router: LoadRouter = load_router, probes: Path | None = None) -> None:
        self._load = load
        self._probes_path = default_probes_path(os.environ) if probes is None else probes
        self._probes_seen: _Stamp | None = None
        self._probes: Mapping[str, ProbeResult] = EMPTY
        self._load_router = load_router
        self._checkpoints: Mapping[str, str | None] = EMPTY
        self.win_rates: Mapping[str, WinRates] = EMPTY
        self._reading = threading.Lock()
        self._seen: _Seen | None = None
        self._learned: LearnedQuality | None = None
        self._probed: Probed = ()
        self._shipped = False

    def follow(self, settings: QualitySettings, policy: Policy) -> None:
        """Takes up what the settings and the policy's pairs name, if that is not what is in force, and reads what probes found.

        May take long. What is shipped is read where some turns will need it. Raises `ArtefactError` where what they name cannot
        be used, once for each change of it; then what was in force stays so.
        """
        path = Path(settings.artefact).expanduser() if settings.artefact else None
        files = () if path is None else (path / QUALITY_FILE, path / QUALITY_CARD_FILE)
        seen = settings, tuple(map(_stamp, files))
        if seen != self._seen:
            self._seen = seen
            learned = None if path is None or not settings.enabled else self._load(path)
            with self._reading:
                self._learned = None if learned is None else learned.after_probes(self._probed)
                self._shipped = settings.enabled and path is None
        stamp = _stamp(self._probes_path)
        if stamp != self._probes_seen:
            self._probes_seen, self._probes = stamp, load_probes(self._probes_path)
        self._take_routers(policy)
        if policy.estimates:
            self._read()

    def count_probes(self, deployments: Sequence[Deployment]) -> None:
        """Lets what probes found of these deployments, and of no others, count for their estimates."""
        found = [(one, self._probes.get(probe_key(one))) for one in deployments] if self._probes else ()
        probed = tuple((one, result) for one, result in found if result is not None)
        if probed == self._probed:
            return
        with self._reading:
            self._probed = probed
            if self._learned is not None:
                self._learned = self._learned.after_probes(probed)

    def _take_routers(self, policy: Policy) -> None:
        wanted = {name: pair.checkpoint for name, pair in policy.pairs.items() if pair.router == "routellm"}
        if wanted == self._checkpoints:
            return
        self._checkpoints = wanted
        paths = {name: None if folder is None else Path(folder).expanduser() for name, folder in wanted.items()}
        self.win_rates = MappingProxyType({name: self._load_router(name, path) for name, path in paths.items()})

    def in_force(self) -> tuple[QualityEstimator, AnswerLengths | None]:
        """Who tells quality and lengths as of now, whatever is followed later; this source, while nothing is read."""
        learned = self._learned
        return (self, self) if learned is None else (learned.estimator, learned.lengths)

    @property
    def version(self) -> str:
        """That of the artefact; empty where there is none."""
        learned = self._learned
        return "" if learned is None else learned.estimator.version

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        """As the artefact has it; ``None`` of everybody where there is none."""
        learned = self._read()
        return [None] * len(deployments) if learned is None else learned.estimator.estimate(turn, deployments, task)

    def tokens(self, task: TaskScores, deployments: Sequence[Deployment], caps: Sequence[int | None]) -> Sequence[int | None]:
        """The same for lengths."""
        learned = self._read()
        lengths = None if learned is None else learned.lengths
        return [None] * len(deployments) if lengths is None else lengths.tokens(task, deployments, caps)

    def _read(self) -> LearnedQuality | None:
        """What is in force; what is shipped is read for the first who wants it."""
        if self._shipped:
            with self._reading:
                if self._shipped:
                    try:
                        self._learned = self._load(None).after_probes(self._probed)
                    except ArtefactError as error:
                        _log.error("no quality is estimated: %s", error.message)
                    self._shipped = False
        return self._learned


def _stamp(path: Path) -> _Stamp | None:
    """Time, size and inode; ``None`` for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
