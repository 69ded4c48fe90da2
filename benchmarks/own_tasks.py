"""How well own tasks are told from a few examples, by method: the table of ``docs/task-model.md``.

    python benchmarks/own_tasks.py [--prompts ../shared/data/tasks/dev.parquet]

The tasks are those of ``tests/data/own_tasks.json``, all configured at once; the columns are means over them. *Left out*:
examples recognised by the others. *Alike*: other requests of the same kinds. *Further*: requests of the same subject with few
words in common. *Beside*: near the subject, and not of the task (commands, small talk). *Strangers*: rows of ``--prompts`` in
the task's language.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from waypost.decide import own_tasks
from waypost.decide.own_tasks import OwnTask, background, learn_own_tasks
from waypost.decide.task_model import LinearTaskModel, load_task_model

DATA = Path(__file__).parents[1] / "tests/data/own_tasks.json"
STRANGERS = 800
KINDS = ("examples", "paraphrases", "further", "others", "strangers")

Method = Callable[[LinearTaskModel, list[OwnTask], list[str]], tuple[np.ndarray, np.ndarray]]
"""Gives, for texts, a score for each task less its threshold; and the same for every example as if it had been left out."""


def nearest(model: LinearTaskModel, tasks: list[OwnTask], texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The likeness to the one example that is most like it."""
    examples = own_tasks._read([text for task in tasks for text in task.examples], model._seen)  # noqa: SLF001
    owners = np.repeat(np.arange(len(tasks)), [len(task.examples) for task in tasks])
    asked, ordinary = own_tasks._read(texts, model._seen), own_tasks._read(background(), model._seen)  # noqa: SLF001
    itself = examples.likeness(examples)
    np.fill_diagonal(itself, -1)

    def best(likeness: np.ndarray) -> np.ndarray:
        return np.stack([likeness[:, owners == place].max(axis=1) for place in range(len(tasks))], axis=1)

    found = best(ordinary.likeness(examples))
    same = [np.isin(ordinary.languages, examples.languages[owners == place]) for place in range(len(tasks))]
    thresholds = np.array([own_tasks._threshold(found[:, place], one) for place, one in enumerate(same)])  # noqa: SLF001
    return best(asked.likeness(examples)) - thresholds, best(itself) - thresholds


def judge(tasks: list[OwnTask], rows: dict[str, list[list[str]]], model: LinearTaskModel, method: Method) -> list[float]:
    """The share of each kind that matches, as a mean over the tasks."""
    texts = [text for kind in KINDS[1:] for texts in rows[kind] for text in texts]
    asked, left_out = method(model, tasks, texts)
    owners = [place for place, task in enumerate(tasks) for _ in task.examples]
    shares = [_share(left_out, owners, len(tasks))]
    at = 0
    for kind in KINDS[1:]:
        places = [place for place, texts in enumerate(rows[kind]) for _ in texts]
        shares.append(_share(asked[at : at + len(places)], places, len(tasks)))
        at += len(places)
    return shares


def _share(margins: np.ndarray, owners: list[int], tasks: int) -> float:
    hits = (margins.argmax(axis=1) == owners) & (margins.max(axis=1) >= 0)
    found = [hits[np.array(owners) == place].mean() for place in range(tasks) if place in owners]
    return float(np.mean(found)) if found else float("nan")


def shipped(model: LinearTaskModel, tasks: list[OwnTask], texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """What a router does. A match is a margin of 1, anything else one of -1."""
    learned = learn_own_tasks(tasks, background(), model._seen)  # noqa: SLF001
    names = [task.name for task in tasks]
    asked = np.full((len(texts), len(tasks)), -1.0)
    for row, text in enumerate(texts):
        reading, labels, _ = model._seen(text)  # noqa: SLF001
        found = learned.match(reading, labels)
        if found is not None:
            asked[row, names.index(found.name)] = 1
    counts = [(len(task.examples), found) for task, found in zip(tasks, learned.recalled, strict=True)]
    left_out = np.full((sum(count for count, _ in counts), len(tasks)), -1.0)
    at = 0
    for place, (count, found) in enumerate(counts):
        left_out[at : at + found, place] = 1
        at += count
    return asked, left_out


def strangers(prompts: Path | None, languages: list[str]) -> list[list[str]]:
    """Rows of ``prompts`` for each of these languages."""
    if prompts is None:
        return [[] for _ in languages]
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where there are prompts

    rows: list[dict[str, Any]] = pq.read_table(prompts, columns=["text", "lang"]).to_pylist()
    random.Random(1).shuffle(rows)
    return [[row["text"] for row in rows if row["lang"] == lang and len(row["text"]) < 600][:STRANGERS] for lang in languages]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measure own tasks.")
    parser.add_argument("--prompts", type=Path)
    given = json.loads(DATA.read_text())
    rows = {kind: [task[kind] for task in given.values()] for kind in KINDS[:-1]}
    rows["strangers"] = strangers(parser.parse_args().prompts, [task["lang"] for task in given.values()])
    tasks = [OwnTask(name, task["description"], tuple(task["examples"])) for name, task in given.items()]
    model = load_task_model()
    variants: list[tuple[str, Method, int, float]] = [
        ("nearest example, 2^9 places", nearest, 9, 0.0),
        ("nearest example, 2^12 places", nearest, 12, 0.0),
        ("ridge, 2^9 places, labels", shipped, 9, own_tasks.LABEL_SCALE),
        ("ridge, 2^12 places", shipped, 12, 0.0),
        ("ridge, 2^12 places, labels (shipped)", shipped, 12, own_tasks.LABEL_SCALE),
        ("ridge, 2^13 places, labels", shipped, 13, own_tasks.LABEL_SCALE),
    ]
    print("| method | left out | alike | further | beside | strangers | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, method, bits, scale in variants:
        own_tasks.BITS, own_tasks._SIGNED, own_tasks.LABEL_SCALE = bits, (2 << bits) - 1, scale  # noqa: SLF001
        shares = judge(tasks, rows, model, method)
        started = time.perf_counter()
        method(model, tasks, [])
        cells = " | ".join("" if np.isnan(share) else f"{share:.3f}" for share in shares)
        print(f"| {name} | {cells} | {time.perf_counter() - started:.2f} |", flush=True)


if __name__ == "__main__":
    main()
