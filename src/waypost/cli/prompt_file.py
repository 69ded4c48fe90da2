"""Deciding a whole file of prompts, and summing it up."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.progress import track
from rich.text import Text

from waypost.cli.card_view import shown
from waypost.cli.table import print_table
from waypost.decide.card import Decision
from waypost.decide.labels import DEFAULT_TASK
from waypost.learn.task_judging import judge

_SHOWN_CHARS = 60


class Prompt(BaseModel):
    """A line of the file, judged if it has a ``label``. ``accept`` lists every task that is right, the label among them."""

    model_config = ConfigDict(strict=True, frozen=True)

    text: str
    id: Any = None
    label: str | None = None
    accept: list[str] | None = None
    has_image: bool | None = None
    has_tools: bool | None = None
    n_turns: Annotated[int, Field(ge=1, le=10_000)] | None = None


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a JSON-lines file. Raises `click.ClickException` with the number of the first bad line."""
    prompts = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            prompts.append(Prompt.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = f"`{'.'.join(map(str, first['loc']))}`: " if first["loc"] else ""
            raise click.ClickException(f"{path.name}:{number}: {key}{first['msg']}") from None
    if not prompts:
        raise click.ClickException(f"{path.name}: no prompts in it")
    return prompts


def decide_all(prompts: Sequence[Prompt], decide: Callable[[Prompt], Decision], screen: Console) -> dict[str, Any]:
    """Every decision, and what they come to. Scores are over the prompts that have a ``label``; ``None`` if none has."""
    made: list[dict[str, Any]] = []
    took_us: list[float] = []
    for prompt in track(prompts, description="deciding", console=screen, disable=not screen.is_terminal):
        started = time.perf_counter()
        decision = decide(prompt)
        took_us.append((time.perf_counter() - started) * 1e6)
        task = decision.task.task
        right = None if prompt.label is None else (task or DEFAULT_TASK) in (prompt.accept or [prompt.label])
        made.append(
            {
                "id": prompt.id,
                "text": prompt.text,
                "task": task,
                "confidence": round(decision.task.confidence, 4),
                "route": decision.route,
                "deployment": decision.candidates[0].deployment if decision.candidates else None,
                "refused": decision.refusal.error.code if decision.refusal else None,
                "label": prompt.label,
                "right": right,
            }
        )
    labelled = [
        (one["task"], prompt.model_dump()) for one, prompt in zip(made, prompts, strict=True) if prompt.label is not None
    ]
    judged = judge([task for task, _ in labelled], [row for _, row in labelled])
    return {
        "n": len(prompts),
        "labelled": judged.pop("n"),
        **judged,
        "routes": dict(Counter(one["route"] or "none" for one in made).most_common()),
        "refused": sum(one["refused"] is not None for one in made),
        "latency_us": {"p50": round(statistics.median(took_us), 1), "max": round(max(took_us), 1)},
        "decisions": made,
    }


def print_summary(screen: Console, result: dict[str, Any]) -> None:
    """Each decision in a line, then the totals."""
    print_table(screen, ("prompt", "task", "deployment", "label"), map(_row, result["decisions"]))
    routes = ", ".join(f"{name} {count}" for name, count in result["routes"].items())
    screen.print(f"\n{result['n']} prompts; routes: {routes}; refused: {result['refused']}")
    if result["labelled"]:
        screen.print(
            f"right: {_percent(result['accuracy'])} (macro-F1 {shown(result['macro_f1'])}); "
            f"false actions: {_percent(result['false_action_rate'])} of what asks for none",
            style="bold",
        )
    screen.print(f"a decision took {result['latency_us']['p50']:.0f} µs (median), request parsing included")


def _row(one: dict[str, Any]) -> list[str | Text]:
    """The beginning of the prompt, what it was taken for, who would answer, and whether that is right."""
    task = f"{one['task'] or 'unclear'} {one['confidence']:.0%}"
    if one["route"] not in (None, one["task"]):
        task += f" > {one['route']}"
    verdict = {True: Text("ok", "green"), False: Text(f"miss: {one['label']}", "red"), None: Text()}[one["right"]]
    # Far more than a line is never shown.
    prompt = Text(" ".join(one["text"][:1_000].split()), no_wrap=True, overflow="ellipsis")
    prompt.truncate(_SHOWN_CHARS, overflow="ellipsis")
    return [prompt, task, one["deployment"] or one["refused"], verdict]


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
