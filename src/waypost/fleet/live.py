"""How one deployment is right now, and how that looks as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from waypost.errors import ProviderError
from waypost.fleet.breaker import FIRST_BACK_OFF_S, Breaker, pause_s
from waypost.fleet.deployment import Deployment, Status
from waypost.fleet.latency import Latency
from waypost.fleet.places import concerning, is_missing, learn, recognised, reported
from waypost.fleet.report import EngineReport
from waypost.fleet.residency import Residency

# A busy engine may miss one look.
_LOOKS_TO_BE_DOWN = 2


@dataclass(slots=True)
class Live:
    """What changes about one deployment. ``key_rests``: until when a key of several is left alone, by its position from 0.

    ``residency`` counts as a misfit until ``residency_until``. It is not safe for threads: its owner holds a lock.
    """

    up: bool | None = None
    loaded: bool | None = None
    seen: str | None = None
    in_flight: int = 0
    missed_looks: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    key_rests: dict[int, float] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    whole_latency: Latency = field(default_factory=Latency)
    residency: Residency | None = None
    residency_until: float = math.inf
    snapshot: Status | None = None
    snapshot_until: float = 0.0

    def rest(self, key: int, error: ProviderError, now: float, *, keys: int) -> None:
        """One of several ``keys`` is left alone for as long as its error asks for; when all are, so is the deployment."""
        until = now + (pause_s(error) or FIRST_BACK_OFF_S)
        self.key_rests[key] = max(self.key_rests.get(key, 0.0), until)
        resting = [until for until in self.key_rests.values() if until > now]
        if len(resting) >= keys:
            self.breaker.trouble = error.message
            self.breaker.pause(min(resting))

    def unanswered(self) -> bool:
        """A look at its engine was not answered. Says whether it is down, then."""
        self.missed_looks += 1
        if self.up is not None and self.missed_looks < _LOOKS_TO_BE_DOWN:
            return False
        self.up, self.loaded = False, None
        self.seen = "no engine answers; start it, or correct its api_base"
        return True

    def seen_in(self, report: EngineReport, deployment: Deployment) -> Deployment:
        """Its engine says how it is: the deployment with what is new of it."""
        self.missed_looks = 0
        report = concerning(deployment, report)
        model, missing = reported(report, deployment), is_missing(report, deployment)
        self.up, self.seen = report.serves and not missing, report.problem
        self.loaded = model.loaded if model else None
        if missing:
            self.seen = f"its engine has no model {deployment.model}"
        known = recognised(deployment, report)
        return known if model is None else learn(known, model)

    def status(self, now: float) -> Status:
        """The status as a value; made again only after a change, or while time alone changes it."""
        if self.snapshot is not None and now < self.snapshot_until:
            return self.snapshot
        if now >= self.residency_until and self.residency is not None:
            self.residency, self.residency_until = replace(self.residency, misfit=False), math.inf
        left_s = 0.0 if self.breaker.closed else self.breaker.left_s(now)
        probing, first_s, whole_s = self.breaker.probing, self.latency.value(now), self.whole_latency.value(now)
        up, loaded, in_flight = self.up, self.loaded, self.in_flight
        if left_s <= 0 and not self.key_rests:
            self.snapshot = Status(up, self.seen, loaded, in_flight, None, probing, (), first_s, whole_s, self.residency)
            self.snapshot_until = min(self.latency.until(now), self.whole_latency.until(now), self.residency_until)
            return self.snapshot
        self.key_rests = {key: until for key, until in self.key_rests.items() if until > now}
        cooling_s, said = (left_s, self.breaker.trouble) if left_s > 0 else (None, self.seen)
        resting = tuple(sorted(self.key_rests))
        return Status(up, said, loaded, in_flight, cooling_s, probing, resting, first_s, whole_s, self.residency)
