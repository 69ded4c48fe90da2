"""`waypost feedback`: what was taken for the wrong task, and how good answers were."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from waypost.cli.feedback_report import report
from waypost.cli.ledger_file import ledger_config_option, ledger_option, ledger_path
from waypost.cli.number import Number
from waypost.cli.output import console, json_option, print_json
from waypost.cli.running_server import address_of
from waypost.cli.table import print_table
from waypost.decide.correction import Correction
from waypost.decide.labels import TASKS
from waypost.errors import InvalidRequest, NotFound, StartError
from waypost.ledger.rating import SOURCES

if TYPE_CHECKING:
    from waypost.config import Config
    from waypost.feedback import Feedback
    from waypost.ratings import Ratings

_SERVER_S = 10.0
_MOST_BYTES = 1 << 20


@click.group()
def command() -> None:
    """Correct what was taken for the wrong task, rate answers, and see, move or forget what was said.

    Works on the ledger's file, beside a running server or without one. A server takes up what changed there when it next looks
    at its engines (discovery.refresh_s, 10 seconds).
    """


@command.command()
@click.argument("decision_id", metavar="[ID]", required=False)
@click.option("--text", help="What was asked, instead of an ID. It is not stored.")
@click.option("--task", type=click.Choice(TASKS), required=True, help="What it should have been taken for.")
@click.option("--caller", help="Who says so. Default: nobody in particular.")
@click.option("--url", help="The server that made the decision ID. Default: the address in the config.")
@ledger_config_option
@ledger_option
@json_option
def add(
    decision_id: str | None,
    text: str | None,
    task: str,
    caller: str | None,
    url: str | None,
    config: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Say what the decision ID, or a text, should have been taken for.

    Only the running server remembers what its last 10,000 decisions were about, so with an ID the correction goes there; with
    --text it goes into the ledger's file.

    JSON keys: id, task.
    """
    if (decision_id is None) == (text is None):
        raise click.UsageError("give the ID of a decision, or --text")
    if decision_id is not None:
        if path is not None:
            raise click.UsageError("--ledger is for --text: a decision ID is corrected by its server, in its own ledger")
        body = {"decision": decision_id, "task": task, "user": caller}
        made = asyncio.run(_post(url or address_of(_config(config)), body))
    else:
        given = _feedback(config, path).give(None, task, text, caller)
        made = {"id": given.id, "task": given.task}
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made['id']}: such a text is {made['task']} from now on")


@command.command(name="list")
@ledger_config_option
@ledger_option
@json_option
def list_(config: Path | None, path: Path | None, as_json: bool) -> None:
    """List all corrections, the oldest first.

    JSON keys of each: id, task, caller, created_at, features.
    """
    shown = [_without_sketch(correction) for correction in _feedback(config, path).all()]
    if as_json:
        print_json(shown)
    elif shown:
        rows = ([row["id"], row["task"], row["caller"] or "nobody", row["created_at"]] for row in shown)
        print_table(console(), ("id", "should be", "said by", "when"), rows)
    else:
        click.echo("there are no corrections")


@command.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write. Default: standard output.")
@ledger_config_option
@ledger_option
@json_option
def export(out: Path | None, config: Path | None, path: Path | None, as_json: bool) -> None:
    """Write all corrections as `GET /v1/corrections` gives them. It is JSON with and without `--json`.

    JSON keys: object, data. With --out, what is printed is: file, corrections.
    """
    found = _feedback(config, path).all()
    document = {"object": "list", "data": [correction.to_dict() for correction in found]}
    if out is None:
        print_json(document)
        return
    try:
        out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise click.FileError(str(out), error.strerror) from None
    if as_json:
        print_json({"file": str(out), "corrections": len(found)})
    else:
        click.echo(f"wrote {len(found)} corrections to {out}")


@command.command(name="import")
@click.argument("file", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@ledger_config_option
@ledger_option
@json_option
def import_(file: Path, config: Path | None, path: Path | None, as_json: bool) -> None:
    """Add the corrections that FILE holds, as `export` wrote them. What is here already stays once; the caps hold.

    JSON keys: read, kept.
    """
    given = _read(file)
    feedback = _feedback(config, path)
    feedback.take(given)
    kept = len({correction.id for correction in given} & {correction.id for correction in feedback.all()})
    if as_json:
        print_json({"read": len(given), "kept": kept})
    else:
        click.echo(f"read {len(given)} corrections, kept {kept}")


@command.command()
@click.argument("decision_id", metavar="ID")
@click.argument("score", type=Number(0, 1))
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default="user",
    show_default=True,
    help="Who thinks so: a person, a program, a model.",
)
@click.option("--caller", help="Who says so. Default: nobody in particular.")
@ledger_config_option
@ledger_option
@json_option
def rate(
    decision_id: str, score: float, source: str, caller: str | None, config: Path | None, path: Path | None, as_json: bool
) -> None:
    """Say how good the answer of the decision ID was: SCORE is from 0 to 1, a thumb is 0 or 1.

    JSON keys: id, decision, score, source.
    """
    made = _ratings(config, path).give(decision_id, score, source, caller)
    if as_json:
        print_json({"id": made.id, "decision": made.decision, "score": made.score, "source": made.source})
    else:
        click.echo(f"{made.id}: the answer of {made.decision} is rated {made.score:g}")


