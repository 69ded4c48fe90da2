"""`waypost eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.eval_quality import quality
from waypost.cli.output import console, json_option, print_json, require_writable, write_text
from waypost.cli.progress import bars, shown_on

if TYPE_CHECKING:
    from waypost.learn.datasets import Row


@click.group()
def command() -> None:
    """Measure models and routers on data of known outcome."""


command.add_command(quality)


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Folder with other weights than the shipped ones.")
@click.option("--perturb", default=1000, show_default=True, type=click.IntRange(0), help="Rows of a file to say in other ways.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Chooses those rows, and their typos.")
@click.option("--no-baselines", is_flag=True, help="Leave out what the model is compared with.")
@click.option("--misses", is_flag=True, help="List the first rows that are answered wrongly, too.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report, with plots, into this file too."
)
@json_option
def tasks(
    files: tuple[Path, ...],
    model: Path | None,
    perturb: int,
    seed: int,
    no_baselines: bool,
    misses: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """How well the task model tells the tasks of labelled prompts.

    FILE is JSON lines or parquet with `text` and `task` or `label`, and if known `accept`, `lang`, `source`, `has_tools`,
    `has_image`, `n_turns`, and `pair` for rows that say the same. docs/evaluating-tasks.md explains the numbers.

    JSON keys: n, accuracy, macro_f1, per_class, per_language, per_source, confusion, false_action_rate, false_action_upper95,
    action_recall, unfit_tools, unfit_tools_action_rate, false_action_rate_with_tools, action_recall_with_tools,
    abstain_rate, coverage, ece, ece_per_task, ece_per_language, reliability, flip_rate, flip_rates, paraphrase_flip_rate,
    language_flip_rate, latency_us, baselines, misses, files, versions.
    """
    from waypost.decide.task_model import load_task_model
    from waypost.learn.task_evaluation import TaskEvaluation
    from waypost.learn.task_page import task_page

    if html is not None:
        require_writable(html)
    rows = _load(files)
    loaded = load_task_model(model)
    evaluation = TaskEvaluation(perturbed=perturb, seed=seed, baselines=not no_baselines, misses=misses)
    # A thread that draws would be in the times of the predictions.
    with bars(auto_refresh=False) as progress:
        report = evaluation.evaluate(loaded, rows, shown_on(progress))
    if as_json:
        print_json(report)
    else:
        _print(report, list(rows))
    if html is not None:
        write_text(html, task_page(report, list(rows)))


def _load(files: tuple[Path, ...]) -> dict[str, list[Row]]:
    """The rows by the name of their file; where two files have the same one, by the path as it was given."""
    from waypost.learn.datasets import load_rows

    names = [file.name for file in files]
    return {file.name if names.count(file.name) == 1 else str(file): load_rows(file) for file in files}


def _print(report: dict[str, Any], files: list[str]) -> None:
    from waypost.cli.task_tables import print_report

    print_report(console(), report, files)
