"""`waypost feedback report`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from waypost.cli.ledger_file import ledger_config_option, ledger_option, ledger_path
from waypost.cli.output import console, json_option, print_json
from waypost.cli.period import period_options, times
from waypost.cli.table import print_table
from waypost.ledger.filter import Filter
from waypost.ledger.rating import SOURCES
from waypost.ledger.reader import SqliteReader

_COLUMNS = ("route", "deployment", "answers", "rated", "score", "95 % interval", "failed checks", "cut", "broken")


@click.command()
@click.option("--route", help="Only decisions of this route.")
@period_options
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice(SOURCES),
    default=("user", "judge"),
    show_default=True,
    help="Whose ratings count. Repeatable.",
)
@ledger_config_option
@ledger_option
@json_option
def report(
    route: str | None,
    since: datetime | None,
    until: datetime | None,
    sources: tuple[str, ...],
    config: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Say how the answers of each deployment did on each route: ratings, checks of tool calls, cut and broken answers.

    Each answered what was sent to it, which may be harder for one than for another: `waypost whatif` compares.

    JSON keys of each: route, deployment, answers, rated, score, ci95, checked, misfits, cut, broken.
    """
    from waypost.learn.quality_tracking import tracks

    entries = SqliteReader(ledger_path(config, path)).whole(Filter(None, route, **times(since, until)))
    found = [one.to_dict() for one in tracks(entries, sources)]
    if as_json:
        print_json(found)
    elif found:
        print_table(console(), _COLUMNS, map(_row, found), right=("answers", "rated", "score", "cut", "broken"))
    else:
        click.echo("there are no answers")


def _row(one: dict[str, Any]) -> list[str]:
    bounds = "unknown" if one["ci95"] is None else f"{one['ci95'][0]:.2f} to {one['ci95'][1]:.2f}"
    return [
        one["route"] or "(named)",
        one["deployment"],
        f"{one['answers']:,}",
        f"{one['rated']:,}",
        "unknown" if one["score"] is None else f"{one['score']:.2f}",
        bounds,
        f"{one['misfits']:,} of {one['checked']:,}",
        f"{one['cut']:,}",
        f"{one['broken']:,}",
    ]
