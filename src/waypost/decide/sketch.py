"""A text as a short vector: two texts of similar words have similar sketches, and no text can be read out of one."""

from __future__ import annotations

from waypost.decide.correction import SKETCH_BYTES
from waypost.decide.features import Reading
from waypost.kernel import sketch
from waypost.kernel.plain import Sketch


def sketch_of(reading: Reading) -> Sketch:
    """The n-grams of ``reading`` as a vector of ``SKETCH_BYTES`` numbers and length 1; all zeros for a text without words.

    A count sketch (Charikar, Chen, Farach-Colton 2002): every n-gram adds 1 or -1 to the place that its table row tells. Words
    and pairs of words count as much as all characters together.
    """
    return sketch(reading.rows, reading.chars, SKETCH_BYTES)
