"""The pieces of the quality artefact that speak of any deployment: abilities of models, and lengths of answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import ABILITIES
from waypost.decide.lengths import LENGTHS
from waypost.decide.model_kinds import KIND
from waypost.decide.task import TaskModel
from waypost.learn.abilities import Spreads, train_abilities
from waypost.learn.abilities_judging import judge_abilities
from waypost.learn.answers import Answers, answers_of
from waypost.learn.lengths import judge_lengths, train_lengths

LEAST_SOURCES = 3
"""From fewer, what is true of a model everywhere cannot be told from what is true of it there."""

Pieces = dict[str, dict[str, npt.NDArray[Any]]]


def train_general(
    files: Sequence[Path], model: TaskModel, progress: Callable[[int, int], None], drop_flags: Collection[str] = ()
) -> tuple[Pieces, dict[str, Any]]:
    """The arrays of each piece by its name, and what the card says of them: what they were learned from, and how they did on
    sources that were left out.

    Each file is a source, and there are ``LEAST_SOURCES`` at least. Where no tokens are counted there are no lengths. Raises
    ArtefactError where a file cannot be used.
    """
    return learn_general([answers_of(file, model, drop_flags) for file in files], progress)


def learn_general(answers: Sequence[Answers], progress: Callable[[int, int], None]) -> tuple[Pieces, dict[str, Any]]:
    """The same, of answers that were read."""
    steps = 2 * len(answers)
    abilities, lengths = train_abilities(answers), train_lengths(answers)
    pieces = {ABILITIES: abilities.to_arrays()}
    spreads = Spreads()
    card: dict[str, Any] = {
        ABILITIES: {
            "models": len(abilities.names),
            "sources": {source.source: int(np.count_nonzero(~np.isnan(source.scores))) for source in answers},
            "kind": dict(zip(KIND, np.round(abilities.kind, 3).tolist(), strict=True)),
            "spreads": asdict(spreads),
            "left_out": judge_abilities(answers, lambda done, _: progress(done, steps)),
        }
    }
    if lengths is not None:
        pieces[LENGTHS] = lengths.to_arrays()
        judged = judge_lengths(answers, lambda done, _: progress(len(answers) + done, steps))
        card[LENGTHS] = {"models": len(lengths.names), "spread": round(lengths.spread, 3), "left_out": judged}
    return pieces, card


def general_lines(card: dict[str, Any]) -> list[str]:
    """What the card says of these pieces, for people, in Markdown."""
    abilities = card.get(ABILITIES)
    if abilities is None:
        return []
    lines = [
        "",
        "## Models that are known",
        "",
        f"Abilities of {abilities['models']} models, from {sum(abilities['sources'].values())} outcomes:",
        ", ".join(f"{source} {count}" for source, count in abilities["sources"].items()) + ".",
        "With a source left out, its models are told by the others:",
        "",
        "| left out | models | rank correlation | by size | new models | by kind | error | of the mean | within intervals |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for source, one in abilities["left_out"].items():
        told, new = one["spearman"], one["spearman_new"]
        cells = [one["models"], told["abilities"], told["size"], one["new_models"], new["kind"]]
        cells += [one["error"], one["error_of_mean"], one["coverage"]]
        lines.append(f"| {source} | " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return [*lines, *_length_lines(card)]


def _length_lines(card: dict[str, Any]) -> list[str]:
    if LENGTHS not in card:
        return []
    lines = [
        "",
        "| left out | models | error of length (log) | of a constant | correlation of prompts |",
        "|---|---|---|---|---|",
    ]
    for source, one in card[LENGTHS]["left_out"].items():
        cells = one["models"], one["error"], one["error_of_constant"], one["prompts"]
        lines.append(f"| {source} | " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return lines
