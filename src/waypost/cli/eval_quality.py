"""`waypost eval quality`."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost._version import __version__
from waypost.cli.output import console, json_option, print_json, require_writable, unwritable, write_text
from waypost.cli.progress import bars, shown_on

if TYPE_CHECKING:
    from waypost.learn.outcome_splits import Division
    from waypost.learn.outcomes import Outcomes

_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of the outcomes is wanted, and how training and judged prompts are parted."""

    train: tuple[Path, ...]
    official: bool
    folds: int
    only: tuple[str, ...]
    priced: bool
    drop_flags: tuple[str, ...]
    mend: bool
    seed: int


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--policy", default="knn", show_default=True, help="The router on trial: a built-in one, or MODULE:NAME of your own."
)
@click.option(
    "--train", multiple=True, type=click.Path(path_type=Path), help="Learn from this file, and judge all of FILE. Repeatable."
)
@click.option("--official", is_flag=True, help="Learn from the rows with the split train, and judge the others but extra.")
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(2), help="Without these two: parts of the cross-validation."
)
@click.option("--only", multiple=True, metavar="MODEL", help="Choose among these models only. Repeatable.")
@click.option("--priced", is_flag=True, help="Choose among the models only whose cost is known for every answer.")
@click.option("--strong", metavar="MODEL", help="The strong one of two models. Default: the one with the higher mean score.")
@click.option("--drop-flag", "drop_flags", multiple=True, metavar="FLAG", help="Leave out prompts with this flag. Repeatable.")
@click.option(
    "--mend", is_flag=True, help="Average repeated outcomes, and leave leaks out of the training, instead of refusing."
)
@click.option(
    "--resample", default=1000, show_default=True, type=click.IntRange(0), help="Bootstrap resamples, for the intervals."
)
@click.option("--perturb", default=200, show_default=True, type=click.IntRange(0), help="Prompts to say in other ways.")
@click.option("--seed", default=1, show_default=True, help="Chooses folds, resamples, and those prompts.")
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
    quality_at_best_single_cost, cost_at_best_single_quality, ece, brier, flip_rate, latency_us, best_single, oracle, random,
    pair, policies, models, splits, categories, reliability, protocol, files, versions.
    """
    from waypost.decide.task_model import load_task_model
    from waypost.learn.quality_evaluation import QualityEvaluation
    from waypost.learn.quality_policies import baselines, litellm_baselines
    from waypost.learn.quality_subject import load_subject

    for path in (html, plot):
        if path is not None:
            require_writable(path)
    task_model = load_task_model(None)
    makers = baselines(task_model) | litellm_baselines()
    if policy not in makers:
        # As with `python -m`: modules of this folder are found.
        sys.path.insert(0, str(Path.cwd()))
        makers[policy] = load_subject(policy, strong, task_model)
    outcomes, division, protocol = _read(files, _Asked(**asked))
    if strong is not None and strong not in outcomes.models:
        raise click.ClickException(f"no row is about the model {strong}; there are {', '.join(outcomes.models)}")
    evaluation = QualityEvaluation(resampled=resample, perturbed=perturb, seed=asked["seed"], strong=strong)
    # A thread that draws would be in the times of the policies.
    with bars(auto_refresh=False) as progress:
        report = evaluation.evaluate(outcomes, division, makers, policy, shown_on(progress))
    report |= {"protocol": protocol, "files": [file.name for file in files], "versions": _versions()}
    _show(report, html, plot, as_json=as_json)


def _read(files: tuple[Path, ...], asked: _Asked) -> tuple[Outcomes, Division, dict[str, Any]]:
    from waypost.learn.outcome_files import load_outcomes
    from waypost.learn.outcome_splits import cross_validated, official, trained_elsewhere

    if asked.train and asked.official:
        raise click.UsageError("--train and --official exclude each other")
    outcomes = load_outcomes(files, mend=asked.mend)
    if asked.drop_flags:
        kept = [row for row, prompt in enumerate(outcomes.prompts) if not prompt.flags.intersection(asked.drop_flags)]
        outcomes = outcomes.taking(kept)
    if asked.only:
        outcomes = outcomes.among(asked.only)
    if asked.priced:
        outcomes = outcomes.among([model for model, known in zip(outcomes.models, outcomes.priced, strict=True) if known])
    folds = None
    if asked.train:
        way, division = (
            "elsewhere",
            trained_elsewhere(outcomes, [load_outcomes([file], mend=asked.mend) for file in asked.train]),
        )
    elif asked.official:
        way, division = "official", official(outcomes, mend=asked.mend)
    else:
        way, division, folds = "cross-validated", cross_validated(outcomes, asked.folds, asked.seed), asked.folds
    return (
        outcomes,
        division,
        {
            "way": way,
            "folds": folds,
            "train": [file.name for file in asked.train],
            "leaks": division.leaks,
            "repeated": outcomes.repeated,
            "unanswered": int((~outcomes.answered).sum()),
            "seed": asked.seed,
        },
    )


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
