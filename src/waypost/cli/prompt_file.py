"""Deciding a whole file of prompts, and summing it up."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import track
from rich.table import Table

from waypost.decide.card import Decision
from waypost.learn.task_judging import judge

Row = dict[str, Any]


def read_prompts(path: Path) -> list[Row]:
    """The rows of a JSON-lines file. Raises `click.ClickException` with the number of the first bad line."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise click.ClickException(f"{path.name}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise click.ClickException(f"{path.name}:{number}: wants an object with a string `text`")
        rows.append(row)
    if not rows:
        raise click.ClickException(f"{path.name}: no prompts in it")
    return rows


def decide_all(rows: Sequence[Row], decide: Callable[[Row], Decision], screen: Console) -> dict[str, Any]:
    """Every decision, and what they come to. Accuracy is over the rows that have a ``label``; ``None`` if none has."""
    made: list[dict[str, Any]] = []
    tasks: list[str | None] = []
    took_us: list[float] = []
    for row in track(rows, description="deciding", console=screen, disable=not screen.is_terminal):
        started = time.perf_counter()
        decision = decide(row)
        took_us.append((time.perf_counter() - started) * 1e6)
        tasks.append(decision.task.task)
        chosen = decision.candidates[0].deployment if decision.candidates else None
        wanted = row.get("accept") or ([row["label"]] if "label" in row else None)
        made.append(
            {
                "id": row.get("id"),
                "text": row["text"],
                "task": decision.task.task,
                "confidence": round(decision.task.confidence, 4),
                "route": decision.route,
                "deployment": chosen,
                "refused": decision.refusal.error.code if decision.refusal else None,
                "label": row.get("label"),
                "right": None if wanted is None else (decision.task.task or "chat") in wanted,
            }
        )
    labelled = [(task, row) for task, row in zip(tasks, rows, strict=True) if "label" in row]
    judged = judge([task for task, _ in labelled], [row for _, row in labelled]) if labelled else {}
    return {
        "n": len(rows),
        "accuracy": None,
        **judged,
        "routes": dict(Counter(one["route"] or "none" for one in made).most_common()),
        "refused": sum(one["refused"] is not None for one in made),
        "latency_us": {"p50": round(statistics.median(took_us), 1), "max": round(max(took_us), 1)},
        "decisions": made,
    }


def print_summary(screen: Console, result: dict[str, Any]) -> None:
    """Each decision in a line, then the totals."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "prompt", "task", "sure", "route", "deployment", "label"):
        table.add_column(title, overflow="ellipsis", no_wrap=True, max_width=60)
    for one in result["decisions"]:
        mark = {True: "[green]ok[/]", False: "[red]miss[/]", None: ""}[one["right"]]
        prompt = " ".join(one["text"].split())
        cells = (
            one["task"] or "unclear",
            f"{one['confidence']:.0%}",
            one["route"],
            one["deployment"] or one["refused"],
            one["label"],
        )
        table.add_row(mark, _plain(prompt), *(_plain(str(cell or "")) for cell in cells))
    screen.print(table)
    routes = ", ".join(f"{name} {count}" for name, count in result["routes"].items())
    screen.print(f"\n{result['n']} prompts; routes: {routes}; refused: {result['refused']}", markup=False)
    if result["accuracy"] is not None:
        screen.print(
            f"right: {result['accuracy']:.1%} (macro-F1 {result['macro_f1']:.3f}); "
            f"false actions: {result['false_action_rate']:.1%} of what asks for none",
            style="bold",
        )
    screen.print(f"a decision took {result['latency_us']['p50']:.0f} µs (median), request parsing included")


def _plain(text: str) -> str:
    """Prompts are not markup."""
    return text.replace("[", r"\[")
