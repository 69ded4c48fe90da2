"""The report on a task model as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from waypost.decide.labels import TASKS
from waypost.learn.page import page, shown, table_of, tiles_of
from waypost.learn.svg_plots import Axes, bars, curve, dots, heat_map
from waypost.learn.task_report import GROUP_KEYS, MISS_CHARS, MOST_MISSES

MOST_LANGUAGE_BARS = 20

_SUMMARY = ("n", "accuracy", "macro_f1", "false_action_rate", "false_action_upper95", "action_recall", "abstain_rate", "ece")
_BASELINE = ("accuracy", "macro_f1", "false_action_rate", "false_action_upper95", "action_recall")
_CLASS = ("n", "precision", "recall", "f1")


def task_page(report: Mapping[str, Any], files: Sequence[str]) -> str:
    """The page of a report of `TaskEvaluation`, made from ``files``."""
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in report["versions"].items())
    body = [
        f"<p>{escape(', '.join(files))}<br>{escape(versions)}</p>",
        _tiles(report),
        table_of("Files", ("file", *_SUMMARY), _rows(report["files"], _SUMMARY)),
        _by_class(report),
        _confidence(report),
        _by_language(report),
        table_of("Sources", ("source", *GROUP_KEYS), _rows(report["per_source"], GROUP_KEYS), folded=True),
        _by_perturbation(report),
        _baselines(report),
        _misses(report["misses"]),
    ]
    return page("How well the task is told", body)


def _tiles(report: Mapping[str, Any]) -> str:
    latency = report["latency_us"]
    tiles = {
        "accuracy": shown(report["accuracy"]),
        "macro-F1": shown(report["macro_f1"]),
        f"false actions, at most {shown(report['false_action_upper95'])} (95 %)": shown(report["false_action_rate"]),
        "of the actions found": shown(report["action_recall"]),
        "abstained": shown(report["abstain_rate"]),
        "calibration error": shown(report["ece"]),
        "answers flipped": shown(report["flip_rate"]),
        f"µs at the median, {shown(latency['p99'])} at p99": shown(latency["p50"]),
    }
    return f"{tiles_of(tiles)}<p>{report['n']} rows. An abstention counts as chat.</p>"


def _by_class(report: Mapping[str, Any]) -> str:
    counts = [(label, list(said.values())) for label, said in report["confusion"].items()]
    chart = heat_map("Labels against answers", TASKS, counts)
    table = table_of("Tasks", ("label", *_CLASS), _rows(report["per_class"], _CLASS))
    return f"{table}<h2>Labels against answers</h2><p>A row for each label.</p><div class='scroll'>{chart}</div>"


def _confidence(report: Mapping[str, Any]) -> str:
    covered = [(point["coverage"], point["accuracy"]) for point in report["coverage"]]
    lowest = min((accuracy for _, accuracy in covered), default=0.0)
    axes = Axes("share of rows, the surest first", "accuracy", y_from=int(lowest * 10) / 10 if lowest < 1 else 0.9)
    said = [(found["confidence"], found["accuracy"], found["n"]) for found in report["reliability"]]
    per_task = [(task, (shown(error),)) for task, error in report["ece_per_task"].items()]
    return (
        '<div class="pair"><div><h2>Coverage against accuracy</h2>'
        "<p>How often the likeliest task is right, if only the surest rows are answered.</p>"
        + curve("Coverage against accuracy", axes, covered)
        + "</div><div><h2>Reliability</h2><p>On the line, confidence is accuracy; the area of a dot tells its rows.</p>"
        + dots("Reliability", Axes("confidence", "accuracy"), said)
        + "</div></div>"
        + table_of("Calibration error of each answered task", ("task", "ece"), per_task, folded=True)
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
        + table_of("All languages", ("language", *keys), table, folded=True)
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
        + table_of("Baselines", ("", *_BASELINE), _rows(scores, _BASELINE))
        + table_of("How the baselines answer", ("", "rule"), notes, words=True)
    )


def _misses(misses: Sequence[Mapping[str, Any]] | None) -> str:
    if misses is None:
        return ""
    rows = [
        (one["text"], (f"{one['answer']} {one['confidence']:.0%}", one["label"], one["lang"], one["source"])) for one in misses
    ]
    title = f"Misses: the first {MOST_MISSES}, {MISS_CHARS} characters each"
    return table_of(title, ("text", "answer", "label", "language", "source"), rows, words=True)


def _rows(groups: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    return [(name, [shown(one.get(key)) for key in keys]) for name, one in groups.items()]
