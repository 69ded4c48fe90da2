"""`waypost simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.output import console, json_option, print_json

if TYPE_CHECKING:
    from waypost.simulate.comparison import Comparison

_COLUMNS = {
    "swaps": "swaps",
    "fewer_swaps": "fewer",
    "loads": "loads",
    "loading_s": "loading",
    "first_token_p50_s": "first token p50",
    "first_token_p95_s": "p95",
    "quality": "quality",
    "points_lost": "points lost",
    "refused": "refused",
}


@click.command()
@click.argument("scenario", default="five-routes")
@click.option("--requests", default=2000, show_default=True, type=click.IntRange(1, 1_000_000), help="How many requests come.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Chance: the same seed gives the same numbers."
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture, a PNG, into this file too.")
@json_option
def command(scenario: str, requests: int, seed: int, plot: Path | None, as_json: bool) -> None:
    """Compare policies for a machine whose models do not all fit into memory.

    SCENARIO is a YAML file, or one that comes with Waypost: five-routes, everything-fits, quality-first. The same conversations
    come to one model for everything, to the first of each route (task only), and to whom Waypost would ask by what is loaded.
    docs/residency.md explains the numbers.

    JSON keys: scenario, requests, seed, policies.
    """
    from waypost.simulate.comparison import compare
    from waypost.simulate.scenario import load_scenario

    loaded = load_scenario(scenario)
    found = compare(loaded, scenario, requests=requests, seed=seed)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found, loaded.about)
    if plot is not None:
        _write(found, plot)


def _write(found: Comparison, path: Path) -> None:
    from waypost.simulate.plot import write_plot

    try:
        write_plot(found, path)
    except OSError as error:
        raise click.ClickException(f"{path.name} cannot be written: {error.strerror}") from None


def _print(found: Comparison, about: str) -> None:
    from waypost.cli.table import print_table

    out = console()
    out.print(about)
    out.print(f"{found.requests} requests, seed {found.seed}\n")
    rows = [[row["policy"], *(_cell(name, row[name]) for name in _COLUMNS)] for row in found.to_dict()["policies"]]
    print_table(out, ["policy", *_COLUMNS.values()], rows, right=list(_COLUMNS.values()))


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "?"
    if name == "fewer_swaps":
        return f"{value:.1%}"
    if name.endswith("_s"):
        return f"{value:.0f} s" if name == "loading_s" else f"{value:.2f} s"
    return f"{value:.2f}" if name == "points_lost" else f"{value:.3f}" if name == "quality" else str(value)
