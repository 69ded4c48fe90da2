"""`waypost fleet`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from waypost.cli.output import config_option, console, json_option, print_json

_COLUMNS = ("deployment", "engine", "loaded", "size", "window", "load", "tok/s in / out", "calls")


@click.command()
@click.option("--url", help="The server to ask. Default: the address in the config.")
@config_option
@json_option
def command(url: str | None, path: Path | None, as_json: bool) -> None:
    """Show what is loaded on your engines, what a load takes, and how fast and how busy they are.

    The running server is asked, as it has seen loads and answers. Where none runs, the engines are looked at, and what a load
    takes is a guess.

    JSON keys of each: id, up, loaded, in_flight, residency.
    """
    from waypost.cli.running_server import address_of, deployments_of
    from waypost.cli.table import print_table
    from waypost.errors import StartError
    from waypost.startup import read_config

    asked = url or address_of(read_config(path))
    rows = asyncio.run(deployments_of(asked))
    if rows is None and url is not None:
        raise StartError(f"no Waypost answers at {url}: start `waypost serve`, or leave --url out to look at the engines")
    if rows is None:
        rows = asyncio.run(_looked_at(path))
        console(stderr=True).print(f"No server answers at {asked}: the engines were looked at just now.", style="yellow")
    shown = [_shown(row) for row in rows if row["waypost"]["local"] and "*" not in row["id"]]
    if as_json:
        print_json(shown)
    elif shown:
        print_table(console(), _COLUMNS, map(_row, shown), right=("size", "window"))
    else:
        console().print("no local deployment")


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
