"""What is counted and weighed in a text, in numpy: what is meant, and what runs where nothing was compiled."""

from __future__ import annotations

import math
import re
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Sketch = npt.NDArray[np.float32]
Table = npt.NDArray[np.int8]

ROW_BITS = 18
"""Every n-gram falls on one of 2^18 table rows."""

MOST_CODES = 2500
"""No text is read as more codes than this."""

MOST_ROWS = 5 * (MOST_CODES + 1)
"""Of n codes there are at most 2n n-grams of characters, and 3n of words."""

_TRIGRAM_FACTORS = (40503, 2531, 14627)
"""Odd numbers without a pattern between them: they spread three bytes over the 65,536 places of a 16-bit sum."""

_BLANK, _MARK = 0, 2
_DIGIT = 48
_SURROGATES = re.compile("[\ud800-\udfff]")
_ONE, _SHIFT = np.uint32(1), np.uint32(32 - ROW_BITS)
_BASE, _SPREAD = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)
_BASE_SQUARED = np.uint32(0x9E3779B1**2 & 0xFFFFFFFF)
_BEGIN, _END = np.uint32(0x2545F491), np.uint32(0x8CB92BA7)
_WORD_SALTS = np.array([0x27D4EB2F, 0x165667B1, 0xC2B2AE35], np.uint32)


def _powers(base: int) -> Codes:
    """The powers of ``base`` modulo 2^32, from the 0th on, one for each place of the longest text."""
    factors = np.full(MOST_CODES, base, np.uint32)
    factors[0] = 1
    return np.multiply.accumulate(factors, dtype=np.uint32)


_POWERS = _powers(int(_BASE))
_INVERSES = _powers(pow(int(_BASE), -1, 1 << 32))
_PLACES = np.arange(MOST_ROWS, dtype=np.uint16)
_ONES = np.ones(MOST_ROWS, np.float32)
_SCRATCH = threading.local()
_SHARES = np.multiply.outer(np.array(_TRIGRAM_FACTORS, np.uint16), np.arange(256, dtype=np.uint16))
"""What each byte adds to the place, as the first, the second and the third of a trigram."""


def ngrams(text: str, folded: Codes, kinds: Bytes) -> tuple[Codes, Ids, int, Ids]:
    """The codes of a text in lower case, the rows of its n-grams, how many are of characters, and where words begin.

    ``folded`` says what each code point below 65536 is read as, ``kinds`` of what kind the result is
    (`waypost.decide.features`); in which order the rows are, its ``Reading`` says.
    """
    codes = _codes_of(text, folded)
    found = kinds.take(codes)
    first = found != _BLANK
    units = codes + _ONE
    spelt = units * first
    first[1:] &= (found[1:] != found[:-1]) | (found[1:] >= _MARK)
    starts = first.nonzero()[0]
    if not starts.size:
        return codes, np.empty(0, np.int64), 0, starts
    # Each letter counts by its place in the text; the inverse power makes that its place in the word.
    words = np.add.reduceat(spelt * _POWERS[: codes.size], starts, dtype=np.uint32) * _INVERSES.take(starts)
    framed = np.empty(starts.size + 2, np.uint32)
    framed[0], framed[1:-1], framed[-1] = _BEGIN, words, _END
    pairs, triples = _pairs_and_triples(framed)
    grams = _char_ngrams(units)
    chars = sum([gram.size for gram in grams])
    hashes = np.concatenate((*grams, words + _WORD_SALTS[0], pairs + _WORD_SALTS[1], triples + _WORD_SALTS[2]))
    # Multiplicative hashing (Dietzfelbinger et al. 1997): the upper bits of the product depend on all of the hash.
    hashes *= _SPREAD
    hashes >>= _SHIFT
    return codes, hashes.astype(np.int64), chars, starts


def _codes_of(text: str, folded: Codes) -> Codes:
    """Code points of ``text`` as they are read: folded, blanks collapsed, a blank before and after."""
    spaced = f" {' '.join(text.split())} "
    if spaced.isascii():
        codes = folded.take(np.frombuffer(spaced.encode("ascii"), np.uint8))
    else:
        try:
            raw = spaced.encode("utf-32-le")
        except UnicodeEncodeError:
            raw = _SURROGATES.sub("\ufffd", spaced).encode("utf-32-le")
        codes = folded.take(np.frombuffer(raw, np.dtype("<u4")), mode="clip")
    if np.count_nonzero(codes) != codes.size:
        codes = codes[codes != 0]
    return codes


def _pairs_and_triples(units: Codes) -> tuple[Codes, Codes]:
    """The rolling hashes of 2 neighbours and of 3. There are at least 3 units."""
    pairs = units[:-1] * _BASE + units[1:]
    return pairs, pairs[:-1] * _BASE + units[2:]


