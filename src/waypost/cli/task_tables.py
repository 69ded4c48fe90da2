"""The report on a task model for people: what `waypost eval tasks` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from waypost.cli.card_view import shown
from waypost.cli.table import print_pairs, print_table
from waypost.decide.labels import TASKS

SCORES = ("accuracy", "macro_f1", "false_action_rate", "false_action_upper95", "action_recall")
GROUP = ("n", "accuracy", "macro_f1", "false_action_rate", "action_recall")
CLASS = ("n", "precision", "recall", "f1")
# Of a longer list the console shows its beginning; JSON and HTML have all of it.
MOST_GROUPS = 20
_SHORTER = {"false_action_rate": "false actions", "false_action_upper95": "at most (95 %)", "action_recall": "actions found"}
_SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
_MISS_CHARS = 60


def print_report(out: Console, report: Mapping[str, Any], files: Sequence[str]) -> None:
    """What the model scores, by task, language and source; how sure and how steady it is; and what it is compared with."""
    print_pairs(out, _summary(report, files))
    beside = {"this model": report} | {name: one["scores"] or {} for name, one in (report["baselines"] or {}).items()}
    _print_scores(out, "Beside baselines", "", beside if report["baselines"] else {}, SCORES)
    if report["baselines"]:
        print_pairs(out, {name: one["note"] for name, one in report["baselines"].items()})
    _print_scores(out, "Files", "file", report["files"], ("n", *SCORES))
    _print_scores(out, "Tasks", "label", report["per_class"], CLASS)
    confusion = ([label, *(str(count) for count in said.values())] for label, said in report["confusion"].items())
    print_table(out, ("label", *TASKS), confusion, title="Labels against answers", right=TASKS)
    _print_groups(out, "Languages", "language", report["per_language"])
    _print_groups(out, "Sources", "source", report["per_source"])
    kinds = (report["flip_rates"] or {}).items()
    flips = ([kind, str(one["n"]), shown(one["flip_rate"]), _ways(one["ways"])] for kind, one in kinds)
    print_table(out, ("said in another way", "n", "flipped", "of these"), flips, title="Flips", right=("n", "flipped"))
    covered = (
        [f"{point['coverage']:.0%}", str(point["accuracy"]), str(point["confidence"])]
        for point in report["coverage"]
        if point["coverage"] in _SHARES
    )
    columns = ("surest rows", "accuracy", "down to confidence")
    print_table(out, columns, covered, title="Coverage against accuracy", right=columns)
    print_table(out, ("text", "answer", "label"), map(_miss, report["misses"] or ()), title="Misses")


def _summary(report: Mapping[str, Any], files: Sequence[str]) -> dict[str, str]:
    latency, bound = report["latency_us"], shown(report["false_action_upper95"])
    facts = {
        "files": ", ".join(files),
        "model": report["versions"]["task_model"],
        "rows": str(report["n"]),
        "accuracy": f"{shown(report['accuracy'])}, macro-F1 {shown(report['macro_f1'])}",
        "false actions": f"{shown(report['false_action_rate'])}, with 95 % confidence at most {bound}",
        "actions found": shown(report["action_recall"]),
        "with tools": f"false actions {shown(report['false_action_rate_with_tools'])}, found "
        f"{shown(report['action_recall_with_tools'])}, if every row came with tools",
        "unfit tools": f"{shown(report['unfit_tools_action_rate'])} of {report['unfit_tools']} became actions",
        "abstained": shown(report["abstain_rate"]),
        "calibration": f"ECE {shown(report['ece'])}",
        "flips": shown(report["flip_rate"]),
        "pair flips": f"paraphrases {shown(report['paraphrase_flip_rate'])}, languages {shown(report['language_flip_rate'])}",
        "latency": f"{shown(latency['p50'])} µs at the median, {shown(latency['p99'])} µs at p99",
    }
    if not report["unfit_tools"]:
        del facts["unfit tools"]
    if report["paraphrase_flip_rate"] is None and report["language_flip_rate"] is None:
        del facts["pair flips"]
    return facts


def _print_scores(out: Console, title: str, first: str, groups: Mapping[str, Any], keys: Sequence[str]) -> None:
    rows = ([name, *(shown(one.get(key)) for key in keys)] for name, one in groups.items())
    columns = [_SHORTER.get(key, key) for key in keys]
    print_table(out, (first, *columns), rows, title=title, right=columns)


def _print_groups(out: Console, title: str, first: str, groups: Mapping[str, Any]) -> None:
    left_out = len(groups) - MOST_GROUPS
    if left_out > 0:
        title += f" (the {MOST_GROUPS} largest of {len(groups)})"
    _print_scores(out, title, first, dict(list(groups.items())[:MOST_GROUPS]), GROUP)


def _ways(ways: Mapping[str, float]) -> str:
    return ", ".join(f"{way} {rate}" for way, rate in ways.items()) if len(ways) > 1 else ""


def _miss(one: Mapping[str, Any]) -> list[str | Text]:
    text = Text(" ".join(one["text"].split()), no_wrap=True, overflow="ellipsis")
    text.truncate(_MISS_CHARS, overflow="ellipsis")
    return [text, f"{one['answer']} {one['confidence']:.0%}", one["label"]]
