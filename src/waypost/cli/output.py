"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console

# Wider than any line: the width of a file or a pipe.
_UNBOUNDED = 100_000


def config_option(command: Any) -> Any:
    """Adds ``-c`` to a command, as ``path``."""
    return click.option(
        "-c", "--config", "path", type=click.Path(path_type=Path), help="The config file. Default: waypost.yaml, if it is here."
    )(command)


def json_option(command: Any) -> Any:
    """Adds ``--json`` to a command, as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys instead of a table.")(command)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def console(*, stderr: bool = False) -> Console:
    """A console that uses colours only on a terminal, never wraps what is piped, and takes brackets for brackets."""
    made = Console(stderr=stderr, highlight=False, markup=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED
    return made


def require_writable(path: Path) -> None:
    """A run takes minutes: a file that cannot be written is told before it, and nothing is made yet."""
    there = path if path.exists() else path.parent
    if not there.exists():
        raise unwritable(path, os.strerror(errno.ENOENT))
    if not os.access(there, os.W_OK):
        raise unwritable(path, os.strerror(errno.EACCES))


def require_folder(path: Path) -> None:
    """The same for files in a folder that may not be there yet."""
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not there.is_dir():
        raise unwritable(path, os.strerror(errno.ENOTDIR))
    if not os.access(there, os.W_OK):
        raise unwritable(path, os.strerror(errno.EACCES))


def unwritable(path: Path, reason: str | None) -> click.ClickException:
    """The error that says so."""
    return click.ClickException(f"{path.name} cannot be written: {reason}")


def write_text(path: Path, text: str) -> None:
    """Writes a file that a command was asked for."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error.strerror) from None
