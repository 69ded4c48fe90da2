"""`waypost fleet`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click

from waypost.cli.number import Number
from waypost.cli.output import config_option, console, json_option, print_json

_COLUMNS = ("deployment", "engine", "loaded", "size", "window", "load", "tok/s in / out", "calls")


_url_option = click.option("--url", help="The server to ask. Default: the address in the config.")


@click.group(invoke_without_command=True)
@_url_option
@config_option
@json_option
@click.pass_context
def command(context: click.Context, url: str | None, path: Path | None, as_json: bool) -> None:
    """Show what is loaded on your engines, what a load takes, and how fast and how busy they are.

    The running server is asked, as it has seen loads and answers. Where none runs, the engines are looked at, and what a load
    takes is a guess.

    JSON keys of each: id, up, loaded, in_flight, residency.
    """
    if context.invoked_subcommand is not None:
        return
    from waypost.cli.table import print_table

    shown = [_shown(row) for row in _rows(url, path)]
    if as_json:
        print_json(shown)
    elif shown:
        print_table(console(), _COLUMNS, map(_row, shown), right=("size", "window"))
    else:
        console().print("no local deployment")


@command.command()
@_url_option
@click.option("--days", default=7.0, show_default=True, type=Number(0.01, 3650), help="How much of the ledger counts.")
@config_option
@json_option
def plan(url: str | None, days: float, path: Path | None, as_json: bool) -> None:
    """Say which models should stay loaded, which are loaded on demand, how long that takes, and what to put into the config.

    From sizes and load times that were measured, else guessed, and from how often each model is asked for: by the ledger, else
    by the running server. docs/residency.md explains the numbers.

    JSON keys of each: engine, capacity_bytes, max_models, demand_from, requests_per_hour, problem, wait_s, models, config.
    """
    from waypost.cli.fleet_plan import answered_lately, plan_of, print_plans

    now_s = time.time()
    plans = plan_of(_rows(url, path), answered_lately(path, days, now_s), days, now_s)
    if as_json:
        print_json([one.to_dict() for one in plans])
    elif plans:
        print_plans(console(), plans)
    else:
        click.echo("No engine that loads and unloads models was seen: start it, or name it in the config.", err=True)
    if not any(one.plan for one in plans):
        raise SystemExit(1)


def _rows(url: str | None, path: Path | None) -> list[dict[str, Any]]:
    """The local deployments, as ``GET /v1/models`` has them. Raises StartError where no server answers at ``url``."""
    from waypost.cli.running_server import address_of, deployments_of
    from waypost.errors import StartError
    from waypost.startup import read_config

    asked = url or address_of(read_config(path))
    rows = asyncio.run(deployments_of(asked))
    if rows is None and url is not None:
        raise StartError(f"no Waypost answers at {url}: start `waypost serve`, or leave --url out to look at the engines")
    if rows is None:
        rows = asyncio.run(_looked_at(path))
        console(stderr=True).print(f"No server answers at {asked}: the engines were looked at just now.", style="yellow")
    return [row for row in rows if row["waypost"]["local"] and "*" not in row["id"]]


async def _looked_at(path: Path | None) -> list[dict[str, Any]]:
    from waypost.cli.local_router import local_router
    from waypost.server.models import list_models

    router = await local_router(path)
    return [row for row in list_models(router.view(), router.policy) if row["waypost"]["kind"] == "deployment"]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    facts = row["waypost"]
    return {"id": row["id"], **{name: facts[name] for name in ("up", "loaded", "in_flight", "residency")}}


def _row(shown: dict[str, Any]) -> list[str]:
    known = shown["residency"] or {}
    size, window = known.get("size_bytes"), known.get("window_tokens")
    return [
        shown["id"],
        known.get("engine") or "?",
        _loaded(shown, known),
        "?" if size is None else f"{size / 2**30:.1f} GiB",
        "?" if window is None else f"{window:,}",
        _load(known),
        " / ".join(_speed(known.get(name)) for name in ("prompt_tokens_per_s", "answer_tokens_per_s")),
        _calls(shown, known),
    ]


def _loaded(shown: dict[str, Any], known: dict[str, Any]) -> str:
    if shown["up"] is False:
        return "down"
    if (known.get("memory") or {}).get("loading") == known.get("weights") is not None:
        return "loading"
    if known.get("misfit"):
        return "no, it does not fit now"
    share = known.get("gpu_share")
    part = f", {share:.0%} on the GPU" if shown["loaded"] and share is not None and share < 1 else ""
    return {True: f"yes{part}", False: "no", None: "?"}[shown["loaded"]]


def _load(known: dict[str, Any]) -> str:
    load_s, seen = known.get("load_s"), known.get("loads_seen")
    return "?" if load_s is None else f"{load_s:.1f} s, {f'{seen} seen' if seen else 'guessed'}"


def _speed(tokens_per_s: float | None) -> str:
    return "?" if tokens_per_s is None else f"{tokens_per_s:,.0f}"


def _calls(shown: dict[str, Any], known: dict[str, Any]) -> str:
    """Those that the engine speaks of, whoever sent them; else ours."""
    running, waiting = known.get("running"), known.get("waiting")
    if running is None:
        return f"{shown['in_flight']} of ours"
    return f"{running} running" + ("" if waiting is None else f", {waiting} waiting")
