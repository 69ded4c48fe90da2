"""`waypost log`: what was decided, and how it went."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.text import Text

from waypost.cli.card_view import card_facts, dollars, print_candidates, shown
from waypost.cli.ledger_file import ledger_config_option, ledger_option, ledger_path
from waypost.cli.log_export import export
from waypost.cli.output import console, json_option, print_json
from waypost.cli.period import period_options, times
from waypost.cli.table import print_pairs, print_table
from waypost.errors import NotFound
from waypost.fleet.weights import SHORTEST_LOAD_S
from waypost.ledger.filter import Filter
from waypost.ledger.reader import SqliteReader

POLL_S = 0.5
FOLLOW_ROWS = 1_000
# A longer cell pushes the rest of its line, and is never cut.
_COLUMNS = {
    "when (UTC)": 19,
    "id": 23,
    "status": 9,
    "route": 12,
    "took": 9,
    "tokens in > out": 15,
    "cost": 10,
    "deployment": 12,
}
_ON_FIRST_LINE = 4
STATUSES = ("ok", "partial", "failed", "refused", "cancelled")


@click.group()
def command() -> None:
    """Show what was decided, and how it went.

    Reads the ledger's file, beside a running server or without one.
    """


@command.command()
@click.option("-n", "limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many of the latest entries.")
@click.option("--deployment", help="Only what this deployment answered.")
@click.option("--route", help="Only decisions of this route.")
@click.option("--status", type=click.Choice(STATUSES), help="Only outcomes of this kind.")
@period_options
@click.option("-f", "--follow", is_flag=True, help="Go on with new entries until Ctrl-C.")
@ledger_config_option
@ledger_option
@json_option
def tail(
    limit: int,
    deployment: str | None,
    route: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    follow: bool,
    config: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Print the latest entries, the newest last.

    With --json: a list of entries; with --follow one entry a line. The keys are in docs/ledger.md.
    """
    reader = SqliteReader(ledger_path(config, path))
    where = Filter(deployment, route, status, **times(since, until))
    newest = next((entry["id"] for entry in reader.tail(1)), None)
    latest = reader.tail(limit, where)[::-1]
    if follow:
        _follow(reader, latest, newest, where, as_json=as_json)
    elif as_json:
        print_json(latest)
    else:
        _print_rows(latest, header=True)
        if dropped := reader.dropped():
            click.echo(f"missing outcomes: {dropped} (they could not be stored when they came)", err=True)


@command.command()
@click.argument("decision_id", metavar="ID")
@ledger_config_option
@ledger_option
@json_option
def show(decision_id: str, config: Path | None, path: Path | None, as_json: bool) -> None:
    """Explain one decision. The beginning of its id is enough.

    With --json: the entry with its attempts and its decision card. The keys are in docs/ledger.md.
    """
    reader = SqliteReader(ledger_path(config, path))
    entry = reader.get(decision_id) or reader.get(_complete(reader, decision_id))
    if entry is None:
        raise NotFound(f"the decision {decision_id!r} is not in the ledger any more")
    if as_json:
        print_json(entry)
    else:
        _explain(console(), entry)


def _complete(reader: SqliteReader, prefix: str) -> str:
    """The one id that begins so. Raises ``NotFound`` with the closest ids otherwise."""
    found = reader.ids(prefix, limit=6)
    if len(found) == 1:
        return found[0]
    if found:
        more = " and others" if len(found) > 5 else ""
        raise NotFound(f"more than one decision begins with {prefix!r}: {', '.join(found[:5])}{more}")
    latest = {entry["id"][: len(prefix)]: entry["id"] for entry in reader.tail(500)}
    close = [latest[start] for start in difflib.get_close_matches(prefix, latest)]
    hint = f"the closest are {', '.join(close)}" if close else "`waypost log tail` lists the latest"
    raise NotFound(f"no decision has an id that begins with {prefix!r}: {hint}")


def _follow(reader: SqliteReader, latest: list[dict[str, Any]], newest: str | None, where: Filter, *, as_json: bool) -> None:
    """Prints ``latest``, then what is stored after it (after ``newest`` if it is empty), until interrupted."""
    header = True
    try:
        while True:
            if as_json:
                for entry in latest:
                    click.echo(orjson.dumps(entry))
            elif latest or header:
                _print_rows(latest, header=header)
                header = False
            newest = latest[-1]["id"] if latest else newest
            latest = reader.after(newest, FOLLOW_ROWS, where)
            if not latest:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _print_rows(entries: Iterable[dict[str, Any]], *, header: bool) -> None:
    """One line for each entry, two on a narrow terminal. Widths are fixed, so that later lines stand under the same header."""
    out = console()
    fits = sum(_COLUMNS.values()) + 2 * len(_COLUMNS) <= out.width
    head = [[Text(name, "bold") for name in _COLUMNS]] if header else []
    for cells in (*head, *map(_row, entries)):
        for cell, width in zip(cells, _COLUMNS.values(), strict=True):
            cell.pad_right(max(0, width - cell.cell_len))
        for line in [cells] if fits else [cells[:_ON_FIRST_LINE], [Text("  "), *cells[_ON_FIRST_LINE:]]]:
            joined = Text("  ").join(line)
            joined.rstrip()
            out.print(joined, soft_wrap=True)


