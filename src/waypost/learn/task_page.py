"""The report on a task model as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from waypost.decide.labels import TASKS
from waypost.learn.svg_plots import Axes, bars, curve, dots, heat_map
from waypost.learn.task_report import GROUP_KEYS, MISS_CHARS, MOST_MISSES

MOST_LANGUAGE_BARS = 20

_SUMMARY = ("n", "accuracy", "macro_f1", "false_action_rate", "false_action_upper95", "action_recall", "abstain_rate", "ece")
_BASELINE = ("accuracy", "macro_f1", "false_action_rate", "false_action_upper95", "action_recall")
_CLASS = ("n", "precision", "recall", "f1")


def task_page(report: Mapping[str, Any], files: Sequence[str]) -> str:
    """The page of a report of `TaskEvaluation`, made from ``files``."""
    css = (resources.files("waypost.learn") / "task_page.css").read_text(encoding="utf-8")
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in report["versions"].items())
    body = [
        "<h1>How well the task is told</h1>",
        f"<p>{escape(', '.join(files))}<br>{escape(versions)}</p>",
        _tiles(report),
        _table("Files", ("file", *_SUMMARY), _rows(report["files"], _SUMMARY)),
        _by_class(report),
        _confidence(report),
        _by_language(report),
        _table("Sources", ("source", *GROUP_KEYS), _rows(report["per_source"], GROUP_KEYS), folded=True),
        _by_perturbation(report),
        _baselines(report),
        _misses(report["misses"]),
    ]
    # The page cannot load anything, whatever a row of the data says.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Waypost: how well the task is told</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _tiles(report: Mapping[str, Any]) -> str:
    latency = report["latency_us"]
    tiles = {
        "accuracy": _shown(report["accuracy"]),
        "macro-F1": _shown(report["macro_f1"]),
        f"false actions, at most {_shown(report['false_action_upper95'])} (95 %)": _shown(report["false_action_rate"]),
        "of the actions found": _shown(report["action_recall"]),
        "abstained": _shown(report["abstain_rate"]),
        "calibration error": _shown(report["ece"]),
        "answers flipped": _shown(report["flip_rate"]),
        f"µs at the median, {_shown(latency['p99'])} at p99": _shown(latency["p50"]),
    }
    drawn = (f"<b>{escape(value)}</b><span>{escape(name)}</span>" for name, value in tiles.items())
    inside = "".join(f'<div class="tile">{tile}</div>' for tile in drawn)
    return f'<div class="tiles">{inside}</div><p>{report["n"]} rows. An abstention counts as chat.</p>'


def _by_class(report: Mapping[str, Any]) -> str:
    counts = [(label, list(said.values())) for label, said in report["confusion"].items()]
    chart = heat_map("Labels against answers", TASKS, counts)
    table = _table("Tasks", ("label", *_CLASS), _rows(report["per_class"], _CLASS))
    return f"{table}<h2>Labels against answers</h2><p>A row for each label.</p><div class='scroll'>{chart}</div>"


def _confidence(report: Mapping[str, Any]) -> str:
    covered = [(point["coverage"], point["accuracy"]) for point in report["coverage"]]
    lowest = min((accuracy for _, accuracy in covered), default=0.0)
    axes = Axes("share of rows, the surest first", "accuracy", y_from=int(lowest * 10) / 10 if lowest < 1 else 0.9)
    said = [(found["confidence"], found["accuracy"], found["n"]) for found in report["reliability"]]
    per_task = [(task, (_shown(error),)) for task, error in report["ece_per_task"].items()]
    return (
        '<div class="pair"><div><h2>Coverage against accuracy</h2>'
        "<p>How often the likeliest task is right, if only the surest rows are answered.</p>"
        + curve("Coverage against accuracy", axes, covered)
        + "</div><div><h2>Reliability</h2><p>On the line, confidence is accuracy; the area of a dot tells its rows.</p>"
        + dots("Reliability", Axes("confidence", "accuracy"), said)
        + "</div></div>"
        + _table("Calibration error of each answered task", ("task", "ece"), per_task, folded=True)
    )


def _by_language(report: Mapping[str, Any]) -> str:
    groups = report["per_language"]
    if not groups:
        return ""
    largest = list(groups.items())[:MOST_LANGUAGE_BARS]
    rows = [(lang, one["accuracy"], f"of {one['n']}") for lang, one in [("all", report), *largest]]
    errors = report["ece_per_language"]
    keys = (*GROUP_KEYS, "ece")
    table = _rows({lang: {**one, "ece": errors[lang]} for lang, one in groups.items()}, keys)
    return (
        f"<h2>Languages</h2><p>Accuracy; the {len(largest)} languages with the most rows.</p>"
        + bars("Accuracy in each language", rows)
        + _table("All languages", ("language", *keys), table, folded=True)
    )


def _by_perturbation(report: Mapping[str, Any]) -> str:
    found = report["flip_rates"] or {}
    rows = [("all", report["flip_rate"], f"of {sum(one['n'] for one in found.values())}")] if found else []
    for one in found.values():
        rows += [(way, rate, "") for way, rate in one["ways"].items()]
    pairs = {"paraphrases": report["paraphrase_flip_rate"], "translations": report["language_flip_rate"]}
    rows += [(f"pairs: {name}", rate, "") for name, rate in pairs.items() if rate is not None]
    if not rows:
        return ""
    return "<h2>Flips</h2><p>How often the same request, said in another way, got another answer.</p>" + bars("Flips", rows)


def _baselines(report: Mapping[str, Any]) -> str:
    if report["baselines"] is None:
        return ""
    scores = {"this model": report} | {name: one["scores"] or {} for name, one in report["baselines"].items()}
    accuracy = bars("Accuracy", [(name, one.get("accuracy"), "") for name, one in scores.items()])
    macro_f1 = bars("Macro-F1", [(name, one.get("macro_f1"), "") for name, one in scores.items()])
    notes = [(name, (one["note"],)) for name, one in report["baselines"].items()]
    return (
        f'<div class="pair"><div><h2>Accuracy beside baselines</h2>{accuracy}</div>'
        f"<div><h2>Macro-F1 beside baselines</h2>{macro_f1}</div></div>"
        + _table("Baselines", ("", *_BASELINE), _rows(scores, _BASELINE))
        + _table("How the baselines answer", ("", "rule"), notes, words=True)
    )


def _misses(misses: Sequence[Mapping[str, Any]] | None) -> str:
    if misses is None:
        return ""
    rows = [
        (one["text"], (f"{one['answer']} {one['confidence']:.0%}", one["label"], one["lang"], one["source"])) for one in misses
    ]
    title = f"Misses: the first {MOST_MISSES}, {MISS_CHARS} characters each"
    return _table(title, ("text", "answer", "label", "language", "source"), rows, words=True)


def _rows(groups: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    return [(name, [_shown(one.get(key)) for key in keys]) for name, one in groups.items()]


def _table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    *,
    folded: bool = False,
    words: bool = False,
) -> str:
    """A table under its title, or, ``folded``, behind it; nothing without rows. ``words`` stand flush left."""
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in (name, *cells)) for name, cells in rows]
    if not lines:
        return ""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    inner = "".join(f"<tr>{line}</tr>" for line in lines)
    kind = ' class="words"' if words else ""
    table = f'<div class="scroll"><table{kind}><tr>{head}</tr>{inner}</table></div>'
    return f"<details><summary>{escape(title)}</summary>{table}</details>" if folded else f"<h2>{escape(title)}</h2>{table}"


def _shown(value: Any) -> str:
    return "unknown" if value is None else str(value)
