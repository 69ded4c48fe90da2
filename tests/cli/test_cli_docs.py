"""Every command and option is in docs/cli.md and has a help text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from waypost.cli import COMMANDS, group

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield name, command
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        assert found is not None
        yield from leaves(found, f"{name} {child}")


EVERY = dict(leaves(group, "waypost"))


@pytest.mark.parametrize("name", EVERY)
def test_a_command_is_documented_with_all_its_options(name: str) -> None:
    row = next((line for line in DOCS.splitlines() if line.startswith(f"| `{name}")), "")
    options = [option for parameter in EVERY[name].params for option in parameter.opts if option.startswith("-")]
    assert row
    assert [option for option in options if f"`{option}" not in row and f"{option}`" not in row] == []


@pytest.mark.parametrize("name", EVERY)
def test_a_command_explains_itself(name: str) -> None:
    assert EVERY[name].help
    assert all(option.help for option in EVERY[name].params if isinstance(option, click.Option))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("waypost serve", "waypost bench faultd")])
def test_a_command_that_prints_a_result_prints_it_as_json_too(name: str) -> None:
    assert "--json" in [option for parameter in EVERY[name].params for option in parameter.opts]


def test_the_one_line_of_each_command_is_known_without_loading_it() -> None:
    assert {name.split()[1] for name in EVERY} == set(COMMANDS)
