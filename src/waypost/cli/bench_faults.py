"""`waypost bench faults` and `waypost bench faultd`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.output import console, json_option, print_json
from waypost.errors import StartError

if TYPE_CHECKING:
    from waypost.faults.bench import Finding

# The same number is in faults.gateway_config, which `--help` does not load; a test compares them.
_PORT = 4199
_port_option = click.option(
    "--faultd-port",
    default=_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Where faultd listens, on loopback; the gateway's config names it.",
)
_COLOURS = {"pass": "green", "fail": "red", "not applicable": "dim"}


@click.command("faults")
@click.option("--url", help="The gateway, with /v1: http://127.0.0.1:4100/v1.")
@click.option("--key-env", metavar="NAME", help="The environment variable with the gateway's key, if it wants one.")
@click.option("--model-prefix", default="", help="What stands before the bench's model names at the gateway.")
@_port_option
@click.option(
    "--print-config", "gateway", type=click.Choice(["waypost", "litellm"]), help="Print the config for a gateway, and end."
)
@click.option(
    "--upstream",
    default="openai",
    show_default=True,
    type=click.Choice(["openai", "anthropic", "ollama"]),
    help="With --print-config: the dialect in which the gateway calls faultd.",
)
@click.option("--row", "rows", type=int, multiple=True, help="Only this row; may be given several times.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a case fails.")
@json_option
def faults_command(
    url: str | None,
    key_env: str | None,
    model_prefix: str,
    faultd_port: int,
    gateway: str | None,
    upstream: str,
    rows: tuple[int, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """What a gateway makes of upstreams that fail in some fifty ways: any gateway that speaks OpenAI's dialect.

    Start the gateway with the config that --print-config prints, then run this beside it, on the same machine: it starts
    faultd, the upstream of that config. It takes less than two minutes.

    JSON keys: passed, failed, not_applicable, cases (row, fault, mode, expected, seen, verdict, reason, model).
    """
    if gateway is not None:
        _print_config(gateway, faultd_port, model_prefix, upstream)
        return
    if url is None:
        raise click.UsageError("say where the gateway is, with --url, or ask for its config with --print-config")
    key = None if key_env is None else os.environ.get(key_env)
    if key_env is not None and not key:
        raise StartError(f"the environment variable {key_env} is not set")
    from waypost.faults.bench import run
    from waypost.faults.cases import CASES

    cases = [case for case in CASES if not rows or case.row in rows]
    if not cases:
        raise click.UsageError(f"no case of the bench is of row {rows[0]}")
    found = asyncio.run(run(url, key=key, prefix=model_prefix, faultd_port=faultd_port, cases=cases))
    counts = Counter(finding.verdict for finding in found)
    if as_json:
        totals = {name.replace(" ", "_"): counts[verdict] for verdict, name in _TOTALS.items()}
        print_json({**totals, "cases": [asdict(finding) for finding in found]})
    else:
        _print(found, counts)
    if strict and counts["fail"]:
        raise SystemExit(1)


_TOTALS = {"pass": "passed", "fail": "failed", "not applicable": "not applicable"}


@click.command("faultd")
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes any free one.")
def faultd_command(port: int) -> None:
    """Serve faultd, an engine that fails on purpose, until it is interrupted.

    It listens on loopback and speaks OpenAI's chat completions, Anthropic's messages and Ollama's chat. The model name selects
    the fault, such as `cut-3`; GET /v1/models lists them. GET /_faultd/hits shows every request; DELETE empties the list.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    from waypost.faults.faultd import Faultd

    faultd = Faultd()
    try:
        await faultd.start(port)
    except OSError as error:
        raise StartError(f"port {port} is in use: choose another with --port") from error
    click.echo(f"faultd serves on {faultd.root_url} (OpenAI's clients: {faultd.base_url})")
    try:
        await asyncio.Event().wait()
    finally:
        await faultd.stop()


def _print_config(gateway: str, port: int, prefix: str, upstream: str) -> None:
    import yaml

    from waypost.faults.gateway_config import litellm_config, waypost_config

    make = waypost_config if gateway == "waypost" else litellm_config
    click.echo(yaml.safe_dump(make(port, prefix=prefix, upstream=upstream), sort_keys=False, allow_unicode=True), nl=False)


def _print(found: list[Finding], counts: Counter[str]) -> None:
    from rich.text import Text

    from waypost.cli.table import print_table

    def cells(finding: Finding) -> list[Any]:
        seen = finding.seen if finding.reason is None else f"{finding.reason} ({finding.seen})"
        verdict = Text(finding.verdict, style=_COLOURS[finding.verdict])
        return [str(finding.row), f"{finding.fault}, {finding.mode}", finding.expected, seen, verdict]

    screen = console()
    print_table(screen, ["row", "fault", "expected", "seen", "verdict"], map(cells, found), right=["row"])
    screen.print("\n" + ", ".join(f"{counts[verdict]} {name}" for verdict, name in _TOTALS.items()))
