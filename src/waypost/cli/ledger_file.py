"""Which ledger a command works on."""

from __future__ import annotations

import os
from pathlib import Path

import click

from waypost.defaults import CONFIG_FILE
from waypost.ledger.location import default_ledger_path

ledger_option = click.option(
    "--ledger",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The ledger's file. Default: the config's, else WAYPOST_LEDGER, else waypost/ledger.db in the user's state folder.",
)
ledger_config_option = click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The config whose ledger it is. Default: waypost.yaml, if it is here.",
)


def ledger_path(config: Path | None, path: Path | None) -> Path:
    """The ledger that a server with this config writes, or the one that the command line names."""
    if path is None and (config is not None or CONFIG_FILE.exists()):
        from waypost.config import load

        named = load(config or CONFIG_FILE).ledger.path
        path = None if named is None else Path(named).expanduser()
    return path or default_ledger_path(os.environ)
