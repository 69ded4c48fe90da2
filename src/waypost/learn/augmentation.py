"""Training rows of our own: templates, quoted commands, and noise that nobody asked anything with."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import yaml

from waypost.decide.task import TASKS
from waypost.learn.datasets import Row

OWN_SOURCE = "waypost_templates"
OWN_LICENCE = "Apache-2.0 (this project)"
DERIVED = "derived"
"""The finer label of rows made from rows of the data. They keep the source, so that a left-out source leaves with them."""

FILLS_EACH = 16
"""Fills of one template with slots; one without is repeated a fourth as often."""

_SLOT = re.compile(r"\{(\w+)\}")
_QUOTES = (
    ("chat", 'what does "{}" mean?'),
    ("chat", 'translate "{}" into French'),
    ("chat", 'how do you say "{}" in Japanese?'),
    ("chat", 'is the sentence "{}" polite?'),
    ("chat", "write a short story that begins with the words: {}"),
    ("chat", 'correct the grammar: "{}"'),
    ("chat", 'why would anyone say "{}"?'),
    ("chat", 'my neighbour shouted "{}" at his speaker all night, so funny'),
    ("chat", 'rewrite "{}" more formally'),
    ("coding", 'write a Python function that parses commands such as "{}"'),
    ("coding", 'how do I write a regex that matches "{}"?'),
    ("coding", 'my voice assistant code crashes on "{}", how do I debug it?'),
)
_POLITE = ("please {}", "{} please", "hey, {}", "could you {}", "can you {} for me", "ok now {}", "i'd like you to {}")
_EMOJI = "😀😂🎉🔥👍🙏❤🤖🍕🚀"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_KEYS = "asdfghjklqwertzuiopyxcvbnm"


def template_rows(rng: random.Random) -> list[Row]:
    """Every template of ``templates.yaml``, filled at random."""
    text = (resources.files("waypost.learn") / "templates.yaml").read_text(encoding="utf-8")
    made: list[Row] = []
    for lang, block in yaml.safe_load(text).items():
        for task in TASKS:
            for template in block.get(task, ()):
                fills = FILLS_EACH if "{" in template else FILLS_EACH // 4
                found = dict.fromkeys(_fill(template, block["slots"], rng) for _ in range(fills))
                made.extend(_own(filled, task, lang) for filled in found)
    return made


def quoted_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Commands that are spoken about, not given: the words of an action without the wish for one."""
    commands = _short_commands(rows)
    made = []
    for _ in range(count if commands else 0):
        task, frame = rng.choice(_QUOTES)
        command = rng.choice(commands)
        text = frame.format(command.text.rstrip("."))
        made.append(replace(command, text=text, task=task, accept=(task,), fine=DERIVED))
    return made


def polite_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """The same commands, said politely: they stay commands."""
    commands = _short_commands(rows)
    picks = [rng.choice(commands) for _ in range(count if commands else 0)]
    return [replace(row, text=rng.choice(_POLITE).format(row.text.rstrip(".")), fine=DERIVED) for row in picks]


def noise_texts(count: int, rng: random.Random) -> list[str]:
    """Texts that ask for nothing: mashed keys, emoji, base64, digits, punctuation. The model must be unsure about them."""
    made = []
    for _ in range(count):
        kind = rng.randrange(6)
        if kind == 0:
            made.append(" ".join("".join(rng.choices(_KEYS, k=rng.randint(2, 12))) for _ in range(rng.randint(1, 8))))
        elif kind == 1:
            made.append("".join(rng.choices(_EMOJI, k=rng.randint(1, 12))))
        elif kind == 2:
            made.append("".join(rng.choices(_BASE64, k=rng.randint(12, 600))) + "=")
        elif kind == 3:
            made.append(rng.choice(_KEYS) * rng.randint(1, 200))
        elif kind == 4:
            made.append("".join(rng.choices(".,;:!?#*-_~ ", k=rng.randint(1, 30))))
        else:
            made.append("".join(chr(rng.randrange(0x3400, 0x2FA00)) for _ in range(rng.randint(2, 20))))
    return [text.encode("utf-8", "replace").decode() for text in made]


def _short_commands(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.task == "tool_calling" and row.lang == "en" and len(row.text) < 80]


def _fill(template: str, slots: dict[str, list[Any]], rng: random.Random) -> str:
    return _SLOT.sub(lambda match: str(rng.choice(slots[match[1]])), template)


def _own(text: str, task: str, lang: str) -> Row:
    return Row(text=text, task=task, accept=(task,), source=OWN_SOURCE, lang=lang, licence=OWN_LICENCE)
