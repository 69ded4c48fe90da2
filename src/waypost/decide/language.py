"""Which language a text is in: by its script where that is enough, else by its n-grams, or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from waypost.decide.features import CHAR_NGRAMS, Reading
from waypost.kernel import row_sums
from waypost.kernel.plain import ROW_BITS, Ids

_SCRIPTS = (
    (0x0370, 0x0400, "el"),
    (0x0530, 0x0590, "hy"),
    (0x0590, 0x0600, "he"),
    (0x0980, 0x0A00, "bn"),
    (0x0A00, 0x0A80, "pa"),
    (0x0A80, 0x0B00, "gu"),
    (0x0B80, 0x0C00, "ta"),
    (0x0C00, 0x0C80, "te"),
    (0x0C80, 0x0D00, "kn"),
    (0x0D00, 0x0D80, "ml"),
    (0x0D80, 0x0E00, "si"),
    (0x0E00, 0x0E80, "th"),
    (0x0E80, 0x0F00, "lo"),
    (0x1000, 0x10A0, "my"),
    (0x10A0, 0x1100, "ka"),
    (0x1780, 0x1800, "km"),
    (0xAC00, 0xD7B0, "ko"),
)
"""Scripts that one language nearly owns, among those with many speakers."""

_STARTS = np.array([start for start, _, _ in _SCRIPTS], np.uint32)
_ENDS = np.array([end for _, end, _ in _SCRIPTS], np.uint32)
_KANA, _HAN = (0x3041, 0x3100), (0x3400, 0xA000)
OPENING_CHARS = 160
"""How much of a text is read for its language."""


def script_language(reading: Reading) -> str | None:
    """The language, where the script alone tells it: at least half of the opening's letters are of that script."""
    codes = reading.codes[:OPENING_CHARS]
    foreign = codes[codes >= 0x370]
    if not foreign.size or 2 * foreign.size < np.count_nonzero(codes >= 97):
        return None
    if np.count_nonzero((foreign >= _HAN[0]) & (foreign < _HAN[1])) + _kana(foreign) > foreign.size // 2:
        return "ja" if _kana(foreign) else "zh"
    places = np.searchsorted(_STARTS, foreign, side="right") - 1
    places = places[(places >= 0) & (foreign < _ENDS[np.maximum(places, 0)])]
    if 2 * places.size <= foreign.size:
        return None
    return _SCRIPTS[int(np.bincount(places).argmax())][2]


@dataclass(frozen=True, slots=True)
class LanguageHead:
    """A linear model over the n-grams of a text's opening, for languages that share a script.

    ``table``, whole numbers, has a row for each folded n-gram and a column for each of ``languages``; a score is ``scale``
    times the sum of rows over the square root of their number, plus ``bias``.
    """

    languages: tuple[str, ...]
    table: npt.NDArray[np.int8]
    scale: float
    bias: npt.NDArray[np.float64]
    threshold: float

    def language(self, reading: Reading) -> str | None:
        """The language, or ``None`` where the probability of the likeliest is under the threshold."""
        found = script_language(reading)
        if found is not None:
            return found
        best, probability = self.guess(reading)
        return best if probability >= self.threshold else None

    def guess(self, reading: Reading) -> tuple[str | None, float]:
        """The likeliest language by n-grams alone, and its probability."""
        rows = opening_rows(reading, self.table.shape[0].bit_length() - 1)
        if not rows.size:
            return None, 0.0
        scores = row_sums(rows, self.table) * (self.scale / math.sqrt(rows.size)) + self.bias
        best = int(scores.argmax())
        return self.languages[best], 1.0 / float(np.exp(scores - scores[best]).sum())


def opening_rows(reading: Reading, bits: int) -> Ids:
    """The rows, of 2^``bits``, of the n-grams of characters in the text's opening."""
    size = reading.codes.size
    found, start = [], 0
    for n in CHAR_NGRAMS:
        count = max(size - n + 1, 0)
        found.append(reading.rows[start : start + min(count, OPENING_CHARS)])
        start += count
    return np.concatenate(found) >> (ROW_BITS - bits)


def _kana(codes: npt.NDArray[np.uint32]) -> int:
    return int(np.count_nonzero((codes >= _KANA[0]) & (codes < _KANA[1])))
