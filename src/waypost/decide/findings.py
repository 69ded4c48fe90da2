"""What guards and config say of a deployment for all turns of one kind: found once, and kept until something changes.

Most requests differ from those before them in their words only, and most deployments have not changed since. What is found of
one for a turn depends on the rules, its route, its status, and what kind of turn it is; on the turn's length only where that
may be too much for its window.
"""

from __future__ import annotations

from typing import NamedTuple

from waypost.decide.card import Candidate, Removal
from waypost.decide.guards import Guard
from waypost.decide.policy import Policy, Route
from waypost.fleet.view import Deployment, Roster, Status

NO_ROUTE = Route("")
"""Where a deployment stands that was named itself."""

# What is kept of each takes half a kilobyte, and only large fleets and many routes come near so many.
_MOST = 10_000


class Finding(NamedTuple):
    """The candidate that a deployment is, or why it is none, while it has this status.

    It holds for prompts of up to ``room_tokens``, with the caller's cap for the answer, where there is one. The candidate has
    no cost: that goes by the prompt.
    """

    status: Status
    deployment: Deployment
    room_tokens: float
    candidate: Candidate | None
    removed: tuple[Guard, Removal] | None


class Findings:
    """What was found for one set of rules, by route and kind of turn."""

    __slots__ = ("_found", "_kinds", "policy")

    def __init__(self, policy: Policy, deployments: int) -> None:
        self.policy = policy
        self._kinds = _MOST // max(deployments, 1) + 1
        self._found: dict[tuple[object, ...], dict[str, Finding]] = {}

    @classmethod
    def of(cls, policy: Policy, roster: Roster) -> Findings:
        """Those that were kept of these deployments, if they are for these rules."""
        known: Findings | None = roster.kept.get("findings")
        if known is None or known.policy is not policy:
            known = roster.kept["findings"] = cls(policy, len(roster))
        return known

    def on(self, route: Route, kind: tuple[object, ...]) -> dict[str, Finding]:
        """What is kept of a route's deployments, by id, to be looked up and added to. Of a route that was made for one turn,
        nothing is kept.
        """
        if self.policy.routes.get(route.name, NO_ROUTE) is not route:
            return {}
        key = route.name, kind
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= self._kinds:
                self._found.clear()
            found = self._found[key] = {}
        return found
