"""The report on routers as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from waypost.learn.page import page, shown, table_of, tiles_of
from waypost.learn.svg_plots import Axes, bars, curves, dots

_TABLES = {
    "Quality": ("quality", "over_best_single", "oracle_gap_share"),
    "Quality and cost": ("cost_usd", "aiq", "arena_score", "quality_at_best_single_cost", "cost_at_best_single_quality"),
    "Two models": ("apgr", "cpt50", "cpt80"),
    "Calibration": ("ece", "brier", "coverage90", "interval_width"),
}
_ALWAYS = ("random", "cheapest", "best_single", "best_per_category", "best_per_task", "knn", "oracle")


def quality_page(report: Mapping[str, Any]) -> str:
    """The page of a report of `QualityEvaluation`."""
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in report["versions"].items())
    beside = [(name, (shown(one["flip_rate"]), _latency(one), _calls(one["calls"]))) for name, one in ordered(report)]
    models = [(name, [shown(one[key]) for key in ("n", "quality", "cost_usd")]) for name, one in report["models"].items()]
    body = [
        f"<p>{escape(', '.join(report['files']))}<br>{escape(protocol_of(report))}<br>{escape(versions)}</p>",
        _tiles(report),
        _curves(report),
        *(table_of(f"{title}, with 95 % intervals", ("", *keys), rows) for title, keys, rows in measured(report)),
        table_of("How steady, how quick, and who is called", ("", "flip rate", "µs p50 / p99", "calls"), beside, words=True),
        _reliability(report),
        _groups("Splits", report["splits"]),
        _groups("Categories", report["categories"]),
        table_of("Models", ("model", "n", "quality", "cost usd"), models, folded=True),
    ]
    return page("How well routers choose", body)


def ordered(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The policies, the one on trial first."""
    return sorted(report["policies"].items(), key=lambda one: one[0] != report["policy"])


def measured(report: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str], list[tuple[str, list[str]]]]]:
    """Tables of measures: title, measures, and a row for each policy that has one of them."""
    for title, keys in _TABLES.items():
        found = [(name, one) for name, one in ordered(report) if any(one[key] for key in keys)]
        yield title, keys, [(name, [interval(one[key]) for key in keys]) for name, one in found]


def protocol_of(report: Mapping[str, Any]) -> str:
    """How training and judged prompts were parted, in a sentence."""
    protocol = report["protocol"]
    ways = {
        "cross-validated": f"{protocol['folds']} folds by question, each judged by what was learned from the others",
        "official": "learned from the split train, judged on the others",
        "elsewhere": f"learned from {', '.join(protocol['train'])}",
    }
    left_out = f"; {protocol['leaks']} training prompts left out, as their question is judged" if protocol["leaks"] else ""
    repeated = f"; {protocol['repeated']} repeated outcomes averaged" if protocol["repeated"] else ""
    return f"{report['n']} prompts; {ways[protocol['way']]}{left_out}{repeated}; seed {protocol['seed']}"


def interval(found: Mapping[str, Any] | None) -> str:
    """A value with its interval."""
    if found is None:
        return shown(None)
    return f"{found['value']:.4g}" + (f" ({found['ci95'][0]:.4g} to {found['ci95'][1]:.4g})" if found["ci95"] else "")


def _tiles(report: Mapping[str, Any]) -> str:
    names = {
        "quality": f"quality of {report['policy']}",
        "over_best_single": f"over the best single model, {report['best_single']['model']}",
        "oracle_gap_share": "of the gap to the oracle",
        "apgr": "APGR",
        "cpt50": "CPT(50)",
        "cpt80": "CPT(80)",
        "aiq": "AIQ",
        "arena_score": "RouterArena's score",
        "ece": "calibration error",
    }
    tiles = {told: f"{report[name]['value']:.4g}" for name, told in names.items() if report[name] is not None}
    tiles |= {"best single model": f"{report['best_single']['value']:.4g}", "oracle": f"{report['oracle']['value']:.4g}"}
    return tiles_of(tiles | {"answers flipped": shown(report["flip_rate"])})


def _curves(report: Mapping[str, Any]) -> str:
    shown_names = [name for name, _ in ordered(report) if name in (*_ALWAYS, report["policy"])]
    policies = {name: report["policies"][name] for name in shown_names}
    parts = []
    dearest = max((one["cost_usd"] or 0.0 for one in report["models"].values()), default=0.0)
    lines = [
        (name, sorted({(min(1.0, point["cost_usd"] / dearest), point["quality"]) for point in one["curve"]}))
        for name, one in policies.items()
        if one["curve"] and dearest
    ]
    if lines:
        axes = Axes(
            "cost, as a share of the dearest model's", "quality", y_from=_floor(y for _, line in lines for _, y in line)
        )
        told = "Each line is one policy, from the cheapest setting of its dial to the best; what has no dial is a dot."
        parts.append(f"<div><h2>Quality against cost</h2><p>{told}</p>{curves('Quality against cost', axes, lines)}</div>")
    gaps = [
        (name, [(x, min(1.0, max(0.0, y))) for x, y in one["gap_curve"]]) for name, one in policies.items() if one["gap_curve"]
    ]
    if gaps:
        axes = Axes("share of calls to the strong model", "share of the gap recovered")
        told = f"From {report['pair']['weak']} to {report['pair']['strong']}; above 100 % is drawn at it."
        parts.append(f"<div><h2>Gap recovered</h2><p>{escape(told)}</p>{curves('Gap recovered', axes, gaps)}</div>")
    best = [(name, one["quality"]["value"], "") for name, one in ordered(report)]
    parts.append(f"<div><h2>Quality at its best</h2>{bars('Quality at its best', best)}</div>")
    return f'<div class="pair">{"".join(parts)}</div>'


def _floor(values: Any) -> float:
    return max(0.0, int(min(values) * 10) / 10)


def _reliability(report: Mapping[str, Any]) -> str:
    if report["reliability"] is None:
        return ""
    said = [(one["expected"], one["score"], one["n"]) for one in report["reliability"]]
    chart = dots("Reliability", Axes("expected score", "score"), said)
    return f"<h2>Reliability of {escape(report['policy'])}</h2><p>On the line, what is expected is what comes.</p>{chart}"


def _groups(title: str, groups: Mapping[str, Any]) -> str:
    if len(groups) < 2:
        return ""
    names = list(next(iter(groups.values()))["quality"])
    rows = [(name, [str(one["n"]), *(shown(one["quality"][policy]) for policy in names)]) for name, one in groups.items()]
    return table_of(title, ("", "n", *names), rows, folded=True)


def _latency(one: Mapping[str, Any]) -> str:
    return shown(None) if one["latency_us"] is None else f"{one['latency_us']['p50']} / {one['latency_us']['p99']}"


def _calls(calls: Mapping[str, float]) -> str:
    most: Sequence[tuple[str, float]] = list(calls.items())[:3]
    more = f" and {len(calls) - len(most)} more" if len(calls) > len(most) else ""
    return ", ".join(f"{model} {share:.0%}" for model, share in most) + more
