"""`waypost models`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from waypost.cli.output import config_option, console, json_option, print_json


@click.command()
@config_option
@json_option
def command(path: Path | None, as_json: bool) -> None:
    """List deployments, routes and aliases.

    With `--json`, the rows of GET /v1/models; keys: id, object, created, owned_by, waypost.
    """
    from waypost.cli.fleet_table import print_fleet
    from waypost.cli.local_router import local_router
    from waypost.cli.table import print_pairs
    from waypost.server.models import list_models

    router = asyncio.run(local_router(path))
    if as_json:
        print_json(list_models(router.view(), router.policy))
        return
    screen = console()
    print_fleet(screen, router.view())
    routes = {name: ", ".join(route.candidates) for name, route in router.policy.routes.items()}
    for title, named in (("Routes", routes), ("Aliases", router.policy.aliases)):
        if named:
            screen.print(f"\n{title}", style="bold")
            print_pairs(screen, named)
