r"""Prompts of our own: written for this project, for what public data lacks.

Each file of ``learn/prompts`` is named by its language and holds lines of four kinds: ``@slot = one | another``, ``[label]``
(a label or, where it is not known more exactly, a task), comments, and prompts. A prompt is filled from slots; ``question >>
reply`` is a reply to what the assistant asked; ``\n`` is a line break.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib import resources

from waypost.decide.labels import TASK_OF, TASKS
from waypost.errors import ArtefactError
from waypost.learn.datasets import Row

OWN_SOURCE = "waypost_prompts"
OWN_LICENCE = "Apache-2.0 (this project)"
FILLS_EACH = 6
"""Fills of one prompt with slots."""

_SLOT = re.compile(r"\{(\w+)\}")
_VALUES = re.compile(r"@(\w+)\s*=\s*(.+)")
_SECTION = re.compile(r"\[(\w+)\]")


def own_rows(rng: random.Random) -> list[Row]:
    """Every prompt of every file, filled at random. The fills of one prompt share a ``pair``."""
    rows: list[Row] = []
    for file in sorted(resources.files("waypost.learn").joinpath("prompts").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".txt"):
            rows += filled(file.read_text(encoding="utf-8"), file.name.removesuffix(".txt"), rng)
    return rows


def filled(text: str, name: str, rng: random.Random) -> Iterator[Row]:
    """The rows of one file. Raises ArtefactError, with the line, for a label or a slot that is not known."""
    slots: dict[str, list[str]] = {}
    task = fine = ""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if values := _VALUES.fullmatch(line):
            slots[values[1]] = [value.strip() for value in values[2].split("|")]
        elif section := _SECTION.fullmatch(line):
            fine = section[1] if section[1] in TASK_OF else ""
            task = TASK_OF.get(fine, section[1])
            if task not in TASKS:
                raise ArtefactError(f"line {number} of {name} has the label {section[1]!r}, which is not known")
        else:
            unknown = set(_SLOT.findall(line)) - slots.keys()
            if unknown or not task:
                raise ArtefactError(f"line {number} of {name} has {'no label' if not task else f'no slot {min(unknown)}'}")
            fills = (_SLOT.sub(lambda slot: rng.choice(slots[slot[1]]), line) for _ in range(FILLS_EACH))
            for said in dict.fromkeys(fills) if "{" in line else (line,):
                question, _, reply = said.rpartition(">>")
                yield Row(
                    text=reply.strip().replace("\\n", "\n"),
                    task=task,
                    accept=(task,),
                    source=OWN_SOURCE,
                    lang=name[:2],
                    fine=fine,
                    licence=OWN_LICENCE,
                    question=question.strip(),
                    pair=f"{name}:{number}",
                )
