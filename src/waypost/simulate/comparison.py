"""One scenario under several policies: the same conversations, decided on in other ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from waypost.decide.policy import Policy, Route
from waypost.simulate.scenario import Scenario
from waypost.simulate.traffic import Session, traffic
from waypost.simulate.world import Outcome, World

SINGLE, TASK_ONLY, AWARE = "single model", "task only", "residency"


@dataclass(frozen=True, slots=True)
class Row:
    """A policy and what came of it."""

    policy: str
    outcome: Outcome

    @property
    def swaps(self) -> int:
        """Loads for which something was thrown out of memory."""
        return sum(answer.swapped for answer in self.outcome.answers)

    @property
    def refused(self) -> int:
        """Requests that nobody could answer."""
        return sum(answer.model is None for answer in self.outcome.answers)

    @property
    def quality(self) -> float:
        """The mean of what the scenario states for who answered; a request that nobody could answer counts as 0."""
        answers = self.outcome.answers
        return sum(answer.quality for answer in answers) / len(answers)

    def first_s(self, share: float) -> float | None:
        """That quantile of the seconds to the first token; ``None`` where nothing was answered."""
        found = sorted(answer.first_s for answer in self.outcome.answers if answer.first_s is not None)
        return found[min(len(found) - 1, math.ceil(share * len(found)) - 1)] if found else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows: a single model, task only, and by what is loaded."""

    scenario: str
    requests: int
    seed: int
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        base = next(row for row in self.rows if row.policy == TASK_ONLY)
        return {
            "scenario": self.scenario,
            "requests": self.requests,
            "seed": self.seed,
            "policies": [_row(row, base) for row in self.rows],
        }


def _row(row: Row, base: Row) -> dict[str, Any]:
    p50_s, p95_s = row.first_s(0.5), row.first_s(0.95)
    models: dict[str, int] = {}
    for answer in row.outcome.answers:
        if answer.model is not None:
            models[answer.model] = models.get(answer.model, 0) + 1
    return {
        "policy": row.policy,
        "swaps": row.swaps,
        "fewer_swaps": round(1 - row.swaps / base.swaps, 4) if base.swaps else None,
        "loads": row.outcome.loads,
        "loading_s": round(row.outcome.loading_s, 1),
        "first_token_p50_s": None if p50_s is None else round(p50_s, 3),
        "first_token_p95_s": None if p95_s is None else round(p95_s, 3),
        "quality": round(row.quality, 4),
        "points_lost": round(100 * (base.quality - row.quality), 2),
        "refused": row.refused,
        "models": dict(sorted(models.items(), key=lambda item: -item[1])),
    }


def compare(scenario: Scenario, title: str, *, requests: int, seed: int) -> Comparison:
    """Runs the same conversations under each policy. The same seed gives the same numbers."""
    sessions = traffic(scenario, requests, seed)
    routes = {name: Route(name, route.candidates, band=route.band) for name, route in scenario.routes.items()}
    residency = None if scenario.residency is None else scenario.residency.rules()
    policies: Sequence[tuple[str, Policy]] = (
        (SINGLE, _policy(_single(scenario, sessions), residency=None)),
        (TASK_ONLY, _policy(routes, residency=None)),
        (AWARE, _policy(routes, residency=residency)),
    )
    rows = tuple(Row(label, World(scenario, policy).run(sessions)) for label, policy in policies)
    return Comparison(title, sum(len(session.turns) for session in sessions), seed, rows)


def _policy(routes: Mapping[str, Route], **fields: Any) -> Policy:
    return Policy("simulated", MappingProxyType(dict(routes)), default_route=next(iter(routes)), **fields)


def _single(scenario: Scenario, sessions: Sequence[Session]) -> dict[str, Route]:
    """Every route to the one model that is best over all of these turns; what it cannot do counts as 0."""
    asked = [turn.model for session in sessions for turn in session.turns]

    def worth(model: str) -> float:
        quality = scenario.models[model].quality
        return sum(quality.get(route, 0.0) for route in asked)

    best = max(scenario.models, key=worth)
    return {name: Route(name, (best,)) for name in scenario.routes}
