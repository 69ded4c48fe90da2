"""What quality estimates are told of a turn: its labels, the form of its text, and its words. Nothing is read twice.

Nothing here was fitted on outcomes: the difficulty of `TaskScores` is not among it, or no test on these outcomes were fair.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.features import FEATURES_VERSION, Reading, read
from waypost.decide.labels import LABELS
from waypost.decide.reading import FLAGS, TurnReading, read_turn
from waypost.decide.task import TaskScores
from waypost.decide.task_model import TextGrounds
from waypost.kernel.plain import ROW_BITS, Codes, Ids
from waypost.turn import Turn

QUALITY_FEATURES_VERSION = f"{FEATURES_VERSION}.1"
"""Whoever changes what is said of a turn here changes the number behind the dot."""

WORD_BITS = 15
"""Words, pairs and triples of words fall on one of 2^15 rows: those of the task model, without their upper bits."""

_CUES = (
    ("not", "except", "false", "incorrect", "least", "never", "without"),
    ("best", "most", "likely"),
    ("which", "following"),
    ("why", "explain", "describe", "discuss"),
    ("many", "much", "total"),
    ("calculate", "compute", "find", "evaluate", "solve", "determine", "simplify", "prove"),
    ("write", "compose", "draft", "story", "poem", "essay", "generate"),
    ("function", "def", "code", "python", "implement", "return", "program"),
    ("statement", "true", "correct"),
    ("who", "when", "where", "whose"),
    ("none", "all", "both"),
    ("if", "suppose", "assume", "given", "let"),
)
"""Words that tell what kind of answer is wanted; each group is one feature: how many there are, up to 3."""

_MARKS = ':/%$=()[]{}<>"\\^_,*?'
_FLAGS = tuple(map(FLAGS.index, ("tools_offered", "tool_results", "material", "follow_up", "long_context", "code_fence")))

STRUCTURE = (
    *("log_words", "log_chars", "word_length", "long_words", "distinct_words", "digits", "numbers", "largest_number"),
    *("not_latin", "sentences", "sentence_words", "lines", "options", "option_length", "options_with_digits"),
    *(f"marks_{mark}" for mark in _MARKS),
    *(f"cue_{group[0]}" for group in _CUES),
    *(FLAGS[flag] for flag in _FLAGS),
)
"""The form of a request, a number each."""

_FIRST_MARK = STRUCTURE.index(f"marks_{_MARKS[0]}")
_ENDING = len(_MARKS)
_MARK_ROWS = np.zeros(1 << 16, np.uint8)
_MARK_ROWS[[ord(mark) for mark in _MARKS]] = np.arange(1, _ENDING + 1)
_MARK_ROWS[[ord(mark) for mark in ".!\u3002\uff01\uff1f"]] = _ENDING + 1
"""Of each character the place of its mark, from 1 on; question marks are last, other ends of sentences behind them."""

_DIGIT, _BLANK, _LAST_LATIN = 48, 32, 0x24F
_MOST_MARKS = 99
_LOGS = [math.log1p(count) for count in range(_MOST_MARKS + 1)]
_OPTION_ENDS = np.zeros(1 << 16, np.bool_)
_OPTION_ENDS[[ord(mark) for mark in ".):"]] = True
_BEFORE_OPTIONS = (_BLANK, ord("("))
_FIRST_LETTER, _LETTERS = ord("a"), 10
"""Options are lettered from A to J at most."""

_LONG_WORD = 10
_MOST_CUES = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What quality estimates are told of one turn: ``STRUCTURE``, the labels' probabilities, and the rows of its words."""

    form: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    words: Ids


