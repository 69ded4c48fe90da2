"""The same request as other people type it: what may change in a text without changing what it asks for."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

CHARS_PER_TYPO = 40
_LEAST_WORD = 4
"""In a shorter word a typo may make another word of it."""

_WORD = re.compile(r"[^\W\d_]+")
_SPACED_WORD = re.compile(r"\S+")
_BLANK = re.compile(r" +")
_REGION = re.compile(r"[-_].*")
"""What follows the language in codes such as ``pt-BR``."""

Change = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way to say the same. ``kind`` groups the ways that are of a kind."""

    kind: str
    name: str
    text: str


class Perturbing:
    """Says a text in every other way. The same text, language and seed give the same ways."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        text = (resources.files("waypost.learn") / "politeness.yaml").read_text(encoding="utf-8")
        self._phrases: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)

    def ways(self, text: str, lang: str) -> Iterator[Perturbation]:
        """Every way that differs from ``text`` itself, with padding and courtesy in ``lang`` or, if unknown, in English.

        A blank text has none.
        """
        if not text.strip():
            return
        phrases = self._phrases.get(_REGION.sub("", lang).lower(), self._phrases["en"])
        rng = random.Random(f"{self._seed} {text}")  # noqa: S311  reproducible, not secret
        for kind, name, change in _CHANGES:
            yield from _if_changed(kind, name, text, change(text, rng))
        yield from _if_changed("padding", "greeting in front", text, phrases["front"] + text)
        yield from _if_changed("padding", "thanks behind", text, text + phrases["behind"])
        yield from _if_changed("politeness", "courtesy", text, rng.choice(phrases["polite"]).replace("{}", text))


def _if_changed(kind: str, name: str, before: str, after: str) -> Iterator[Perturbation]:
    if after != before:
        yield Perturbation(kind, name, after)


def _upper(text: str, _: random.Random) -> str:
    return text.upper()


def _lower(text: str, _: random.Random) -> str:
    return text.lower()


def _title(text: str, _: random.Random) -> str:
    return _SPACED_WORD.sub(lambda word: word[0][:1].upper() + word[0][1:], text)


def _doubled(text: str, _: random.Random) -> str:
    return _BLANK.sub("  ", text)


def _broken(text: str, _: random.Random) -> str:
    return _BLANK.sub("\n", text)


def _trailing(text: str, _: random.Random) -> str:
    return f"{text} \n"


def _typos(text: str, rng: random.Random) -> str:
    """One typo for every 40 characters, each in a word of its own: two letters swapped, one dropped, or one doubled."""
    words = [word for word in _WORD.finditer(text) if len(word[0]) >= _LEAST_WORD]
    hit = rng.sample(words, min(len(words), max(1, len(text) // CHARS_PER_TYPO)))
    for word in sorted(hit, key=lambda word: -word.start()):
        # Never the first letter: people mistype inside of words.
        at = rng.randrange(word.start() + 1, word.end() - 1)
        first, second = text[at], text[at + 1]
        typed = rng.choice((second + first, second, first + first + second))
        text = text[:at] + typed + text[at + 2 :]
    return text


def _without_accents(text: str, _: random.Random) -> str:
    """Latin letters without their accents: in other scripts the marks are letters."""
    return "".join(_plain(char) for char in text)


def _plain(char: str) -> str:
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() and base.isalpha() else char


def _without_punctuation(text: str, _: random.Random) -> str:
    """Without marks at the end of words; those inside of them, as in ``3.5`` or ``don't``, stay."""
    return " ".join(kept for word in text.split() if (kept := _bare(word)))


def _spoken(text: str, rng: random.Random) -> str:
    """As a speech recogniser writes it: small letters, and no marks."""
    return _without_punctuation(text, rng).lower()


def _bare(word: str) -> str:
    start, end = 0, len(word)
    while start < end and unicodedata.category(word[start]).startswith("P"):
        start += 1
    while end > start and unicodedata.category(word[end - 1]).startswith("P"):
        end -= 1
    return word[start:end]


_CHANGES: tuple[tuple[str, str, Change], ...] = (
    ("casing", "upper case", _upper),
    ("casing", "lower case", _lower),
    ("casing", "title case", _title),
    ("whitespace", "doubled blanks", _doubled),
    ("whitespace", "line breaks", _broken),
    ("whitespace", "trailing blanks", _trailing),
    ("typos", "typos", _typos),
    ("accents", "no accents", _without_accents),
    ("punctuation", "no punctuation", _without_punctuation),
    ("punctuation", "as spoken", _spoken),
)
