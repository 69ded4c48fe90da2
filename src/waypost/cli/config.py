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
@json_option
def show(path: Path | None, as_json: bool) -> None:
    """Print the config as it takes effect: defaults, includes and LiteLLM's blocks worked in, secrets as references only.

    JSON keys: source, version, deployments, routes, aliases, fallbacks, context_fallbacks, default_fallbacks, policy, server,
    ledger, feedback, discovery, warnings.
    """
    from waypost.config import effective
    from waypost.startup import read_config

    shown = effective(read_config(path))
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