@command.command()
@ledger_config_option
@ledger_option
@json_option
def ratings(config: Path | None, path: Path | None, as_json: bool) -> None:
    """List all ratings of answers, the oldest first.

    JSON keys of each: id, decision, score, source, caller, created_at.
    """
    listed = _ratings(config, path).all()
    if as_json:
        print_json([one.to_dict() for one in listed])
    elif listed:
        rows = ([one.id, one.decision, f"{one.score:g}", one.source, one.caller or "nobody", one.created_at] for one in listed)
        print_table(console(), ("id", "decision", "score", "source", "said by", "when"), rows)
    else:
        click.echo("there are no ratings")


@command.command()
@click.argument("said_id", metavar="[ID]", required=False)
@click.option("--caller", help="Forget what this caller said; an empty name stands for what was said without one.")
@click.option("--all", "everything", is_flag=True, help="Forget all corrections and ratings.")
@ledger_config_option
@ledger_option
@json_option
def forget(
    said_id: str | None, caller: str | None, everything: bool, config: Path | None, path: Path | None, as_json: bool
) -> None:
    """Forget one correction or rating, those of a caller, or all: from then on it is as if they had never been.

    JSON keys: forgotten.
    """
    if [said_id is None, caller is None, not everything].count(False) != 1:
        raise click.UsageError("give the ID of a correction or rating, --caller or --all")
    kept: tuple[Feedback | Ratings, ...] = (_feedback(config, path), _ratings(config, path))
    gone = 0
    for each in kept:
        found = each.all()
        wanted = [
            one.id for one in found if everything or one.id == said_id or (said_id is None and one.caller == (caller or None))
        ]
        gone += each.forget(wanted)
    if said_id is not None and not gone:
        raise NotFound(f"nothing of the id {said_id!r} is kept: `waypost feedback list` and `ratings` list what is")
    if as_json:
        print_json({"forgotten": gone})
    else:
        click.echo(f"forgot {gone} corrections and ratings")


def _config(config: Path | None) -> Config:
    from waypost.startup import read_config

    return read_config(config)


def _feedback(config: Path | None, path: Path | None) -> Feedback:
    """The corrections in the ledger that a server with this config writes, under its rules."""
    from waypost.feedback import Feedback
    from waypost.ledger import SqliteLedger

    return Feedback(SqliteLedger(ledger_path(config, path)), _config(config).feedback)


def _ratings(config: Path | None, path: Path | None) -> Ratings:
    from waypost.ledger import SqliteLedger
    from waypost.ratings import Ratings

    return Ratings(SqliteLedger(ledger_path(config, path)), _config(config).feedback)


def _without_sketch(correction: Correction) -> dict[str, Any]:
    return {key: value for key, value in correction.to_dict().items() if key != "sketch"}


def _read(file: Path) -> list[Correction]:
    """The corrections of an exported file. Raises `InvalidRequest` that names the entry."""
    try:
        document = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{file.name} is not JSON (line {error.lineno})") from None
    listed = document.get("data") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise InvalidRequest(f"{file.name} is not an export: it must be an object whose `data` lists corrections")
    found, now = [], time.time()
    for number, entry in enumerate(listed):
        try:
            found.append(Correction.from_dict(entry, now=now))
        except InvalidRequest as error:
            raise InvalidRequest(f"{file.name}: data[{number}]: {error.message}", param=error.param) from None
    return found


async def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Gives feedback to a running server. Raises what it answers as an error, and `StartError` where none answers."""
    from waypost.http.session import FAILURES, HttpSession, read_up_to

    headers, sent = {"Content-Type": "application/json"}, orjson.dumps(body)
    try:
        async with (
            HttpSession() as session,
            session.ask("POST", f"{url.rstrip('/')}/v1/feedback", timeout_s=_SERVER_S, headers=headers, body=sent) as answer,
        ):
            made = orjson.loads(await read_up_to(answer, _MOST_BYTES))
    except FAILURES:
        made = None
    if not isinstance(made, dict):
        raise StartError(f"no Waypost answers at {url}: start `waypost serve`, name its address with --url, or give --text")
    if "error" in made:
        raise InvalidRequest(str(made["error"].get("message")))
    return made


command.add_command(report)
