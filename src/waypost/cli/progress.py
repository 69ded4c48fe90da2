"""How long work goes on: bars on standard error."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from waypost.cli.output import console

_SHOWN_STEPS = 100


def bars(*, auto_refresh: bool = True) -> Progress:
    """Progress on standard error, and only on a terminal.

    Without ``auto_refresh`` they are drawn between steps only, by no thread of their own: nothing that is timed waits for it.
    """
    shown = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=shown, disable=not shown.is_terminal, auto_refresh=auto_refresh)


def shown_on(progress: Progress) -> Callable[[str, int, int], None]:
    """Shows each step as a bar of its own."""
    steps: dict[str, TaskID] = {}

    def show(step: str, done: int, total: int) -> None:
        if step not in steps:
            steps[step] = progress.add_task(step, total=total)
        due = done == total or done % max(1, total // _SHOWN_STEPS) == 0
        progress.update(steps[step], completed=done, refresh=due and not progress.live.auto_refresh)

    return show
