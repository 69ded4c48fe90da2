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
    from waypost.cli.fleet_table import fleet_table
    from waypost.cli.local_router import local_router
    from waypost.server.models import list_models

    router, assembly = asyncio.run(local_router(path))
    if as_json:
        print_json(list_models(router.view(), router.policy))
        return
    screen = console()
    if assembly.simulated:
        screen.print("No engine was found: this is the simulated fleet.", style="bold yellow")
    screen.print(fleet_table(router.view()))
    screen.print("\nroutes", style="bold")
    for name, route in router.policy.routes.items():
        screen.print(f"  {name}: {', '.join(route.candidates)}", markup=False)
    if router.policy.aliases:
        screen.print("\naliases", style="bold")
    for name, target in router.policy.aliases.items():
        screen.print(f"  {name}: {target}", markup=False)
