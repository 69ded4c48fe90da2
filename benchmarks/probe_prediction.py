"""How well a few prompts tell how good a new model is on a whole file: the table of ``docs/benchmarks.md``.

    python benchmarks/probe_prediction.py FILE... [--counts 60 100] [--repeat 5]

Each model of a file is the new one in turn, and the others are known. *prior*: the mean of the known models, and nothing is
asked. *random*: the mean score of as many prompts drawn by lot. *random, curves*: the same prompts, predicted as
``waypost probe --from`` does. *chosen*: the prompts that it chooses, predicted likewise. The error is the mean over models of
how far the prediction is off, in points; *within* is how often the truth lies between the bounds, which are of 9 in 10; *width*
is how far the bounds lie from each other. Lots are drawn ``--repeat`` times, also of the order in which prompts stand that are
equally hard, as that decides which are chosen. Models with outcomes of less than half of the prompts are left out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from waypost.learn.ability_curves import AbilityCurves
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcomes import Floats, Ints, Outcomes
from waypost.learn.probe_choice import choose_prompts
from waypost.learn.probe_prediction import predict

NINE_OF_TEN = 1.645
Guess = tuple[str, float, float, float]


def of_mean(name: str, scores: Floats, share: float = 1.0) -> Guess:
    """The mean of ``scores``; its bounds are ``share`` of their spread away, times what nine in ten lie within."""
    mean = float(scores.mean())
    spread = scores.std(ddof=1) * share
    return name, mean, mean - NINE_OF_TEN * spread, mean + NINE_OF_TEN * spread


def by_curves(name: str, known: Outcomes, curves: AbilityCurves, rows: Ints, truth: Floats) -> Guess:
    """What the answers to ``rows`` say, by Waypost."""
    found = predict(known, curves, rows, truth[rows].tolist()).expected
    return name, found.mean, found.lower, found.upper


def guesses(outcomes: Outcomes, model: int, count: int, repeat: int) -> Iterator[tuple[float, Guess]]:
    """The truth of one model, and each guess at it."""
    known, truth = without(outcomes, model)
    curves = AbilityCurves.fit(known.scores)
    yield float(truth.mean()), of_mean("prior", known.mean_scores)
    for number in range(repeat):
        rng = np.random.default_rng([model, count, number])
        lot = rng.choice(len(truth), min(count, len(truth)), replace=False)
        yield float(truth.mean()), of_mean("random", truth[lot], len(lot) ** -0.5)
        yield float(truth.mean()), by_curves("random, curves", known, curves, lot, truth)
        chosen = choose_prompts(known, curves, count, rng.permutation(len(truth)).tolist())
        yield float(truth.mean()), by_curves("chosen", known, curves, chosen, truth)


def without(outcomes: Outcomes, model: int) -> tuple[Outcomes, Floats]:
    """The prompts that a model answered, as the others did, and its own scores."""
    answered = outcomes.taking(np.flatnonzero(outcomes.answered[:, model]))
    others = [column for column in range(len(outcomes.models)) if column != model]
    names = tuple(outcomes.models[column] for column in others)
    known = replace(answered, models=names, scores=answered.scores[:, others], costs=answered.costs[:, others])
    return known, answered.scores[:, model]


def table(file: Path, counts: list[int], repeat: int) -> Iterator[str]:
    """The lines of one file."""
    outcomes = load_outcomes([file], mend=True)
    often = [name for name, share in zip(outcomes.models, outcomes.answered.mean(axis=0), strict=True) if share > 0.5]
    outcomes = outcomes.among(often)
    for count in counts:
        found = defaultdict[str, list[tuple[float, bool, float]]](list)
        for model in range(len(outcomes.models)):
            for truth, (name, mean, lower, upper) in guesses(outcomes, model, count, repeat):
                found[name].append((abs(mean - truth), lower <= truth <= upper, upper - lower))
        for name, tries in found.items():
            if name == "prior" and count != counts[0]:
                continue
            error, within, width = np.mean(np.array(tries, float), axis=0)
            asked = 0 if name == "prior" else count
            shape = f"{len(outcomes.prompts):,} | {len(outcomes.models)}"
            yield f"| `{file.stem}` | {shape} | {asked} | {name} | {error:.1%} | {within:.0%} | {width:.1%} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--counts", nargs="+", type=int, default=[60, 100])
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    print("| file | prompts | models | asked | by | error | within | width |")
    print("|---|---|---|---|---|---|---|---|")
    for file in given.files:
        for line in table(file, given.counts, given.repeat):
            print(line, flush=True)


if __name__ == "__main__":
    main()
