"""`waypost whatif`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.output import console, json_option, print_json
from waypost.cli.rated import Rated, rated_options

if TYPE_CHECKING:
    from waypost.learn.replay import Rules


@click.command()
@click.option(
    "--policy", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The config with the rules to try."
)
@rated_options
@click.option(
    "--resample", default=1000, show_default=True, type=click.IntRange(100), help="Bootstrap resamples, for the intervals."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Chooses the resamples.")
@json_option
def command(policy: Path, rated: Rated, resample: int, seed: int, as_json: bool) -> None:
    """Say what other rules would have made of the decisions in the ledger: which change, what they cost, how good they are.

    Nobody is called. Quality is estimated from ratings of answers (`waypost feedback rate`), where chance had a part in the
    decisions (a route's `explore`). Exit code 1 where they are too few to say anything. docs/what-if.md explains the numbers.

    JSON keys: decisions, changed, moves, again, cost_usd, rated, quality, refusal, expected, files.
    """
    from waypost.defaults import CONFIG_FILE
    from waypost.learn.what_if import WhatIf

    before = _rules(rated.config) if rated.config is not None or CONFIG_FILE.exists() else None
    what_if = WhatIf(_rules(policy), rated.sources, before)
    for entry in rated.entries():
        what_if.see(entry)
    report = what_if.report(resampled=resample, seed=seed) | {"files": [policy.name]}
    if as_json:
        print_json(report)
    else:
        from waypost.cli.what_if_tables import print_what_if

        print_what_if(console(), report)
    if report["refusal"] is not None:
        click.echo(click.style("error: ", fg="red") + report["refusal"], err=True)
        raise SystemExit(1)


def _rules(path: Path | None) -> Rules:
    """The rules of a config, and the deployments that there are with it now."""
    from waypost.cli.local_router import local_router
    from waypost.learn.replay import Rules

    router = asyncio.run(local_router(path))
    return Rules(router.policy, router.view().deployments, router.artefacts)
