"""The command line: one file a command, imported when it is asked for.

Exit codes: 0 done; 1 the command ran and the answer is "no" (a bad config, a prompt that nothing can serve, a port in use);
2 the command line itself is wrong.
"""

from __future__ import annotations

import importlib

import click

from waypost._version import __version__
from waypost.errors import WaypostError

COMMANDS = {
    "bench": "Measure Waypost itself, and what a gateway makes of failing upstreams.",
    "calibrate": "Find where to set a router: for a share of strong calls, or a proven quality.",
    "check": "Check a config file and say what is wrong, with line numbers.",
    "config": "Print the JSON schema of the config, or the config as it takes effect.",
    "doctor": "Find the traps in a config: what is valid, and still cuts answers or reloads models.",
    "eval": "Measure models and routers on data of known outcome.",
    "feedback": "Correct what was taken for the wrong task, rate answers, and see, move or forget what was said.",
    "fleet": "Show what is loaded on your engines, and what a load takes.",
    "init": "Write a config from what runs on this machine.",
    "log": "Show what was decided, and how it went.",
    "models": "List deployments, routes and aliases.",
    "probe": "Find out how well a deployment answers, from prompts whose good answers are known.",
    "route": "Decide where a prompt would go, without sending it.",
    "serve": "Start the server.",
    "simulate": "Compare policies for a machine whose models do not all fit into memory.",
    "train": "Train the shipped models again.",
    "version": "Print the version.",
    "whatif": "Say what other rules would have made of the decisions in the ledger.",
}


class LazyGroup(click.Group):
    """Knows each command's name and one line; imports its file only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from the file of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"waypost.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"waypost.cli.{cmd_name}.command is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing any command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="waypost")
def group() -> None:
    """Waypost sends every prompt to the right model.

    Exit codes: 0 done, 1 the answer is no (the message says why), 2 the command line is wrong.
    """


def main() -> None:
    """The entry point: errors of ours become one line on standard error and exit code 1."""
    try:
        group()
    except WaypostError as error:
        click.echo(click.style("error: ", fg="red") + error.message, err=True)
        raise SystemExit(1) from None
