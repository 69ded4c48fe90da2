"""Which rated decisions of which ledger a command is about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from waypost.cli.ledger_file import ledger_config_option, ledger_option, ledger_path
from waypost.cli.period import period_options, times
from waypost.ledger.filter import Filter
from waypost.ledger.rating import SOURCES
from waypost.ledger.reader import SqliteReader


@dataclass(frozen=True, slots=True)
class Rated:
    """What was asked for: the decisions of a ledger that fit, and whose ratings of them count.

    ``config`` is the one that was named, whose ledger it is; ``None`` where none was.
    """

    ledger: Path
    fitting: Filter
    sources: tuple[str, ...]
    config: Path | None

    def entries(self) -> Iterator[dict[str, Any]]:
        """The decisions, whole, the oldest first."""
        return SqliteReader(self.ledger).whole(self.fitting)


_OPTIONS = (
    click.option("--route", help="Only decisions of this route."),
    period_options,
    click.option(
        "--source",
        "sources",
        multiple=True,
        type=click.Choice(SOURCES),
        default=("user", "judge"),
        show_default=True,
        help="Whose ratings count. Repeatable. Checks mostly know failures, so they are asked for.",
    ),
    ledger_config_option,
    ledger_option,
)


def rated_options(command: Callable[..., Any]) -> Any:
    """Adds the options; the command gets them as ``rated``."""

    @functools.wraps(command)
    def asked(
        *,
        route: str | None,
        since: datetime | None,
        until: datetime | None,
        sources: tuple[str, ...],
        config: Path | None,
        path: Path | None,
        **others: Any,
    ) -> Any:
        fitting = Filter(None, route, **times(since, until))
        return command(rated=Rated(ledger_path(config, path), fitting, sources, config), **others)

    made: Any = asked
    for option in reversed(_OPTIONS):
        made = option(made)
    return made
