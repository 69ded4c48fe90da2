"""`waypost version`."""

from __future__ import annotations

import json
import platform

from click.testing import CliRunner

from cli.documented import keys_of
from waypost import __version__, kernel
from waypost.cli import group


def test_the_version_is_printed_for_people_and_for_programs() -> None:
    text = CliRunner().invoke(group, ["version"]).stdout
    found = json.loads(CliRunner().invoke(group, ["version", "--json"]).stdout)
    assert text.startswith(f"waypost {__version__} (Python {platform.python_version()}")
    assert list(found) == keys_of("version")
    assert (found["waypost"], found["python"]) == (__version__, platform.python_version())
    assert found["kernel"] == ("compiled" if kernel.NATIVE else "numpy")
    assert text.rstrip().endswith(f", kernel {found['kernel']})")
    assert CliRunner().invoke(group, ["--version"]).stdout == f"waypost, version {__version__}\n"