def _row(entry: dict[str, Any]) -> list[Text]:
    counts = entry["prompt_tokens"], entry["completion_tokens"]
    return [
        Text(entry["started_at"][:19].replace("T", " ")),
        Text(entry["id"]),
        Text(entry["status"], _colour(entry["status"])),
        Text(entry["route"] or "(named)"),
        Text(_seconds(entry["duration_s"])),
        Text("unknown" if counts == (None, None) else f"{shown(counts[0])} > {shown(counts[1])}"),
        Text(dollars(entry["cost_usd"])),
        Text(_answered_by(entry)),
    ]


def _explain(out: Console, entry: dict[str, Any]) -> None:
    """The card and what became of it, as text."""
    card = entry["card"]
    outcome = (entry["status"], _colour(entry["status"]))
    out.print(Text.assemble("decision ", (entry["id"], "bold"), "  ", outcome, f" (HTTP {entry['http_status']})"))
    if entry["simulated"]:
        out.print(Text("simulated: no model answered this", style="yellow"))
    print_pairs(out, _facts(entry))
    print_candidates(out, card)
    columns = ("deployment", "from", "to", "first output", "result", "usage", "cost")
    print_table(out, columns, map(_attempt, entry["attempts"]), title="Attempts")
    rated = ([f"{one['score']:g}", one["source"], one["caller"] or "nobody", one["created_at"]] for one in entry["ratings"])
    print_table(out, ("score", "source", "said by", "when"), rated, title="Ratings")
    if entry["prompt"]["text"] is not None:
        out.print(Text("\nPrompt", style="bold"))
        out.print(Text(entry["prompt"]["text"]))
    if entry["repaired"]:
        out.print("\nSome text could not be stored as it was: it was cut, or \ufffd stands in its place.")


def _facts(entry: dict[str, Any]) -> dict[str, str]:
    card, prompt = entry["card"], entry["prompt"]
    messages = "1 message" if prompt["messages"] == 1 else f"{prompt['messages']} messages"
    return {
        "asked for": f"{entry['requested']}, in the {entry['dialect']} dialect{', streamed' if entry['stream'] else ''}",
        "when": entry["started_at"],
        "took": f"{_seconds(entry['duration_s'])}, first output {_after(entry['first_output_s'])}",
        **card_facts(card),
        "prompt": f"{prompt['chars']} characters in {messages}, language {shown(prompt['language'])}",
        "session": entry["session"] or "none",
        "caller": entry["caller"] or "none",
        "answered by": _answered_by(entry),
        "ended with": entry["error"] or f"finish reason {shown(entry['finish_reason'])}",
        "usage": _usage(entry),
        "cost": dollars(entry["cost_usd"]),
    }


def _attempt(attempt: dict[str, Any]) -> list[str]:
    result = attempt["error"] or f"finished: {shown(attempt['finish_reason'])}"
    if attempt["upstream_status"] is not None:
        result += f", engine said {attempt['upstream_status']}"
    if attempt["message"]:
        result += f": {attempt['message']}"
    if attempt["skipped_events"]:
        result += f", {attempt['skipped_events']} unreadable events left out"
    if (attempt["load_s"] or 0) >= SHORTEST_LOAD_S:
        result += f", after {attempt['load_s']:.1f} s of loading"
    if attempt["verdict"]:
        result += f", checked: {attempt['verdict']}"
    times = [_seconds(attempt[key]) for key in ("started_s", "ended_s")]
    return [
        attempt["deployment"],
        *times,
        _after(attempt["first_output_s"]),
        result,
        _usage(attempt),
        dollars(attempt["cost_usd"]),
    ]


def _usage(counts: dict[str, Any]) -> str:
    kinds = {"in": "prompt_tokens", "out": "completion_tokens", "cached": "cached_tokens", "reasoning": "reasoning_tokens"}
    known = [f"{counts[key]} {kind}" for kind, key in kinds.items() if counts[key] is not None]
    return ", ".join(known) + (" (estimated)" if counts["usage_estimated"] else "") if known else "unknown"


def _answered_by(entry: dict[str, Any]) -> str:
    how = {"hit": " (from the cache)", "shared": " (shared with a request like it)"}.get(entry["cache"], "")
    return f"{entry['deployment'] or 'nobody'}{' (simulated)' if entry['simulated'] else how}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f} s"


def _after(value: float | None) -> str:
    return "none" if value is None else f"after {value:.3f} s"


def _colour(status: str) -> str:
    return {"ok": "green", "partial": "yellow", "cancelled": "yellow"}.get(status, "red")


command.add_command(export)
