"""`waypost check`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.output import json_option, print_json
from waypost.defaults import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from waypost.config import Config


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=CONFIG_FILE)
@json_option
def command(file: Path, as_json: bool) -> None:
    """Check a config file and say what is wrong, with line numbers.

    FILE is waypost.yaml unless another is named. Exit code 1 means that the file has a problem; warnings do not count.

    JSON keys: file, ok, problems, warnings, deployments, routes, aliases. The last three are numbers, null if the file has a
    problem.
    """
    from waypost.config import load
    from waypost.errors import ConfigError

    config, problems = None, list[str]()
    try:
        config = load(file)
        problems.extend(_unusable(config))
    except ConfigError as error:
        problems.extend(error.problems)
    config = None if problems else config
    warnings = (*config.warnings, *_too_vague(config)) if config else ()
    policy = config.setup.policy if config else None
    counts = {
        "deployments": len(config.setup.deployments) if config else None,
        "routes": len(policy.routes) if policy else None,
        "aliases": len(policy.aliases) if policy else None,
    }
    if as_json:
        print_json({"file": str(file), "ok": config is not None, "problems": problems, "warnings": warnings, **counts})
    else:
        for warning in warnings:
            click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
        for problem in problems:
            click.echo(click.style("problem: ", fg="red") + problem, err=True)
        if config:
            summary = ", ".join(f"{name} {count}" for name, count in counts.items())
            click.echo(f"{file} is fine: {summary}")
    if problems:
        raise SystemExit(1)


def _unusable(config: Config) -> list[str]:
    """A sentence for each artefact and router that the config names and that Waypost would not start with."""
    from waypost.decide.learned_quality import load_quality
    from waypost.errors import ArtefactError
    from waypost.routellm import load_router

    named: list[tuple[str, Callable[[], object]]] = []
    if config.quality.enabled and config.quality.artefact is not None:
        named.append(("quality.artefact", partial(load_quality, Path(config.quality.artefact).expanduser())))
    for name, pair in config.setup.policy.pairs.items():
        if pair.router == "routellm":
            folder = None if pair.checkpoint is None else Path(pair.checkpoint).expanduser()
            named.append((f"router_pairs.{name}", partial(load_router, name, folder)))
    problems = []
    for where, load in named:
        try:
            load()
        except ArtefactError as error:
            problems.append(f"{config.source}: {where}: {error.message}")
    return problems


def _too_vague(config: Config) -> list[str]:
    """A sentence for each own task whose examples say little of what else belongs to it."""
    from waypost.decide.own_tasks import OwnTask
    from waypost.decide.task_model import load_task_model

    tasks = OwnTask.of(config.setup.policy.routes.values())
    own = load_task_model().learn(tasks) if tasks else None
    if own is None:
        return []
    counts = [(task, len(task.examples), found) for task, found in zip(own.tasks, own.recalled, strict=True)]
    return [
        f"{config.source}: routes.{task.name}.examples: only {found} of {given} would be recognised from the others; add more "
        "that share words with each other, as the requests you expect do"
        for task, given, found in counts
        if 2 * found < given
    ]
