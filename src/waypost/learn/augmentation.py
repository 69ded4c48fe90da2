"""Training rows made from other rows: spoken about, said politely, wrapped in courtesies, mistyped, and noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import yaml

from waypost.decide.labels import ACTION, DEFAULT_TASK
from waypost.learn.datasets import Row
from waypost.learn.own_prompts import OWN_LICENCE, OWN_SOURCE

DERIVED = "derived "
"""Begins the ``pair`` of rows made from rows of the data. They keep the source, so that a left-out source leaves with them."""

NOISE_SOURCE = "waypost_noise"

_QUOTES = (
    ("chat", "question_answering", 'what does "{}" mean?'),
    ("chat", "translation", 'translate "{}" into French'),
    ("chat", "translation", 'how do you say "{}" in Japanese?'),
    ("chat", "question_answering", 'is the sentence "{}" polite?'),
    ("chat", "creative_writing", "write a short story that begins with the words: {}"),
    ("chat", "rewriting", 'correct the grammar: "{}"'),
    ("chat", "question_answering", 'why would anyone say "{}"?'),
    ("chat", "smalltalk", 'my neighbour shouted "{}" at his speaker all night, so funny'),
    ("chat", "rewriting", 'rewrite "{}" more formally'),
    ("coding", "write_code", 'write a Python function that parses commands such as "{}"'),
    ("coding", "explain_code", 'how do I write a regex that matches "{}"?'),
    ("coding", "fix_code", 'my voice assistant code crashes on "{}", how do I debug it?'),
)
_POLITE = ("please {}", "{} please", "hey, {}", "could you {}", "can you {} for me", "ok now {}", "i'd like you to {}")
_OFFERS = ("Shall I {}?", "Should I {}?", "Do you want me to {}?", "Would you like me to {}?", "I can do that. Shall I {} now?")
_OFFERED = (
    *("device_command", "alarm_timer", "calendar", "list", "message", "media", "booking", "account"),
    *("creative_writing", "writing", "summarising", "translation", "write_code"),
)
_EMOJI = "😀😂🎉🔥👍🙏❤🤖🍕🚀"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_KEYS = "asdfghjklqwertzuiopyxcvbnm"
_MARKS = ".,;:!?\u00bf\u00a1\u2026\u3002\uff0c\uff1f\uff01\u061f"
_SHORT_CHARS = 240
"""Longer rows hold so much that a courtesy or a typo changes nothing."""


def quoted_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Commands that are spoken about, not given: the words of an action without the wish for one."""
    commands = _short_commands(rows)
    made = []
    for _ in range(count if commands else 0):
        task, fine, frame = rng.choice(_QUOTES)
        command = rng.choice(commands)
        text = frame.format(command.text.rstrip("."))
        made.append(replace(command, text=text, task=task, accept=(task,), fine=fine, pair=DERIVED + command.pair))
    return made


def polite_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """The same commands, said politely: they stay commands."""
    commands = _short_commands(rows)
    picks = [rng.choice(commands) for _ in range(count if commands else 0)]
    return [replace(row, text=rng.choice(_POLITE).format(row.text.rstrip(".")), pair=DERIVED + row.pair) for row in picks]


def padded_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Rows of every task with greetings in front, thanks behind, or both: they ask for what they asked for."""
    courtesies = _courtesies()
    made = []
    for row in _short(rows, count, rng):
        phrases = courtesies.get(row.lang, courtesies["en"])
        where = rng.randrange(4)
        front = rng.sample(phrases["front"], 0 if where == 0 else rng.choice((1, 1, 2)))
        behind = rng.sample(phrases["behind"], int(where < 2))
        made.append(replace(row, text=" ".join((*front, row.text, *behind)), pair=DERIVED + row.pair))
    return made


def reply_rows(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """The assistant's questions of ``rows``, agreed to, which asks for what they are about, and refused, for nothing."""
    courtesies = _courtesies()
    made = []
    for row in rows:
        phrases = courtesies.get(row.lang, {})
        if row.question and "agreed" in phrases:
            refusal = replace(row, task=DEFAULT_TASK, accept=(DEFAULT_TASK,), fine="smalltalk")
            for kind, reply in (("agreed", row), ("refused", refusal)):
                pair = f"{DERIVED}{kind} {row.pair}"
                made += [replace(reply, text=text, pair=pair) for text in rng.sample(phrases[kind], 2)]
    return made


def offered_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Requests that the assistant offers to carry out ("Shall I turn off the light?"), with no words of the user yet."""
    agreed = {lang for lang, phrases in _courtesies().items() if "agreed" in phrases}
    fitting = [row for row in rows if row.fine in _OFFERED and not row.question and row.lang in agreed and len(row.text) < 80]
    made = []
    for row in rng.sample(fitting, min(count, len(fitting))):
        asked = (rng.choice(_OFFERS) if row.lang == "en" else "{}?").format(row.text.rstrip(_MARKS))
        made.append(replace(row, text="", question=asked))
    return made


def acknowledging_rows(rng: random.Random) -> list[Row]:
    """Courtesies by themselves, which ask for nothing: "ok", "thanks!", "good morning"."""
    made = []
    for lang, phrases in _courtesies().items():
        for text in dict.fromkeys(phrase for kind in phrases.values() for phrase in kind):
            said = rng.choice((text, text.lower(), text.rstrip(".!,?")))
            accept = (DEFAULT_TASK,)
            row = Row(said, DEFAULT_TASK, accept, source=OWN_SOURCE, lang=lang, fine="smalltalk", licence=OWN_LICENCE)
            made.append(replace(row, pair=f"courtesy {text}"))
    return made


def mistyped_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Rows without their marks, as speech recognisers write them, or with a letter swapped, dropped or doubled now and then."""
    return [
        replace(row, text=_spoken(row.text) if rng.random() < 0.4 else _mistyped(row.text, rng), pair=DERIVED + row.pair)
        for row in _short(rows, count, rng)
    ]


