"""What `waypost whatif` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from waypost.cli.card_view import shown
from waypost.cli.table import print_pairs, print_table

_NOBODY = "(refused)"
_QUALITY = {
    "old": "as it was",
    "new": "under the new rules (doubly robust)",
    "difference": "gained by the new rules",
    "weighted": "under the new rules, from ratings alone (self-normalised)",
}


def print_what_if(out: Console, report: Mapping[str, Any]) -> None:
    """What changes, what that costs, and what can be said of quality."""
    print_pairs(out, _facts(report))
    moves = [[one["from"] or _NOBODY, one["to"] or _NOBODY, f"{one['decisions']:,}"] for one in report["moves"]]
    print_table(out, ("asked first", "would be", "decisions"), moves, title="What changes", right=("decisions",))
    _print_costs(out, report["cost_usd"])
    quality = report["quality"]
    if quality is not None:
        rows = [[said, f"{quality[name]['value']:.4f}", _bounds(quality[name])] for name, said in _QUALITY.items()]
        title = f"Quality, from {quality['decisions']:,} rated decisions"
        print_table(out, ("mean score", "value", "95 % interval"), rows, title=title, right=("value",))
        print_pairs(out, _weight(quality))
    expected = report["expected"]
    if expected["decisions"]:
        told = f"{shown(expected['old'])} as it was, {shown(expected['new'])} under the new rules"
        out.print("\nForecast by the estimator: no evidence", style="bold")
        print_pairs(out, {"mean score": f"{told}, over {expected['decisions']:,} decisions"})


def _facts(report: Mapping[str, Any]) -> dict[str, str]:
    decisions, rated, again = report["decisions"], report["rated"], report["again"]
    share = f" ({report['changed'] / decisions['replayed']:.1%})" if decisions["replayed"] else ""
    facts = {
        "rules": ", ".join(report["files"]),
        "decisions": f"{decisions['found']:,} found, {decisions['replayed']:,} made again",
        "left out": "; ".join(f"{n:,}: {reason}" for reason, n in decisions["left_out"].items()),
        "changed": f"{report['changed']:,}{share}",
        "rated": f"{rated['decisions']:,}, by {', '.join(rated['sources'])}",
    }
    if rated["not_counting"]:
        facts["rated"] += f"; {rated['not_counting']:,} more say nothing: another one answered than was chosen, or the cache"
    if rated["later_turns"]:
        facts["rated"] += f"; {rated['later_turns']:,} later turns of conversations are left out, as nothing in them explores"
    if again is not None and again["decisions"]:
        facts["repeatable"] = (
            f"{again['same']:,} of {again['decisions']:,} made under the config in force come out the same under it"
        )
        if again["same"] < again["decisions"]:
            facts["repeatable"] += "; the others hung on what is not kept, such as what was loaded"
    return {name: fact for name, fact in facts.items() if fact}


def _print_costs(out: Console, costs: Mapping[str, Any]) -> None:
    new, both = costs["new"], costs["both_known"]
    how = f"{new['exact']:,} as they were, {new['known'] - new['exact']:,} expected"
    rows = [
        ["as it was", _dollars(costs["old"]["usd"]), f"{costs['old']['known']:,}", f"{costs['old']['unknown']:,}"],
        ["under the new rules", _dollars(new["usd"]), f"{new['known']:,}: {how}", f"{new['unknown']:,}"],
    ]
    print_table(out, ("cost", "dollars", "decisions", "unknown"), rows, title="Cost", right=("dollars", "unknown"))
    if both["decisions"] and (costs["old"]["unknown"] or new["unknown"]):
        told = f"{_dollars(both['old'])} as it was, {_dollars(both['new'])} under the new rules"
        print_pairs(out, {"where both are known": f"{told}, over {both['decisions']:,} decisions"})


def _weight(quality: Mapping[str, Any]) -> dict[str, str]:
    said = (
        f"as much as {quality['effective']:,.0f} ratings under the new rules; {quality['drawn']:,} of what changes, by chance"
    )
    unjudged = quality["unjudged"]
    return {
        "weighs": said,
        **({"unjudged": f"{unjudged:.1%} of the decisions, which count for 0 to 1 in the interval"} if unjudged else {}),
    }


def _bounds(found: Mapping[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{low:.4f} to {high:.4f}"


def _dollars(value: float | None) -> str:
    return "unknown" if value is None else f"${value:.4f}"