def _char_ngrams(units: Codes) -> tuple[Codes, ...]:
    """The rolling hashes of 3 neighbours and of 5, as far as there are that many. There are at least 3 units."""
    pairs, triples = _pairs_and_triples(units)
    return (triples,) if units.size < 5 else (triples, triples[:-2] * _BASE_SQUARED + pairs[3:])


def distinct(rows: Ids, chars: int) -> tuple[Ids, int]:
    """Each row once, in their order, and how many of them are of characters, as the first ``chars`` rows are.

    Faster than sorting: every row notes where it stands, and only the one that noted last finds its own note. Each thread has
    a scratchpad of its own.
    """
    try:
        notes: npt.NDArray[np.uint16] = _SCRATCH.notes
    except AttributeError:
        notes = _SCRATCH.notes = np.empty(1 << ROW_BITS, np.uint16)
    places = _PLACES[: rows.size]
    notes[rows] = places
    last = notes[rows] == places
    return rows[last], int(np.count_nonzero(last[:chars]))


def label_scores(rows: Ids, chars: int, table: Table, scale: float) -> Floats:
    """The sums of distinct rows of ``table``, of characters and of words: each is ``scale`` over the root of their number."""
    once, chars_once = distinct(rows, chars)
    grown = table.take(once, axis=0).astype(np.float32)
    total = np.zeros(table.shape[1])
    for grams in (grown[:chars_once], grown[chars_once:]):
        if len(grams):
            total += (_ONES[: len(grams)] @ grams).astype(np.float64) * (scale / math.sqrt(len(grams)))
    return total


def row_sums(rows: Ids, table: Table) -> Floats:
    """The sums of rows of ``table``, repeated as they occur."""
    return (_ONES[: rows.size] @ table.take(rows, axis=0).astype(np.float32)).astype(np.float64)


def sketch(rows: Ids, chars: int, places: int) -> Sketch:
    """A vector of ``places`` numbers and length 1; all zeros without rows.

    Every row adds 1 or -1 to the place that its lower bits tell; ``places`` is a power of 2, and the bit above is the sign. The
    rows of words, which begin behind ``chars``, count as much as all before them.
    """
    signed = rows & (2 * places - 1)
    signed[chars:] += 2 * places
    counts = np.bincount(signed, minlength=4 * places).reshape(2, 2, places)
    of_chars, of_words = (counts[:, 0] - counts[:, 1]).astype(np.float64)
    return _unit(_unit(of_chars) + _unit(of_words)).astype(np.float32)


def _unit(vector: Floats) -> Floats:
    length = math.sqrt(_in_order(vector * vector))
    return vector / length if length else vector


def _in_order(numbers: Floats) -> Any:
    """The sums over the first axis, added up one after the other: so does the compiled kernel, and numpy's own sums do not."""
    return np.add.accumulate(numbers)[-1]


def damped(vector: Sketch) -> bytes:
    """The roots of the numbers as signed bytes, the largest at 127; nothing for all zeros.

    The root keeps n-grams of every long text from making all long texts alike (Perronnin et al. 2010).
    """
    roots = np.sqrt(np.abs(vector))
    largest = float(np.maximum.reduce(roots))
    return np.rint(np.copysign(roots, vector) * (127 / largest)).astype(np.int8).tobytes() if largest else b""


def softmax(scores: Floats) -> Floats:
    """The probabilities whose logarithms these are, but for a constant. ``np.exp`` differs between processors."""
    raised = np.array([*map(math.exp, (scores - scores.max()).tolist())])
    found: Floats = raised / _in_order(raised)
    return found


def products(table: Floats, vector: Floats) -> list[float]:
    """Of each row of ``table`` with ``vector``."""
    found: list[float] = _in_order((table * vector).T).tolist()
    return found


def marks(codes: Codes, code_marks: Bytes, letters: Bytes) -> tuple[int, int, bool, int]:
    """How many marks of code there are, how many letters, whether these are more than one or two in turn, how many digits.

    ``code_marks`` and ``letters`` hold a 1 for each code that is one.
    """
    found = codes[letters.take(codes) == 1]
    varied = bool(np.count_nonzero(found[2:] != found[:-2]))
    return int(np.count_nonzero(code_marks.take(codes))), found.size, varied, int(np.count_nonzero(codes == _DIGIT))


def trigram_sum(text: str, weights: Table) -> int:
    """The sum of the weights of all trigrams of ``text``."""
    return int(weights.take(trigram_places(text)).sum())


def trigram_places(text: str) -> npt.NDArray[np.uint16]:
    """The place of every trigram of the text's UTF-8 bytes, a blank before and after. A lone surrogate is a ``?``."""
    raw = np.frombuffer(b" %b " % text.encode("utf-8", "replace"), np.uint8)
    first, second, third = _SHARES.take(raw, axis=1)
    hashed: npt.NDArray[np.uint16] = first[:-2]
    hashed += second[1:-1]
    hashed += third[2:]
    return hashed