def noise_rows(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Texts that ask for nothing: mashed keys, emoji, base64, digits, marks, and pasted logs, tables and data that speak of
    commands without giving any. The model must be unsure about them.
    """
    commands = [row.text for row in _short_commands(rows)]
    texts = [_noise(rng).encode("utf-8", "replace").decode() for _ in range(count)]
    texts += [_paste(commands, rng) for _ in range(count if commands else 0)]
    return [Row(text=text, task="chat", accept=("chat",), source=NOISE_SOURCE, licence=OWN_LICENCE) for text in texts]


def _noise(rng: random.Random) -> str:
    address = "https://{}.com/{}"
    makers: tuple[Callable[[], str], ...] = (
        lambda: " ".join(_drawn(_KEYS, 2, 12, rng) for _ in range(rng.randint(1, 8))),
        lambda: _drawn(_EMOJI, 1, 12, rng),
        lambda: _drawn(_BASE64, 12, 600, rng) + "=",
        lambda: rng.choice(_KEYS) * rng.randint(1, 200),
        lambda: _drawn(".,;:!?#*-_~ ", 1, 30, rng),
        lambda: "".join(chr(rng.randrange(0x3400, 0x2FA00)) for _ in range(rng.randint(2, 20))),
        lambda: "".join(chr(rng.randrange(0xA0, 0x3000)) for _ in range(rng.randint(2, 20))),
        lambda: _drawn("0123456789abcdef", 6, 64, rng),
        lambda: address.format(_drawn(_KEYS, 4, 12, rng), _drawn(_KEYS, 2, 20, rng)),
        lambda: _figure(rng),
    )
    return rng.choice(makers)()


def _drawn(signs: str, least: int, most: int, rng: random.Random) -> str:
    return "".join(rng.choices(signs, k=rng.randint(least, most)))


def _figure(rng: random.Random) -> str:
    """A number, a date, a time, a telephone number, an amount: a value without a word about it."""
    forms = (
        "{0}",
        "{0}{1}{2}",
        "{0}-{1}",
        "+{0} {1} {2}",
        "20{3:02}-{4:02}-{5:02}",
        "{4}:{5:02}",
        "{5}%",
        "{0}.{5:02}",
        "{0} {1}",
    )
    large = (rng.randint(1, 9999) for _ in range(3))
    return rng.choice(forms).format(*large, rng.randint(0, 60), rng.randint(1, 12), rng.randint(1, 28))


def _paste(commands: Sequence[str], rng: random.Random) -> str:
    """Lines of a log, a table, comma-separated values, JSON or settings, with the words of commands in them."""
    kind = rng.randrange(6)
    lines = []
    for number in range(rng.randint(2, 40)):
        said = rng.choice(commands).rstrip(".")
        word, other = (rng.choice(rng.choice(commands).split()) for _ in range(2))
        time = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        day = f"20{rng.randint(10, 39)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        level = rng.choice(("INFO", "ERROR", "WARN", "DEBUG", "[error]", "notice:"))
        lines.append(
            (
                f"{day} {time} {level} {said}",
                f"{time} {level} {word}.{other}({number}) failed: {said}, please {word} {other} again",
                f"| {word} | {other} | {number} | {said} |" if number else f"| {word} | {other} |\n|---|---|",
                f"{number},{word},{other},{day},{said}",
                f'{{"id": {number}, "{word}": "{other}", "action": "{said}"}}',
                f"{word}_{other} = {number}  # {said}",
            )[kind]
        )
    return "\n".join(lines)


def _courtesies() -> dict[str, dict[str, list[str]]]:
    text = (resources.files("waypost.learn") / "courtesies.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return found


def _short(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    short = [row for row in rows if 0 < len(row.text) < _SHORT_CHARS and not row.question]
    return rng.sample(short, min(count, len(short)))


def _short_commands(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.task == ACTION and row.lang == "en" and len(row.text) < 80]


def _spoken(text: str) -> str:
    return " ".join(word.strip(_MARKS) for word in text.lower().split())


def _mistyped(text: str, rng: random.Random) -> str:
    letters: list[Any] = list(text)
    for _ in range(max(1, len(text) // 40)):
        at = rng.randrange(len(letters))
        if at + 1 < len(letters) and letters[at].isalpha() and letters[at + 1].isalpha():
            kind = rng.randrange(3)
            if kind == 0:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            elif kind == 1:
                letters[at] = letters[at] * 2
            else:
                del letters[at]
    return "".join(letters)
