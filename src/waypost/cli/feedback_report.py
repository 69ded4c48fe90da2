"""`waypost feedback report`."""

from __future__ import annotations

from typing import Any

import click

from waypost.cli.output import console, json_option, print_json
from waypost.cli.rated import Rated, rated_options
from waypost.cli.table import print_table

_COLUMNS = ("route", "deployment", "answers", "rated", "score", "95 % interval", "failed checks", "cut", "broken")


@click.command()
@rated_options
@json_option
def report(rated: Rated, as_json: bool) -> None:
    """Say how the answers of each deployment did on each route: ratings, checks of tool calls, cut and broken answers.

    Each answered what was sent to it, which may be harder for one than for another: `waypost whatif` compares.

    JSON keys of each: route, deployment, answers, rated, score, ci95, checked, misfits, cut, broken.
    """
    from waypost.learn.quality_tracking import tracks

    found = [one.to_dict() for one in tracks(rated.entries(), rated.sources)]
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
