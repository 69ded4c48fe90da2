"""What is counted in a text: by a compiled kernel where the installation could build one, else by numpy.

Both give the same, bit for bit. ``plain.py`` says what is meant; ``native.pyx`` takes a fifth of its time.
"""

from __future__ import annotations

try:
    from waypost.kernel.native import label_scores, marks, ngrams, row_sums, sketch_counts, trigram_sum

    NATIVE = True
except ImportError:
    from waypost.kernel.plain import label_scores, marks, ngrams, row_sums, sketch_counts, trigram_sum

    NATIVE = False

__all__ = ["NATIVE", "label_scores", "marks", "ngrams", "row_sums", "sketch_counts", "trigram_sum"]
