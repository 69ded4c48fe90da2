"""What the task model sees of a text: hashed n-grams of characters and words.

Everything is a pure function of the text. The hashes are integer arithmetic modulo 2^32, so they are the same in every
process and on every platform. The work is bounded: of a long text only its head, its tail and a fixed sample are read.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.kernel import ngrams
from waypost.kernel.plain import Codes, Ids
from waypost.value import value

FEATURES_VERSION = "2"
"""Weights belong to one reading of the text. Whoever changes what a turn is read as changes this."""

HEAD_CHARS = 1000
TAIL_CHARS = 800
SAMPLES = 3
SAMPLE_CHARS = 200
MAX_CHARS = HEAD_CHARS + TAIL_CHARS + SAMPLES * (SAMPLE_CHARS + 1) + 1
"""The most characters of one text that are ever read, so that a text of any length takes under 2 ms."""

CHAR_NGRAMS = (3, 5)
"""2 to 5 and 3 to 5 tell tasks no better (docs/task-model.md). `ngrams` makes these."""

REMEMBERED_TEXTS = 256
REMEMBERED_CHARS = 1200
"""What was read of so many texts up to that length is kept, at most 15 MB: conversations, tool loops and households repeat
theirs."""

_BLANK, _LETTER, _MARK, _ALONE = range(4)
_DIGITS = (0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xFF10)
"""Where the ten digits of each script begin."""


def _folded() -> Codes:
    """What each code point below 65536 is read as; 0 is not read at all. Code points above are all read as 65535.

    Accents of Latin and Greek letters go, and full-width forms, so that a missing accent changes nothing; every digit of every
    script is a 0; apostrophes go, as a speech recogniser leaves them out, and signs that nobody sees. Blanks and control
    characters are a blank. Only
    properties that Unicode promises never to change are used: every Python reads a text alike.
    """
    folded = np.arange(1 << 16, dtype=np.uint32)
    for start, end in ((0xC0, 0x250), (0x386, 0x3CF), (0x1E00, 0x2000), (0xFF01, 0xFF5F)):
        for point in range(start, end):
            folded[point] = ord(unicodedata.normalize("NFKD", chr(point))[0].lower()[0])
    for start in _DIGITS:
        folded[start : start + 10] = 48
    folded[:33] = folded[0x7F:0xA1] = folded[0x2000:0x2010] = folded[0x2028:0x2030] = folded[0x3000] = 32
    folded[0xAD] = folded[0x200B:0x2010] = folded[0x2060:0x2070] = folded[0xFEFF] = 0
    folded[0x300:0x370] = folded[39] = folded[0x2019] = folded[0x2BC] = folded[0xFE00:0xFE10] = 0
    return folded


def _kinds() -> npt.NDArray[np.uint8]:
    """Blank, letter or digit, punctuation, or a sign that is a word by itself, for each folded code point."""
    kinds = np.full(1 << 16, _LETTER, np.uint8)
    for point in range(128):
        if not chr(point).isalnum():
            kinds[point] = _MARK
    kinds[32] = _BLANK
    kinds[0xA1:0xC0] = kinds[0x2010:0x2C00] = kinds[0x3001:0x3040] = kinds[0xFE10:0xFE70] = _MARK
    kinds[0x3040:0xA000] = kinds[0xF900:0xFB00] = _ALONE
    # Surrogates, private use, and everything above 65534: rare ideographs and emoji.
    kinds[0xD800:0xF900] = kinds[0xFFFF] = _ALONE
    return kinds


_FOLDED = _folded()
_KINDS = _kinds()


@value(frozen=True, slots=True)
class Reading:
    """The n-grams of one text, as table rows in the order of the text, repeated as they occur.

    ``rows`` holds those of ``chars`` n-grams of 3 and of 5 characters, then those of single words (as many as there are
    ``starts``), then those of pairs and triples of words, the begin and the end being words of their own. ``starts`` says
    where in ``codes`` each word begins. ``known`` is for what others derive from it, by a name of theirs: the same every time.
    """

    codes: Codes
    rows: Ids
    chars: int
    starts: Ids
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def word(self, position: int) -> str:
        """The word at ``position``, as it was read: lower case, without accents, digits as 0."""
        end = self.starts[position + 1] if position + 1 < self.starts.size else None
        return "".join(map(chr, self.codes[self.starts[position] : end].tolist())).rstrip()

    @property
    def words(self) -> Ids:
        """The table rows of the single words."""
        return self.rows[self.chars : self.chars + self.starts.size]


def excerpt(text: str) -> str:
    """At most ``MAX_CHARS`` characters of ``text``: the head, a sample of the middle, the tail."""
    if len(text) <= MAX_CHARS:
        return text
    middle = len(text) - HEAD_CHARS - TAIL_CHARS
    samples = [HEAD_CHARS + middle * (i + 1) // (SAMPLES + 1) - SAMPLE_CHARS // 2 for i in range(SAMPLES)]
    return "\n".join([text[:HEAD_CHARS], *(text[at : at + SAMPLE_CHARS] for at in samples), text[-TAIL_CHARS:]])


def read(text: str) -> Reading:
    """The n-grams of ``text``."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _read(text)


def _read(text: str) -> Reading:
    return Reading(*ngrams(excerpt(text).lower(), _FOLDED, _KINDS))


_remembered = functools.lru_cache(REMEMBERED_TEXTS)(_read)
