"""What the task model sees of a turn: hashed n-grams of the last user texts, and a few facts beside them.

Everything is a pure function of the turn. The hashes are integer arithmetic modulo 2^64, so they are the same in every
process and on every platform. The work is bounded: of a long text only its head, its tail and a fixed sample are read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from waypost.turn import Image, Message, Turn

FEATURES_VERSION = "1"
"""Weights belong to one reading of the text. Whoever changes what this file computes changes this."""

Ids = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]

HEAD_CHARS = 1000
TAIL_CHARS = 800
SAMPLES = 3
SAMPLE_CHARS = 200
MAX_CHARS = HEAD_CHARS + TAIL_CHARS + SAMPLES * (SAMPLE_CHARS + 1) + 1
"""The most characters of one text that are ever read, so that a text of any length takes under 2 ms."""

CHAR_NGRAMS = (2, 3, 4, 5)
MAX_WORD_CHARS = 48
EARLIER_TURNS = (0.25, 0.1)
"""The weights of the user turn before the last, and of the one before that."""

FLAGS = (
    "image_in_last_message",
    "image_in_context",
    "tools_offered",
    "tool_results",
    "structured_output",
    "code_fence",
    "follow_up",
    "long_conversation",
    "long_context",
    "one_word",
    "short_text",
    "medium_text",
    "long_text",
    "has_digits",
    "question_mark",
)

QUESTION_MARKS = ("?", "\uff1f", "\u061f")
"""Of Latin, East Asian and Arabic texts."""

_BLANK, _LETTER, _MARK, _ALONE = range(4)
_DIGITS = (0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xFF10)
"""Where the ten digits of each script begin."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_ONE, _LAST = np.uint64(1), np.uint64(0xFFFF)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_BEGIN, _END = np.uint64(0x2545F4914F6CDD1D), np.uint64(0x8CB92BA72F3D8DD7)
_SALTS = np.array([0, 0, 0xA24BAED4963EE407, 0x9FB21C651E98DF25, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_WORD_SALTS = np.array([0, 0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63, 0xFF51AFD7ED558CCD], np.uint64)


def _powers() -> Codes:
    exponents = np.full(MAX_WORD_CHARS, _BASE)
    exponents[0] = 1
    return np.multiply.accumulate(exponents)


def _folded() -> Codes:
    """What each code point below 65536 is read as; 0 is not read at all.

    Accents of Latin and Greek letters go, and full-width forms, so that a missing accent changes nothing; every digit of every
    script is a 0; apostrophes go, as a speech recogniser leaves them out. Blanks and control characters are a blank. Only
    properties that Unicode promises never to change are used: every Python reads a text alike.
    """
    folded = np.arange(1 << 16, dtype=np.uint64)
    for start, end in ((0xC0, 0x250), (0x386, 0x3CF), (0x1E00, 0x2000), (0xFF01, 0xFF5F)):
        for point in range(start, end):
            folded[point] = ord(unicodedata.normalize("NFKD", chr(point))[0].lower()[0])
    for start in _DIGITS:
        folded[start : start + 10] = 48
    folded[:33] = folded[0x7F:0xA1] = folded[0x2000:0x2010] = folded[0x2028:0x2030] = folded[0x3000] = 32
    folded[0x300:0x370] = folded[39] = folded[0x2019] = folded[0x2BC] = folded[0xFE00:0xFE10] = 0
    return folded


def _kinds() -> npt.NDArray[np.uint8]:
    """Blank, letter or digit, punctuation, or a sign that is a word by itself, for each folded code point below 65536."""
    kinds = np.full(1 << 16, _LETTER, np.uint8)
    for point in range(128):
        if not chr(point).isalnum():
            kinds[point] = _MARK
    kinds[32] = _BLANK
    kinds[0xA1:0xC0] = kinds[0x2010:0x2C00] = kinds[0x3001:0x3040] = kinds[0xFE10:0xFE70] = _MARK
    kinds[0x3040:0xA000] = kinds[0xF900:0xFB00] = _ALONE
    # Surrogates, private use, and (by the cut to 65535) everything above: rare ideographs and emoji.
    kinds[0xD800:0xF900] = kinds[0xFFFF] = _ALONE
    return kinds


_POWERS = _powers()
_FOLDED = _folded()
_KINDS = _kinds()
_FRAME = np.array([32], np.uint64)


@dataclass(frozen=True, slots=True)
class Reading:
    """The n-grams of one text. ``chars`` and ``words`` are 64-bit hashes, unfolded and possibly repeated; ``tokens`` are the
    hashes of the single words, which begin at ``starts`` in ``codes``.
    """

    codes: Codes
    chars: Codes
    words: Codes
    tokens: Codes
    starts: Ids

    def word(self, position: int) -> str:
        """The word at ``position``, as it was read: lower case, without accents, digits as 0."""
        end = self.starts[position + 1] if position + 1 < self.starts.size else None
        return "".join(map(chr, self.codes[self.starts[position] : end].tolist())).rstrip()


def excerpt(text: str) -> str:
    """At most ``MAX_CHARS`` characters of ``text``: the head, a sample of the middle, the tail."""
    if len(text) <= MAX_CHARS:
        return text
    middle = len(text) - HEAD_CHARS - TAIL_CHARS
    samples = [HEAD_CHARS + middle * (i + 1) // (SAMPLES + 1) - SAMPLE_CHARS // 2 for i in range(SAMPLES)]
    return "\n".join([text[:HEAD_CHARS], *(text[at : at + SAMPLE_CHARS] for at in samples), text[-TAIL_CHARS:]])


def codes_of(text: str) -> Codes:
    """Code points of ``text`` as they are read: folded, blanks collapsed, a blank before and after."""
    text = excerpt(text).lower()
    if text.isascii():
        codes = _FOLDED[np.frombuffer(text.encode("ascii"), np.uint8)]
    else:
        try:
            raw = text.encode("utf-32-le")
        except UnicodeEncodeError:
            raw = _SURROGATES.sub("\ufffd", text).encode("utf-32-le")
        points = np.frombuffer(raw, np.dtype("<u4"))
        codes = _FOLDED[np.minimum(points, 0xFFFF)]
        high = points > 0xFFFF
        codes[high] = points[high]
    codes = np.concatenate((_FRAME, codes[codes != 0], _FRAME))
    filled = codes != 32
    filled[0] = True
    filled[1:] |= filled[:-1]
    found: Codes = codes[filled]
    return found


def read(text: str) -> Reading:
    """The n-grams of ``text``: 2 to 5 characters, and 1 to 3 words with the begin and the end as words of their own."""
    codes = codes_of(text)
    kinds = _KINDS[np.minimum(codes, _LAST)]
    first = kinds != _BLANK
    parts = (codes + _ONE) * first
    first[1:] &= (kinds[1:] != kinds[:-1]) | (kinds[1:] >= _MARK)
    starts = np.flatnonzero(first)
    if not starts.size:
        nothing = np.empty(0, np.uint64)
        return Reading(codes, nothing, nothing, nothing, starts)
    places = np.arange(codes.size) - starts[np.maximum(np.cumsum(first) - 1, 0)]
    tokens = np.add.reduceat(parts * _POWERS[np.minimum(places, MAX_WORD_CHARS - 1)], starts)
    return Reading(codes, _char_ngrams(codes), _word_ngrams(tokens), tokens, starts)


def fold(hashes: Codes, bits: int) -> Ids:
    """The distinct table rows, of 2^``bits``, that these hashes fall on, in ascending order."""
    rows = _rows(hashes, bits)
    rows.sort()
    if rows.size < 2:
        return rows
    distinct = np.empty(rows.size, np.bool_)
    distinct[0] = True
    np.not_equal(rows[1:], rows[:-1], out=distinct[1:])
    return rows[distinct]


def token_rows(tokens: Codes, bits: int) -> Ids:
    """The table row of each single word, in the order of the text."""
    return _rows(tokens + _WORD_SALTS[1], bits)


def opening_rows(reading: Reading, chars: int, bits: int) -> Ids:
    """The table rows of the 2- to 4-grams in the first ``chars`` characters, repeated as they occur."""
    size = reading.codes.size
    found, start = [], 0
    for n in (2, 3, 4):
        count = max(size - n + 1, 0)
        found.append(reading.chars[start : start + min(count, chars)])
        start += count
    return _rows(np.concatenate(found), bits)


def last_user_messages(turn: Turn) -> list[Message]:
    """The last user message and up to two before it, the newest first."""
    found: list[Message] = []
    for message in reversed(turn.messages):
        if message.role == "user":
            found.append(message)
            if len(found) > len(EARLIER_TURNS):
                break
    return found


def flags_of(turn: Turn, last: Message | None, text: str, reading: Reading) -> tuple[bool, ...]:
    """Whether each of ``FLAGS`` holds, in their order. Nothing here means that an action is wanted: only the text can."""
    users = 0
    results = False
    image = False
    for message in turn.messages:
        users += message.role == "user"
        results |= message.role in ("tool", "function")
        image = image or any(isinstance(part, Image) for part in message.parts)
    head = excerpt(text)
    words = reading.tokens.size
    return (
        last is not None and any(isinstance(part, Image) for part in last.parts),
        image,
        bool(turn.tools) and turn.tool_choice != "none",
        results,
        turn.response_format != "text",
        "```" in head,
        users > 1,
        users > 4,
        turn.prompt_tokens - len(text) // 3 > 3000,
        words <= 1,
        1 < words <= 4,
        4 < words <= 20,
        words > 60,
        bool((reading.codes == 48).any()),
        head.rstrip().endswith(QUESTION_MARKS),
    )


def _rows(hashes: Codes, bits: int) -> Ids:
    rows: Ids = ((hashes ^ (hashes >> np.uint64(29))) * _SPREAD >> np.uint64(64 - bits)).astype(np.int64)
    return rows


def _char_ngrams(codes: Codes) -> Codes:
    rolling = codes + _ONE
    units = rolling
    found = []
    for n in range(2, CHAR_NGRAMS[-1] + 1):
        if rolling.size < 2:
            break
        rolling = rolling[:-1] * _BASE + units[n - 1 :]
        found.append(rolling + _SALTS[n])
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def _word_ngrams(tokens: Codes) -> Codes:
    framed = np.concatenate(([_BEGIN], tokens, [_END]))
    pairs = framed[:-1] * _BASE + framed[1:]
    triples = pairs[:-1] * _BASE + framed[2:]
    return np.concatenate((tokens + _WORD_SALTS[1], pairs + _WORD_SALTS[2], triples + _WORD_SALTS[3]))
