"""`waypost init`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.output import json_option, print_json
from waypost.defaults import CONFIG_FILE

if TYPE_CHECKING:
    from waypost.config import DiscoveryTarget
    from waypost.fleet.discovery import Discovery


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=CONFIG_FILE)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take the models of a Python file, a `model_list` or `MODEL_CONFIGS`, instead of those that run. It is read, not run.",
)
@click.option("--url", "urls", multiple=True, help="Look at this address instead of the usual ports here. May be repeated.")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@json_option
def command(file: Path, source: Path | None, urls: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Write a config from what runs on this machine.

    FILE is waypost.yaml unless another is named. Engines are asked what they have; nothing is generated, and nothing is loaded.
    Keys of cloud providers that are in the environment are named in comments, and used by nothing. No secret is written.

    JSON keys: file, deployments, routes, keys, looked.
    """
    from waypost.cli.doctor import print_findings
    from waypost.config.doctor import diagnose
    from waypost.config.loader import try_load

    if source is not None and source.suffix != ".py":
        raise click.UsageError("--from takes a Python file; a config in YAML, LiteLLM's too, is served as it is")
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already; --force replaces it")
    text, told = _found(urls) if source is None else _taken(source)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"file": str(file), **told})
        return
    for line in told["looked"]:
        click.echo(line)
    click.echo(f"wrote {file}: {len(told['deployments'])} deployments, {len(told['routes'])} routes")
    if told["keys"]:
        click.echo(f"found and not used: {', '.join(told['keys'])}")
    if source is not None:
        print_findings(file, diagnose(try_load(file)), {})
    click.echo(f"next: waypost doctor {file}, then waypost serve -c {file}")


def _found(urls: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """A config of the engines that answer, and what to tell of it."""
    from waypost.config.draft import CLOUDS, Found, draft, draft_routes
    from waypost.fleet.places import Place

    targets = _targets(urls)
    discovery = asyncio.run(_discover(targets))
    found = []
    for deployment in discovery.deployments:
        report = discovery.reports.get(Place(deployment.api_base or "").engine)
        model = report.model(deployment.model) if report else None
        found.append(Found(deployment, model.loaded if model else None))
    keys = [key for key in CLOUDS if os.environ.get(key)]
    told = {
        "deployments": [one.name for one in found],
        "routes": {route.name: [one.name for one in route.candidates] for route in draft_routes(found)},
        "keys": keys,
        "looked": list(discovery.lines),
    }
    return draft(found, discovery.lines, keys, [target.url for target in targets]), told


def _targets(urls: tuple[str, ...]) -> list[DiscoveryTarget]:
    from pydantic import ValidationError

    from waypost.config import DiscoveryTarget

    try:
        return [DiscoveryTarget(url=url) for url in urls]
    except ValidationError as error:
        raise click.UsageError(f"--url {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


async def _discover(targets: list[DiscoveryTarget]) -> Discovery:
    from waypost.fleet.discovery import discover
    from waypost.http.session import HttpSession

    async with HttpSession() as session:
        return await discover(session, targets)


def _taken(source: Path) -> tuple[str, dict[str, Any]]:
    """The models of a Python file as a config, and what to tell of it."""
    from waypost.config.draft import draft_from
    from waypost.config.loader import try_load
    from waypost.errors import ConfigError

    loaded = try_load(source)
    if loaded.config is None:
        raise ConfigError(*loaded.problems)
    deployments = [deployment.id for deployment in loaded.config.setup.deployments]
    return draft_from(loaded.root, source.name), {"deployments": deployments, "routes": {}, "keys": [], "looked": []}
