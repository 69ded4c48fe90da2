"""Labelled prompts: where they come from, and how a row becomes a Turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypost.decide.task import TASKS
from waypost.errors import ArtefactError
from waypost.turn import EMPTY, Image, Message, Text, Tool, Turn


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with its task. ``accept`` lists every task that counts as right, the label among them."""

    text: str
    task: str
    accept: tuple[str, ...]
    source: str = ""
    lang: str = ""
    fine: str = ""
    licence: str = ""
    has_tools: bool = False
    has_image: bool = False
    n_turns: int = 1
    context_tokens: int = 0


def row_of(record: Mapping[str, Any]) -> Row:
    """A row from a record with ``text``, ``task`` or ``label``, and whichever of the other columns it has."""
    task = str(record.get("task") or record.get("label") or "")
    return Row(
        text=str(record.get("text") or ""),
        task=task,
        accept=tuple(record.get("accept") or (task,)),
        source=str(record.get("source") or ""),
        lang=str(record.get("lang") or ""),
        fine=str(record.get("fine") or ""),
        licence=str(record.get("licence") or ""),
        has_tools=bool(record.get("has_tools")),
        has_image=bool(record.get("has_image")),
        n_turns=int(record.get("n_turns") or 1),
        context_tokens=int(record.get("context_tokens") or 0),
    )


def load_rows(path: Path) -> list[Row]:
    """The rows of a ``.parquet`` or ``.jsonl`` file. Raises ArtefactError where a row has no known task."""
    records = _parquet(path) if path.suffix == ".parquet" else _jsonl(path)
    rows = [row_of(record) for record in records]
    for number, row in enumerate(rows, 1):
        if row.task not in TASKS:
            raise ArtefactError(f"row {number} of {path.name} has the task {row.task!r}; known are {', '.join(TASKS)}")
    return rows


def turn_of(row: Row) -> Turn:
    """The request that the row stands for.

    A row tells how many user messages there were, not what the earlier ones said: they are empty here, as are the tools.
    """
    parts: tuple[Text | Image, ...] = (Text(row.text), Image(inline=True)) if row.has_image else (Text(row.text),)
    earlier = (Message("user"),) * (row.n_turns - 1)
    return Turn(
        id="",
        model="auto",
        messages=(*earlier, Message("user", parts)),
        body=EMPTY,
        tools=(Tool("tool"),) if row.has_tools else (),
        prompt_tokens=row.context_tokens,
    )


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    _demand(path)
    try:
        from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415  only training needs it, from an extra
    except ImportError as error:
        raise ArtefactError("reading parquet needs pyarrow: pip install 'waypost[train]'") from error
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise ArtefactError(f"{path.name} cannot be read as parquet: {error}") from error


def _jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    _demand(path)
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _demand(path: Path) -> None:
    if not path.is_file():
        raise ArtefactError(f"there is no {path.name} in the data folder; name the folder that holds it with --data")
