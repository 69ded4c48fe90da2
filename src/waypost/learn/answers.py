"""The outcomes of a source as abilities and lengths are learned from: models by plain names, prompts by their inputs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.abilities import inputs_of
from waypost.decide.known_models import plain_name
from waypost.decide.task import TaskModel
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcomes import Outcomes
from waypost.learn.records import records_of

Floats = npt.NDArray[np.float64]

PROMPTS_EACH = 2000
"""More prompts of one source tell nothing more of its models, and would outweigh the other sources."""

_MEANT: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "farel_bench": {
            "gpt-4o": "gpt-4o-2024-05-13",
            "claude-3.5-sonnet": "claude-3.5-sonnet-20240620",
            "claude-3.5-sonnet-1022": "claude-3.5-sonnet-20241022",
            "gemma-2-27b-Q5_K_M": "gemma-2-27b-it",
            "gemma-2-9b-Q8_0": "gemma-2-9b-it",
            "gemini-flash-1.5": "gemini-1.5-flash-001",
            "gemini-pro-1.5": "gemini-1.5-pro-001",
            "mistral-large": "mistral-large-2402",
            "mistral-small": "mistral-small-2402",
            "mistral-medium": "mistral-medium-2312",
        },
        "misguided_attention": {
            "claude-3.5-sonnet-new": "claude-3.5-sonnet-20241022",
            "claude-3.7-thinking-4k": "claude-3.7-sonnet-thinking",
            "claude-4-sonnet-0522-thinking": "claude-4-sonnet-thinking",
            "ll3.3-nemotron-49b-v1-thk": "llama-3.3-nemotron-super-49b-v1-thinking",
        },
        "zeroeval_gsm": {
            "deepseek-chat": "deepseek-v2-chat-0628",
            "deepseek-coder": "deepseek-coder-v2-0724",
            "gemini-1.5-flash": "gemini-1.5-flash-001",
            "gemini-1.5-pro": "gemini-1.5-pro-001",
        },
        "zeroeval_mathl5": {"gemini-1.5-flash": "gemini-1.5-flash-001", "gemini-1.5-pro": "gemini-1.5-pro-001"},
        "zeroeval_crux": {"gemini-1.5-flash": "gemini-1.5-flash-001", "gemini-1.5-pro": "gemini-1.5-pro-001"},
    }
)
"""Names that meant another version then than they mean now, or that only their source uses."""

_PROMPTED = "-sys"
"""farel_bench's runs with a system prompt are runs of the same model."""

VISIBLE_ONLY = "cl100k_visible"
"""The kind of token counts that leave hidden reasoning out: nobody pays such a length."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One source: a row for each prompt, a column for each run of a model; NaN where there is no outcome, or no count.

    ``models`` are the plain names of the columns' models, ``spelled`` those of the source. ``inputs`` are the `INPUTS` of the
    prompts.
    """

    source: str
    models: tuple[str, ...]
    spelled: tuple[str, ...]
    inputs: Floats
    scores: Floats
    tokens: Floats


def plain_in(source: str, model: str) -> str:
    """The plain name of what a source calls ``model``."""
    model = model.removesuffix(_PROMPTED)
    return plain_name(_MEANT.get(source, {}).get(model, model))


def answers_of(path: Path, model: TaskModel, drop_flags: Collection[str] = ()) -> Answers:
    """The outcomes of a file, in any form that `load_outcomes` reads, as the task model reads their prompts; of a prompt and
    model that it tells twice of, the mean. Prompts that say nothing, or with one of these flags, are left out. Raises
    ArtefactError where the file cannot be used.
    """
    outcomes = load_outcomes([path], mend=True)
    wanted = [row for row, prompt in enumerate(outcomes.prompts) if prompt.flags.isdisjoint(drop_flags)]
    asked = min(PROMPTS_EACH, len(wanted))
    kept = np.array(wanted, np.int64)[np.arange(asked) * len(wanted) // max(1, asked)]
    told = [inputs_of(model.predict(outcomes.prompts[row].turn)) for row in kept.tolist()]
    outcomes = outcomes.taking(kept[[one is not None for one in told]])
    inputs = np.array([one for one in told if one is not None])
    names = tuple(plain_in(path.stem, name) for name in outcomes.models)
    return Answers(path.stem, names, outcomes.models, inputs, outcomes.scores, _counted(path, outcomes))


def _counted(path: Path, outcomes: Outcomes) -> Floats:
    """The tokens of each answer, where the file has a row for each."""
    rows = {(prompt.split, prompt.id): row for row, prompt in enumerate(outcomes.prompts)}
    columns = {model: column for column, model in enumerate(outcomes.models)}
    cells: dict[tuple[int, int], list[float]] = {}
    for _, record in records_of(path):
        row = rows.get((str(record.get("split") or ""), str(record.get("prompt_id"))))
        column = columns.get(str(record.get("model")))
        tokens = _tokens(record)
        if row is not None and column is not None and not math.isnan(tokens):
            cells.setdefault((row, column), []).append(tokens)
    found = np.full(outcomes.scores.shape, np.nan)
    for place, counts in cells.items():
        found[place] = np.mean(counts)
    return found


def _tokens(record: Mapping[str, Any]) -> float:
    """What was counted of an answer, NaN where nothing was."""
    counted = record.get("output_tokens")
    return math.nan if counted is None or record.get("tokens_kind") == VISIBLE_ONLY else float(counted)
