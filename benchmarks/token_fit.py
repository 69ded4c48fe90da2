"""Fits the weights of ``waypost.tokens`` and writes them to the package.

    python benchmarks/token_fit.py --tokenizers DIR --django DIR --prompts ../shared/data/tasks/train.parquet

A least-squares fit of relative errors over all texts and current tokenizers. An estimate that is too small costs ``TAU`` and
one that is too large ``1 - TAU`` (expectile regression), reached by a few rounds of reweighting.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsqr
from token_corpus import corpus
from token_panel import CURRENT, panel

from waypost.kernel.plain import trigram_places
from waypost.tokens import STEPS_PER_TOKEN

# Chosen on the dev prompts so that the pooled 5th percentile is above -10 % and the mean stays below 15 %.
TAU = 0.9
# Pulls weights that few texts speak for towards what an average trigram costs.
RIDGE = 0.05
PRIOR = 0.4
ROUNDS = 5
TABLE = 65_536
TARGET = Path(__file__).parent.parent / "src" / "waypost" / "artefacts" / "token-weights.npy"


def trigram_counts(texts: list[str]) -> sparse.csr_matrix:
    """How often each place of the table is hit by each text."""
    columns = [trigram_places(text).astype(np.int32) for text in texts]
    rows = np.repeat(np.arange(len(texts)), [len(column) for column in columns])
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_matrix((ones, (rows, np.concatenate(columns))), shape=(len(texts), TABLE))


def fit(kinds: list[str], counts: sparse.csr_matrix, real: np.ndarray) -> np.ndarray:
    """The weights, in tokens. The more texts of a kind, the less each counts: English must not drown the others."""
    sizes = Counter(kinds)
    share = np.array([sizes[kind] ** -0.3 for kind in kinds])
    share /= share.mean()
    weights = np.full(TABLE, PRIOR)
    cost = 0.5 / real**2
    for _ in range(ROUNDS):
        estimate = counts @ weights
        total = cost.sum(axis=1)
        missing = (cost * real).sum(axis=1) / total - estimate
        scale = np.sqrt(total * share / real.shape[1])
        weights += lsqr(sparse.diags(scale) @ counts, missing * scale, damp=np.sqrt(RIDGE), iter_lim=80)[0]
        too_small = (counts @ weights)[:, None] < real
        cost = np.where(too_small, TAU, 1 - TAU) / real**2
    return weights


def main() -> None:
    """Reads, counts, fits, writes."""
    parser = argparse.ArgumentParser(description="Fit the token weights.")
    for name in ("--tokenizers", "--django", "--prompts"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    samples = [(kind, text) for kind, text in corpus(given.prompts, given.django) if text.strip()]
    kinds = [kind for kind, _ in samples]
    texts = [text for _, text in samples]
    tokenizers = panel(given.tokenizers)
    real = np.array([[max(1, tokenizers[name](text)) for name in CURRENT] for text in texts], float)
    weights = fit(kinds, trigram_counts(texts), real)
    steps = np.clip(np.round(weights * STEPS_PER_TOKEN), -128, 127).astype(np.int8)
    np.save(TARGET, steps, allow_pickle=False)
    print(f"{len(texts)} texts of {len(set(kinds))} kinds; weights from {weights.min():.2f} to {weights.max():.2f} tokens")


if __name__ == "__main__":
    main()
