"""`waypost version`."""

from __future__ import annotations

import platform

import click

from waypost._version import __version__
from waypost.cli.output import json_option, print_json
from waypost.kernel import NATIVE


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Print the version of Waypost and of Python, and whether texts are read by the compiled kernel or by numpy.

    JSON keys: waypost, python, platform, kernel.
    """
    found = {"waypost": __version__, "python": platform.python_version(), "platform": platform.platform(terse=True)}
    found["kernel"] = "compiled" if NATIVE else "numpy"
    if as_json:
        print_json(found)
    else:
        click.echo(f"waypost {found['waypost']} (Python {found['python']}, {found['platform']}, kernel {found['kernel']})")
