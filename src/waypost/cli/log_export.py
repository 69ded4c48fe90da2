"""`waypost log export`."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from waypost.cli.output import json_option, print_json, unwritable
from waypost.cli.rated import Rated, rated_options


@click.command()
@click.option(
    "--outcomes",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write: .csv or .jsonl. It holds prompts, and is made for its owner only.",
)
@rated_options
@json_option
def export(file: Path, rated: Rated, as_json: bool) -> None:
    """Write rated answers whose prompts are stored as outcomes, for `waypost eval quality` and `waypost train quality`.

    Prompts are stored where `ledger.store_prompts` is on. Answers are not in it.

    JSON keys: file, rows, prompts, models, unrated, without_text.
    """
    from waypost.learn.rated_outcomes import COLUMNS, RatedOutcomes

    if file.suffix not in (".csv", ".jsonl"):
        raise click.UsageError("--outcomes must end in .csv or .jsonl")
    found = RatedOutcomes.of(rated.entries(), rated.sources)
    _write(file, _as_csv(COLUMNS, found.rows) if file.suffix == ".csv" else b"".join(map(_as_line, found.rows)))
    prompts, models = ({row[name] for row in found.rows} for name in ("prompt_id", "model"))
    counts = {"rows": len(found.rows), "prompts": len(prompts), "models": sorted(models)}
    left_out = {"unrated": found.unrated, "without_text": found.without_text}
    if as_json:
        print_json({"file": str(file), **counts, **left_out})
        return
    click.echo(f"wrote {counts['rows']} outcomes of {len(models)} deployments on {len(prompts)} prompts to {file}")
    if found.without_text:
        click.echo(f"left out: {found.without_text} rated answers whose prompt is not stored (ledger.store_prompts)", err=True)


def _as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(errors="replace")


def _as_line(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _write(file: Path, content: bytes) -> None:
    """As the ledger itself, for its owner only."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(content)
    except OSError as error:
        raise unwritable(file, error.strerror) from None
