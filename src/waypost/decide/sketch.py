"""A text as a short vector: two texts of similar words have similar sketches, and no text can be read out of one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from waypost.decide.correction import SKETCH_BYTES
from waypost.decide.features import Reading

Sketch = npt.NDArray[np.float32]

# The bit of a table row above those that tell the place.
_SIGN = SKETCH_BYTES


def sketch_of(reading: Reading) -> Sketch:
    """The n-grams of ``reading`` as a vector of ``SKETCH_BYTES`` numbers and length 1; all zeros for a text without words.

    A count sketch (Charikar, Chen, Farach-Colton 2002): every n-gram adds 1 or -1 to the place that its table row tells. Words
    and pairs of words count as much as all characters together.
    """
    chars, words = _counts(reading.rows[: reading.chars]), _counts(reading.rows[reading.chars :])
    found = _unit(chars) + _unit(words)
    return _unit(found).astype(np.float32)


def _counts(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    counts = np.bincount(rows & (2 * _SIGN - 1), minlength=2 * _SIGN)
    return (counts[:_SIGN] - counts[_SIGN:]).astype(np.float64)


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = float(np.sqrt(vector @ vector))
    return vector / length if length else vector
