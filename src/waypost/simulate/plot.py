"""What came of a simulation, as a picture: swaps over time, seconds to the first token, quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from waypost.errors import ArtefactError
from waypost.simulate.comparison import Comparison, Row


def write_plot(found: Comparison, path: Path) -> None:
    """Writes a PNG. Raises ArtefactError without matplotlib, and OSError where the file cannot be written."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - large, and only for who wants a picture
    except ImportError as error:
        raise ArtefactError("a plot needs matplotlib: pip install 'waypost[plots]'") from error
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    swaps, waits, quality = figure.subplots(1, 3)
    for row in found.rows:
        _swaps(swaps, row)
        _waits(waits, row)
    swaps.set(xlabel="hours", ylabel="swaps", title="Swaps so far")
    waits.set(xlabel="seconds to the first token", ylabel="share of requests", title="Wait", ylim=(0, 1))
    waits.legend(loc="lower right")
    bars = quality.barh([row.policy for row in found.rows], [row.quality for row in found.rows], color=["C0", "C1", "C2"])
    quality.bar_label(bars, fmt="%.3f", padding=3)
    quality.set(xlim=(0, 1.1), title="Quality")
    quality.invert_yaxis()
    figure.suptitle(f"{found.scenario}: {found.requests} requests, seed {found.seed}")
    figure.savefig(path, format="png", dpi=110)


def _swaps(axes: Any, row: Row) -> None:
    at = [answer.arrived_s / 3600 for answer in row.outcome.answers if answer.swapped]
    axes.step([0.0, *at], range(len(at) + 1), where="post", label=row.policy)


def _waits(axes: Any, row: Row) -> None:
    first_s = sorted(answer.first_s for answer in row.outcome.answers if answer.first_s is not None)
    axes.step(first_s, [(place + 1) / len(first_s) for place in range(len(first_s))], where="post", label=row.policy)
