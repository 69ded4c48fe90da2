"""Which entries of a ledger are wanted."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """Entries of one deployment, route and status; ``None`` takes any."""

    deployment: str | None = None
    route: str | None = None
    status: str | None = None

    def wanted(self) -> dict[str, str]:
        """The keys that count, each with the value that an entry must have."""
        return {key: value for key, value in asdict(self).items() if value is not None}


ANY = Filter()
