"""Which entries of a ledger are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Filter:
    """Entries of one deployment, route and status that began at ``since`` or later and before ``until``; ``None`` takes any.

    Times are in the form of ``started_at``: ISO 8601 in UTC.
    """

    deployment: str | None = None
    route: str | None = None
    status: str | None = None
    since: str | None = None
    until: str | None = None

    def wanted(self) -> dict[str, str]:
        """The keys that count, each with the value that an entry must have; times beside."""
        named = {"deployment": self.deployment, "route": self.route, "status": self.status}
        return {key: value for key, value in named.items() if value is not None}

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether this entry is one of those."""
        begun = entry["started_at"]
        in_time = (self.since is None or begun >= self.since) and (self.until is None or begun < self.until)
        return in_time and all(entry[key] == value for key, value in self.wanted().items())


ANY = Filter()
