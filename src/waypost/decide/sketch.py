"""A text as a short vector: two texts of similar words have similar sketches, and no text can be read out of one."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from waypost.decide.correction import SKETCH_BYTES
from waypost.decide.features import Reading
from waypost.kernel import sketch_counts

Sketch = npt.NDArray[np.float32]


def sketch_of(reading: Reading) -> Sketch:
    """The n-grams of ``reading`` as a vector of ``SKETCH_BYTES`` numbers and length 1; all zeros for a text without words.

    A count sketch (Charikar, Chen, Farach-Colton 2002): every n-gram adds 1 or -1 to the place that its table row tells. Words
    and pairs of words count as much as all characters together.
    """
    chars, words = sketch_counts(reading.rows, reading.chars, SKETCH_BYTES)
    return _unit(_unit(chars) + _unit(words)).astype(np.float32)


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = math.sqrt(vector @ vector)
    return vector / length if length else vector
