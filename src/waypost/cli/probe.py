"""`waypost probe`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from waypost.cli.output import config_option, console, json_option, print_json


@click.command()
@click.argument("name", required=False)
@config_option
@click.option("--count", type=click.IntRange(1, 1000), help="How many prompts. Default: all that are shipped, or 100 of FILE.")
@click.option(
    "--from", "file", metavar="FILE", type=click.Path(path_type=Path), help="Choose the prompts from outcomes of known models."
)
@click.option(
    "--max-tokens", default=4096, show_default=True, type=click.IntRange(1), help="The most of one answer, thinking included."
)
@click.option("--yes", is_flag=True, help="Make the calls without asking first.")
@click.option("--list", "listed", is_flag=True, help="Show what probes have found. Makes no call.")
@click.option("--forget", is_flag=True, help="Remove what probes of NAME have found. Makes no call.")
@json_option
def command(
    name: str | None,
    path: Path | None,
    count: int | None,
    file: Path | None,
    max_tokens: int,
    yes: bool,
    listed: bool,
    forget: bool,
    as_json: bool,
) -> None:
    """Find out how well the deployment NAME answers, from prompts whose good answers are known.

    It says how many calls that takes, how many tokens, what it costs and how long it lasts, and asks before it makes them.
    What was measured until it is interrupted is kept. docs/probe.md explains the numbers.

    JSON keys: deployment, key, prompts, probed_at, passed, asked, errors, cut, groups, expected, nearest, plan, prompt_tokens,
    answer_tokens, cost_usd, seconds, complete, kept. With --list, of each result: key, deployment, prompts, probed_at, errors,
    groups, expected. With --forget: forgotten.
    """
    from waypost.probe_results import default_probes_path

    store = default_probes_path(os.environ)
    if listed:
        _list(store, name, as_json=as_json)
    elif name is None:
        raise click.UsageError("give the name of a deployment, or --list")
    elif forget:
        _forget(store, name, as_json=as_json)
    else:
        from waypost.cli.probe_session import ProbeSession
        from waypost.cli.probe_view import print_found

        found = ProbeSession(name, path, file, count, max_tokens, store).run(yes=yes)
        if as_json:
            print_json(found)
        else:
            print_found(console(), found)
        if not found["asked"]:
            raise SystemExit(1)


def _list(store: Path, name: str | None, *, as_json: bool) -> None:
    from waypost.cli.probe_view import print_listed
    from waypost.probe_results import load_probes, probe_to_dict

    found = [probe_to_dict(one) for one in load_probes(store).values() if name in (None, one.deployment, one.key)]
    if as_json:
        print_json(found)
    else:
        print_listed(console(), found)


def _forget(store: Path, name: str, *, as_json: bool) -> None:
    from waypost.probe_results import forget_probes

    gone = forget_probes(store, name)
    if as_json:
        print_json({"forgotten": gone})
    else:
        click.echo(f"forgot {gone} results")
