"""`waypost config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from waypost.cli.output import config_option, json_option, print_json


@click.group()
def command() -> None:
    """Print the JSON schema of the config, or the config as it takes effect."""


@command.command()
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of a config file, for editors and other programs. It is JSON with and without `--json`."""
    del as_json
    from waypost.config import json_schema

    print_json(json_schema())


@command.command()
@config_option
@click.option("--effective", "with_requests", is_flag=True, help="Also print the settings of every request that may be sent.")
@json_option
def show(path: Path | None, with_requests: bool, as_json: bool) -> None:
    """Print the config as it takes effect: defaults, includes and LiteLLM's blocks worked in, secrets as references only.

    With `--effective`, also what becomes of the settings on each route and deployment: what the engine gets, what has another
    name there, what it does not have and does not get, and the cap that a client's own cannot lift.

    JSON keys: source, version, deployments, routes, aliases, fallbacks, context_fallbacks, default_fallbacks, policy, server,
    ledger, feedback, cache, discovery, warnings; with `--effective` also requests, a list of: route (null: the deployment is
    asked by name), deployment, sent, renamed, dropped, cap.
    """
    from waypost.config import effective, effective_requests
    from waypost.startup import read_config

    config = read_config(path)
    shown = effective(config)
    if with_requests:
        shown["requests"] = effective_requests(config)
    if as_json:
        print_json(shown)
    else:
        click.echo(_yaml(shown), nl=False)


def _yaml(value: dict[str, Any]) -> str:
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    return yaml.dump(value, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
