"""`waypost train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.card_view import shown
from waypost.cli.output import console, json_option, print_json, require_folder
from waypost.cli.progress import bars, shown_on
from waypost.cli.table import print_table

if TYPE_CHECKING:
    from waypost.learn.quality_run import QualityRun
    from waypost.learn.task_run import TaskRun

OUT = Path("trained")


@click.group()
def command() -> None:
    """Train the shipped models again."""


@command.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with train.parquet.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder for weights and card.")
@click.option("--outcomes", type=click.Path(path_type=Path), help="Folder with real models' outcomes, to tell difficulty by.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of every random choice.")
@json_option
def task(data: Path, out: Path, outcomes: Path | None, seed: int, as_json: bool) -> None:
    """Train the model that tells the task of a request.

    Reads train.parquet and, where they are there, dev.parquet and prompts_100.jsonl from the data folder. Judges by leaving
    whole sources out, calibrates on them, trains on everything, and writes task-model.npz, task-model.json and
    task-model.md. The same data, seed and versions give the same weights.

    JSON keys: sha256, bytes, features_version, tasks, labels, command, seed, temperature, thresholds, scores, difficulty,
    languages, data.
    """
    from waypost.learn.task_run import run

    require_folder(out)
    with bars() as shown_bars:
        done = run(data, out, seed, shown_on(shown_bars), outcomes=outcomes)
    if as_json:
        print_json(done.card)
    else:
        _print(done)


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder for weights and card.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of every random choice.")
@click.option("--drop-flag", "drop_flags", multiple=True, metavar="FLAG", help="Leave out prompts with this flag. Repeatable.")
@click.option(
    "--licence", "licences", multiple=True, metavar="FILE=TEXT", help="The licence of a file, for the card. Repeatable."
)
@click.option("--general", is_flag=True, help="Learn what is true of the models on any prompts, too; of 3 files at least.")
@json_option
def quality(
    files: tuple[Path, ...],
    out: Path,
    seed: int,
    drop_flags: tuple[str, ...],
    licences: tuple[str, ...],
    general: bool,
    as_json: bool,
) -> None:
    """Train what expects how well models answer, on outcomes of theirs.

    FILE is one that `waypost eval quality` reads; files with the same models are parts of one data set. Judges the learner by
    leaving questions out, learns from everything, and writes quality-model.npz, quality-model.json and quality-model.md. The
    same files, seed and versions give the same weights.

    With --general, abilities of the models and lengths of answers are learned across files. Without it, serving takes those
    that are shipped, and moves them by these outcomes.

    JSON keys: name, schema, sha256, bytes, features_version, command, seed, date, limits, data, pools, and with --general
    abilities and lengths.
    """
    from waypost.decide.task_model import load_task_model
    from waypost.learn.quality_run import QualityTraining, run

    stated = dict(one.split("=", 1) for one in licences if "=" in one)
    if len(stated) < len(licences) or not stated.keys() <= {file.name for file in files}:
        raise click.UsageError("--licence names one of the files and its licence: --licence outcomes.csv=MIT")
    require_folder(out)
    training = QualityTraining(seed, drop_flags=drop_flags, general=general, licences=stated)
    with bars() as shown_bars:
        done = run(files, out, load_task_model(), training, shown_on(shown_bars))
    if as_json:
        print_json(done.card)
    else:
        _print_pools(done)


def _print_pools(done: QualityRun) -> None:
    keys = ("n", "best_single", "quality", "over_best_single", "oracle", "ece", "apgr", "coverage90")
    rows = [(", ".join(pool["files"]), *(_value(pool["scores"][key]) for key in keys)) for pool in done.card["pools"]]
    names = [key.replace("_", " ") for key in keys]
    print_table(console(), ("judged on", *names), rows, title="Quality model", right=names)
    click.echo(f"wrote {done.out}: {done.card['bytes']} bytes of weights, sha256 {done.card['sha256'][:12]}")


def _value(measured: Any) -> str:
    return shown(measured["value"] if isinstance(measured, dict) else measured)


def _print(done: TaskRun) -> None:
    keys = ("n", "accuracy", "macro_f1", "false_action_rate", "action_recall", "abstain_rate", "ece")
    rows = ([name, *(shown(scores.get(key)) for key in keys)] for name, scores in done.card["scores"].items())
    print_table(console(), ("judged on", *keys), rows, title="Task model", right=keys)
    click.echo(f"wrote {done.out}: {done.card['bytes']} bytes of weights, sha256 {done.card['sha256'][:12]}")
