"""The report on routers for people: what `waypost eval quality` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from waypost.cli.card_view import shown
from waypost.cli.table import print_pairs, print_table
from waypost.learn.quality_page import interval, measured, ordered, protocol_of

_MOST_GROUPS = 20
_LEFT_OUT = ("random", "cheapest", "keyword_rules")
"""Too wide a table is not read: JSON and HTML have these too."""


def print_report(out: Console, report: Mapping[str, Any]) -> None:
    """What each policy is measured by, the one on trial first; then the groups of prompts, and the models."""
    print_pairs(out, _summary(report))
    policies = ordered(report)
    for title, keys, rows in measured(report):
        names = [key.replace("_", " ") for key in keys]
        cells = [[name, *values] for name, values in rows]
        print_table(out, ("policy", *names), cells, title=f"{title} (95 % interval)", right=names)
    columns: tuple[str, ...] = ("flip rate", "µs p50", "µs p99")
    steady = [
        [name, shown(one["flip_rate"]), *(shown((one["latency_us"] or {}).get(key)) for key in ("p50", "p99"))]
        for name, one in policies
    ]
    print_table(out, ("policy", *columns), steady, title="Steadiness and time", right=columns)
    for title in ("splits", "categories"):
        _print_groups(out, title, report[title])
    models = [[name, *(shown(one[key]) for key in ("n", "quality", "cost_usd"))] for name, one in report["models"].items()]
    columns = ("n", "quality", "cost usd")
    more = f" (the best {_MOST_GROUPS} of {len(models)})" if len(models) > _MOST_GROUPS else ""
    print_table(out, ("model", *columns), models[:_MOST_GROUPS], title=f"Models{more}", right=columns)


def _summary(report: Mapping[str, Any]) -> dict[str, str]:
    best = report["best_single"]
    facts = {
        "files": ", ".join(report["files"]),
        "prompts": protocol_of(report),
        "on trial": f"{report['policy']}, quality {interval(report['quality'])}",
        "best single": f"{best['model']}, quality {interval(best)}",
        "oracle": interval(report["oracle"]),
    }
    if report["cost_usd"] is None:
        facts["costs"] = "not known of every answer, so nothing about costs is told; --priced leaves such models out"
    if report["protocol"]["unanswered"]:
        facts["unanswered"] = f"{report['protocol']['unanswered']} times a model has no outcome, and is not chosen there"
    return facts


def _print_groups(out: Console, title: str, groups: Mapping[str, Any]) -> None:
    if len(groups) < 2:
        return
    names: Sequence[str] = [name for name in next(iter(groups.values()))["quality"] if name not in _LEFT_OUT]
    largest = sorted(groups.items(), key=lambda one: -one[1]["n"])[:_MOST_GROUPS]
    more = f" (the {_MOST_GROUPS} largest of {len(groups)})" if len(groups) > _MOST_GROUPS else ""
    for key, told in (("quality", ""), ("mean_over_categories", ", mean over categories")):
        if key == "mean_over_categories" and title == "categories":
            continue
        rows = [[name or "none", str(one["n"]), *(shown(one[key][policy]) for policy in names)] for name, one in largest]
        print_table(out, ("", "n", *names), rows, title=f"Quality by {title}{told}{more}", right=("n", *names))
