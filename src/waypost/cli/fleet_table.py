"""The fleet as a table: what `waypost serve` prints when it starts, and `waypost models` shows."""

from __future__ import annotations

from rich.table import Table

from waypost.fleet.view import Deployment, FleetView

_UNKNOWN = "unknown"


def fleet_table(fleet: FleetView) -> Table:
    """One row a deployment; what nobody knows is shown as unknown."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("deployment", "where", "window", "tools", "vision", "price in/out", "loaded", "state"):
        table.add_column(title, justify="right" if title in ("window", "price in/out") else "left", overflow="fold")
    for deployment in fleet:
        status = fleet.status(deployment.id)
        table.add_row(
            deployment.id,
            _where(deployment),
            _window(deployment),
            _yes(deployment.capabilities.tools),
            _yes(deployment.capabilities.vision),
            _price(deployment),
            _yes(status.loaded),
            {True: "up", False: f"down: {status.reason or 'no answer'}", None: _UNKNOWN}[status.up],
        )
    return table


def _yes(known: bool | None) -> str:
    return {True: "yes", False: "no", None: _UNKNOWN}[known]


def _where(deployment: Deployment) -> str:
    return f"{deployment.provider} ({'local' if deployment.local else 'cloud'})"


def _window(deployment: Deployment) -> str:
    if deployment.window_tokens is None:
        return _UNKNOWN
    assumed = " (assumed)" if deployment.sources.get("window_tokens") == "assumed" else ""
    return f"{deployment.window_tokens:,}{assumed}"


def _price(deployment: Deployment) -> str:
    if deployment.price is None:
        return "none known" if deployment.local else _UNKNOWN
    return f"${deployment.price.input_usd * 1e6:.2f} / ${deployment.price.output_usd * 1e6:.2f} per M"