def told_of(turn: Turn, task: TaskScores) -> Told:
    """Of a turn that the task model read before. Where it had nothing to read, all labels are alike."""
    grounds = task.grounds
    if isinstance(grounds, TextGrounds):
        # The task model remembers what it read lately, and gives the same grounds for the same turn.
        known = grounds.seen.request.known
        before: tuple[Any, Told] | None = known.get("told")
        if before is not None and before[0] is grounds.shares:
            return before[1]
        told = Told(structure_of(grounds.seen), grounds.shares.astype(np.float32), word_rows(grounds.seen.request))
        known["told"] = grounds.shares, told
        return told
    seen = read_turn(turn)
    return Told(structure_of(seen), np.full(len(LABELS), 1 / len(LABELS), np.float32), word_rows(seen.request))


def structure_of(seen: TurnReading) -> npt.NDArray[np.float32]:
    """The form of the last request: ``STRUCTURE``."""
    request = seen.request
    codes, starts = request.codes, request.starts
    size, words = max(codes.size, 1), max(starts.size, 1)
    digit = codes == _DIGIT
    # A text is read with a blank before and after: numbers begin at even edges and end at odd ones.
    edges = np.flatnonzero(digit[1:] != digit[:-1])
    kinds = _MARK_ROWS.take(codes)
    marks = np.bincount(kinds, minlength=_ENDING + 1).tolist()
    ends = int(np.count_nonzero((kinds[:-1] >= _ENDING) & (codes[1:] == _BLANK)))
    found = np.empty(len(STRUCTURE), np.float32)
    found[:_FIRST_MARK] = (
        math.log1p(words),
        math.log1p(size),
        size / words,
        np.count_nonzero(starts[1:] - starts[:-1] >= _LONG_WORD) / words,
        len(set(request.words.tolist())) / words,
        np.count_nonzero(digit) / size,
        math.log1p(edges.size // 2),
        (edges[1::2] - edges[::2]).max() if edges.size else 0,
        0 if seen.text.isascii() else np.count_nonzero(codes > _LAST_LATIN) / size,
        math.log1p(ends),
        math.log(words / (ends + 1)),
        math.log1p(seen.text.count("\n")),
        *_options(codes, digit),
    )
    found[_FIRST_MARK:] = (
        *[_LOGS[min(count, _MOST_MARKS)] for count in marks[1 : _ENDING + 1]],
        *[min(count, _MOST_CUES) for count in _cues(request)],
        *[seen.flags[flag] for flag in _FLAGS],
    )
    return found


def word_rows(request: Reading) -> Ids:
    """The table rows of the words, pairs and triples of words, each once."""
    rows = request.rows[request.chars :] & ((1 << WORD_BITS) - 1)
    rows.sort()
    first = np.ones(rows.size, np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return rows[first]


def _options(codes: Codes, digit: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """How many lettered options there are ("A. … B. …"), how long one is (log), and which share of them holds digits.

    Options are lettered in order: a letter that stands alone anywhere else is none.
    """
    alone = _OPTION_ENDS.take(codes[2:])
    alone &= codes[1:-1] - _FIRST_LETTER < _LETTERS
    places = np.flatnonzero(alone)
    if places.size < 2:
        return 0.0, 0.0, 0.0
    expected, found = _FIRST_LETTER, []
    for place, before, code in zip(places.tolist(), codes[places].tolist(), codes[places + 1].tolist(), strict=True):
        if code == expected and before in _BEFORE_OPTIONS:
            found.append(place)
            expected += 1
    if len(found) < 2:
        return 0.0, 0.0, 0.0
    held = np.add.reduceat(digit, found)
    return float(len(found)), math.log1p((codes.size - found[0]) / len(found)), float(np.count_nonzero(held)) / len(found)


def _cues(request: Reading) -> list[int]:
    counts: list[int] = np.bincount(_cue_of_rows().take(request.words), minlength=len(_CUES) + 1).tolist()
    return counts[: len(_CUES)]


@functools.cache
def _cue_of_rows() -> npt.NDArray[np.uint8]:
    """Of each table row of the task model, the group of cues that its word is in."""
    found = np.full(1 << ROW_BITS, len(_CUES), np.uint8)
    for number, group in enumerate(_CUES):
        for word in group:
            found[read(word).words] = number
    return found
