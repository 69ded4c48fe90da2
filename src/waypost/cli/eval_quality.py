"""`waypost eval quality`."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from waypost._version import __version__
from waypost.cli.outcome_options import Asked, makers_with, outcome_options, read_outcomes, require_model
from waypost.cli.output import console, json_option, print_json, require_writable, unwritable, write_text
from waypost.cli.progress import bars, shown_on

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@outcome_options
@click.option(
    "--resample", default=1000, show_default=True, type=click.IntRange(0), help="Bootstrap resamples, for the intervals."
)
@click.option("--perturb", default=200, show_default=True, type=click.IntRange(0), help="Prompts to say in other ways.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Chooses folds, resamples, and those prompts."
)
@click.option("--html", type=_FILE, help="Write the report, with plots, into this file too.")
@click.option("--plot", type=_FILE, help="Write the plots into this file too: .png or .svg.")
@json_option
def quality(
    files: tuple[Path, ...],
    policy: str,
    strong: str | None,
    resample: int,
    perturb: int,
    html: Path | None,
    plot: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """How well routers choose among models whose outcomes are known, and at what cost.

    FILE is parquet, JSON lines or CSV with `prompt`, `model`, `score` and, if known, `cost_usd`; or the tables of RouteLLM and
    RouterBench, with a column for each model. Several files are parts of one data set. docs/quality.md explains the numbers.

    JSON keys: n, policy, quality, cost_usd, over_best_single, oracle_gap_share, apgr, cpt50, cpt80, aiq, arena_score,
    quality_at_best_single_cost, cost_at_best_single_quality, ece, brier, coverage90, interval_width, flip_rate,
    latency_us, best_single, oracle, random, pair, policies, models, splits, categories, reliability, protocol, files, versions.
    """
    from waypost.learn.quality_evaluation import QualityEvaluation
    from waypost.learn.quality_plot import require_plottable

    for path in (html, plot):
        if path is not None:
            require_writable(path)
    if plot is not None:
        require_plottable(plot)
    makers = makers_with(policy, strong, asked["seed"])
    outcomes, division, protocol = read_outcomes(files, Asked(**asked))
    require_model(outcomes, strong)
    evaluation = QualityEvaluation(resampled=resample, perturbed=perturb, seed=asked["seed"], strong=strong)
    # A thread that draws would be in the times of the policies.
    with bars(auto_refresh=False) as progress:
        report = evaluation.evaluate(outcomes, division, makers, policy, shown_on(progress))
    report |= {"protocol": protocol, "files": [file.name for file in files], "versions": _versions()}
    _show(report, html, plot, as_json=as_json)


def _show(report: dict[str, Any], html: Path | None, plot: Path | None, *, as_json: bool) -> None:
    from waypost.cli.quality_tables import print_report
    from waypost.learn.quality_page import quality_page
    from waypost.learn.quality_plot import write_quality_plot

    if as_json:
        print_json(report)
    else:
        print_report(console(), report)
    if html is not None:
        write_text(html, quality_page(report))
    if plot is not None:
        try:
            write_quality_plot(report, plot)
        except OSError as error:
            raise unwritable(plot, error.strerror) from None


def _versions() -> dict[str, str | None]:
    try:
        litellm = metadata.version("litellm")
    except metadata.PackageNotFoundError:
        litellm = None
    return {"waypost": __version__, "litellm": litellm, "python": platform.python_version()}
