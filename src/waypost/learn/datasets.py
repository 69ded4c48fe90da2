"""Labelled prompts: where they come from, and how a row becomes a Turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from waypost.decide.labels import TASKS
from waypost.errors import ArtefactError
from waypost.learn.records import records_of
from waypost.turn import EMPTY, Image, Message, Text, Tool, Turn


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with its task. ``accept`` lists every task that counts as right, the label among them.

    Rows of the same ``pair`` say the same in other words or in another language; most rows have none.
    """

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
    pair: str = ""
    question: str = ""
    """What the assistant asked before."""


class _Record(BaseModel):
    """A row as a file holds it. What is null counts as absent; other columns are passed over."""

    model_config = ConfigDict(strict=True)

    text: str
    task: str = Field("", validation_alias=AliasChoices("task", "label"))
    accept: list[str] = []
    source: str = ""
    lang: str = ""
    fine: str = ""
    licence: str = ""
    has_tools: bool = False
    has_image: bool = False
    # Whole numbers come as floats where a column of a parquet file has gaps.
    n_turns: Annotated[int, Field(strict=False, ge=1, le=10_000)] = 1
    context_tokens: Annotated[int, Field(strict=False, ge=0)] = 0
    pair: str | int = Field("", validation_alias=AliasChoices("pair", "group"))
    question: str = ""


def row_of(record: Mapping[str, Any]) -> Row:
    """A row from a record with ``text``, ``task`` or ``label``, and whichever of the other columns it has.

    Raises ArtefactError where a value has a wrong type or a task is not known.
    """
    try:
        found = _Record.model_validate({name: value for name, value in record.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ArtefactError(f"has no valid `{first['loc'][0]}`: {first['msg']}") from None
    if not found.task:
        raise ArtefactError("has no `task` and no `label`")
    for task in (found.task, *found.accept):
        if task not in TASKS:
            raise ArtefactError(f"has the task {task!r}; known are {', '.join(TASKS)}")
    accept = found.accept if found.task in found.accept else [found.task, *found.accept]
    return Row(**(found.model_dump() | {"accept": tuple(accept), "pair": str(found.pair)}))


def load_rows(path: Path) -> list[Row]:
    """The rows of a file. Raises ArtefactError where it has none, or one that is no labelled prompt.

    `records_of` says which files, and how their rows are numbered.
    """
    rows = []
    for number, record in records_of(path):
        try:
            rows.append(row_of(record))
        except ArtefactError as error:
            raise ArtefactError(f"row {number} of {path.name} {error.message}") from None
    if not rows:
        raise ArtefactError(f"{path.name} has no rows")
    return rows


def turn_of(row: Row) -> Turn:
    """The request that the row stands for.

    A row tells how many user messages there were, not what the earlier ones said: they are empty here, as are the tools.
    """
    parts: tuple[Text | Image, ...] = (Text(row.text), Image(inline=True)) if row.has_image else (Text(row.text),)
    earlier = (Message("user"),) * (row.n_turns - 1)
    if row.question:
        earlier = (*earlier, Message("assistant", (Text(row.question),)))
    return Turn(
        id="",
        model="auto",
        messages=(*earlier, Message("user", parts)),
        body=EMPTY,
        tools=(Tool("tool"),) if row.has_tools else (),
        prompt_tokens=row.context_tokens,
    )
