"""`waypost train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.card_view import shown
from waypost.cli.output import console, json_option, print_json
from waypost.cli.progress import bars, shown_on
from waypost.cli.table import print_table

if TYPE_CHECKING:
    from waypost.learn.task_run import TaskRun

OUT = Path("trained")


@click.group()
def command() -> None:
    """Train the shipped models again."""


@command.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with train.parquet.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder for weights and card.")
@click.option("--outcomes", type=click.Path(path_type=Path), help="Folder with real models' outcomes, to tell difficulty by.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of every random choice.")
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

    with bars() as shown_bars:
        done = run(data, out, seed, shown_on(shown_bars), outcomes=outcomes)
    if as_json:
        print_json(done.card)
    else:
        _print(done)


def _print(done: TaskRun) -> None:
    keys = ("n", "accuracy", "macro_f1", "false_action_rate", "action_recall", "abstain_rate", "ece")
    rows = ([name, *(shown(scores.get(key)) for key in keys)] for name, scores in done.card["scores"].items())
    print_table(console(), ("judged on", *keys), rows, title="Task model", right=keys)
    click.echo(f"wrote {done.out}: {done.card['bytes']} bytes of weights, sha256 {done.card['sha256'][:12]}")
