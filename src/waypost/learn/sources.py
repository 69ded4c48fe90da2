"""Which sources a row may be judged by: capped, and left out whole."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from waypost.learn.datasets import Row


def capped(rows: Sequence[Row], most: int) -> list[Row]:
    """At most ``most`` rows of each source and task, chosen by the hash of their text: the same ones every time."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.task, row.source].append(row)
    return [row for key in sorted(groups) for row in sorted(groups[key], key=_digest)[:most]]


def assign_folds(rows: Sequence[Row], folds: int) -> dict[str, int]:
    """A fold for each source, such that each fold has about its share of every task.

    The largest sources are placed first, each where it unbalances least.
    """
    sizes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        sizes[row.source][row.task] += 1
    totals = Counter(row.task for row in rows)
    loads: list[Counter[str]] = [Counter() for _ in range(folds)]
    placed: dict[str, int] = {}

    def cost(fold: int, source: str) -> float:
        return sum(
            ((loads[fold][task] + size) / totals[task]) ** 2 - (loads[fold][task] / totals[task]) ** 2
            for task, size in sizes[source].items()
        )

    for source in sorted(sizes, key=lambda name: (-max(size / totals[task] for task, size in sizes[name].items()), name)):
        placed[source] = min(range(folds), key=lambda fold: (cost(fold, source), fold))
        loads[placed[source]] += sizes[source]
    return placed


def _digest(row: Row) -> bytes:
    return hashlib.sha256(row.text.encode("utf-8", "surrogatepass")).digest()
