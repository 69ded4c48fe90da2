"""Which time of the ledger a command is about."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from waypost.ledger.entry import iso_time

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def period_options(command: Any) -> Any:
    """Adds ``--since`` and ``--until``."""
    command = click.option("--until", type=_TIME, help="Only decisions before this time, in UTC.")(command)
    return click.option("--since", type=_TIME, help="Only decisions of this time or later, in UTC.")(command)


def times(since: datetime | None, until: datetime | None) -> dict[str, str | None]:
    """Both in the form of the ledger."""
    return {name: _as_stored(time) for name, time in (("since", since), ("until", until))}


def _as_stored(time: datetime | None) -> str | None:
    return None if time is None else iso_time(time.replace(tzinfo=timezone.utc).timestamp())
