"""Picks the background: ordinary prompts of our own that no task of a user's own should match."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

from waypost.decide.own_tasks import BACKGROUND_FILE
from waypost.learn.datasets import Row
from waypost.learn.own_prompts import own_rows

ENGLISH = 600
WIDELY_SPOKEN = 120
OTHERS = 15
LARGE = frozenset({"ar", "de", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh"})
LONGEST_CHARS = 400
OFTEN_ASKED = ("question_answering", "advice")
OFTEN = 5
"""How many prompts of each label that is asked often, for one of any other: an own task is mostly one of these, set apart."""


def write_background(folder: Path, seed: int) -> None:
    """Writes the background into ``folder``, a prompt a line. It does not depend on any weights."""
    prompts = background_prompts(own_rows(random.Random(seed)))  # noqa: S311  reproducible, not secret
    (folder / BACKGROUND_FILE).write_text("".join(f"{prompt}\n" for prompt in prompts), encoding="utf-8")


def background_prompts(rows: Sequence[Row]) -> list[str]:
    """One fill of each prompt, as many of a language as turns in it are to be expected, spread evenly over the labels."""
    first = {row.pair: row for row in reversed(rows) if not row.question and _is_a_line(row.text)}
    by_language: defaultdict[str, list[Row]] = defaultdict(list)
    for pair in sorted(first):
        by_language[first[pair].lang].append(first[pair])
    picked = (islice(_spread(by_language[lang]), _share(lang)) for lang in sorted(by_language))
    return list(dict.fromkeys(chain.from_iterable(picked)))


def _share(lang: str) -> int:
    return ENGLISH if lang == "en" else WIDELY_SPOKEN if lang in LARGE else OTHERS


def _is_a_line(text: str) -> bool:
    return 0 < len(text) <= LONGEST_CHARS and text.splitlines() == [text]


def _spread(rows: Iterable[Row]) -> Iterable[str]:
    """The texts of ``rows``, one of each label in turn and several of some, from all over the files."""
    groups: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    mixed = list(rows)
    random.Random(len(mixed)).shuffle(mixed)  # noqa: S311  reproducible, not secret
    for number, row in enumerate(mixed):
        groups[row.fine or row.task, number % OFTEN if row.fine in OFTEN_ASKED else 0].append(row.text)
    return (text for texts in zip_longest(*groups.values()) for text in texts if text is not None)
