"""The fleet as a table: what `waypost serve` prints when it starts, and `waypost models` shows."""

from __future__ import annotations

from rich.console import Console

from waypost.cli.table import print_table
from waypost.fleet.view import Deployment, FleetView

_UNKNOWN = "?"


def print_fleet(out: Console, fleet: FleetView) -> None:
    """One row a deployment; what nobody knows is a question mark."""
    if not fleet.deployments:
        out.print("no deployment")
    columns = ("deployment", "where", "window", "tools", "vision", "$ per M", "loaded", "state")
    print_table(out, columns, [_row(deployment, fleet) for deployment in fleet], right=("window", "$ per M"))
    if any(map(_assumed, fleet)):
        out.print("* assumed, as the engine does not tell", style="dim")


def _row(deployment: Deployment, fleet: FleetView) -> list[str]:
    status = fleet.status(deployment.id)
    return [
        deployment.id,
        f"{deployment.provider}, {'local' if deployment.local else 'cloud'}",
        _window(deployment),
        _yes(deployment.capabilities.tools),
        _yes(deployment.capabilities.vision),
        _price(deployment),
        _yes(status.loaded),
        {True: "up", False: f"down: {status.reason or 'no answer'}", None: _UNKNOWN}[status.up],
    ]


def _yes(known: bool | None) -> str:
    return {True: "yes", False: "no", None: _UNKNOWN}[known]


def _assumed(deployment: Deployment) -> bool:
    return deployment.sources.get("window_tokens") == "assumed"


def _window(deployment: Deployment) -> str:
    if deployment.window_tokens is None:
        return _UNKNOWN
    return f"{deployment.window_tokens:,}{'*' if _assumed(deployment) else ''}"


def _price(deployment: Deployment) -> str:
    """The price of a million tokens in and out."""
    price = deployment.price
    return _UNKNOWN if price is None else f"{price.input_usd * 1e6:.2f} / {price.output_usd * 1e6:.2f}"
