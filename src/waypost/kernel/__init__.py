"""What is counted and weighed in a text: by a compiled kernel where the installation could build one, else by numpy.

Both give the same, bit for bit. ``plain.py`` says what is meant; ``native.pyx`` takes a fifth of its time.
"""

from __future__ import annotations

try:
    from waypost.kernel.native import damped, label_scores, marks, ngrams, products, row_sums, sketch, softmax, trigram_sum

    NATIVE = True
except ImportError:
    from waypost.kernel.plain import damped, label_scores, marks, ngrams, products, row_sums, sketch, softmax, trigram_sum

    NATIVE = False

__all__ = ["NATIVE", "damped", "label_scores", "marks", "ngrams", "products", "row_sums", "sketch", "softmax", "trigram_sum"]
