"""The outcomes of a source as abilities and lengths are learned from: models by plain names, prompts by their inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.known_models import plain_name
from waypost.decide.reading import read_turn
from waypost.decide.task_model import LinearTaskModel
from waypost.errors import ArtefactError
from waypost.learn.datasets import Row, turn_of
from waypost.learn.records import records_of

Floats = npt.NDArray[np.float64]

SOURCES = (
    "zeroeval_gsm",
    "zeroeval_mathl5",
    "zeroeval_crux",
    "mmlu_pro",
    "llmrouter_9",
    "routellm_gsm8k",
    "routellm_mmlu",
    "misguided_attention",
    "farel_bench",
    "conduit_gsm8k",
)
"""Outcomes whose licence allows shipping what was learned from them. MT-Bench's are left out: its judge marks out of ten."""

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

    ``models`` are the plain names of the columns' models, ``spelled`` those of the source. ``inputs`` are what the task model
    tells of the prompts (`LinearTaskModel.difficulty_inputs`, without the 1).
    """

    source: str
    models: tuple[str, ...]
    spelled: tuple[str, ...]
    inputs: Floats
    scores: Floats
    tokens: Floats


def load_answers(folder: Path, model: LinearTaskModel, sources: Sequence[str] = SOURCES) -> list[Answers]:
    """The sources that the folder holds, a parquet file each. Raises ArtefactError where it holds none of them."""
    found = [answers_of(folder / f"{name}.parquet", model) for name in sources if (folder / f"{name}.parquet").is_file()]
    if not found:
        raise ArtefactError(f"the folder of outcomes holds none of {', '.join(sources)}")
    return found


def plain_in(source: str, model: str) -> str:
    """The plain name of what a source calls ``model``."""
    model = model.removesuffix(_PROMPTED)
    return plain_name(_MEANT.get(source, {}).get(model, model))


def answers_of(path: Path, model: LinearTaskModel) -> Answers:
    """One file with a row for each answer (docs/quality.md), as the task model reads it. Raises what `records_of` raises."""
    records = [record for _, record in records_of(path) if record.get("score") is not None]
    prompts = {_identity(record): record for record in records}
    step = max(1, len(prompts) // PROMPTS_EACH)
    kept = {name: row for row, name in enumerate(list(prompts)[::step][:PROMPTS_EACH])}
    columns = {name: column for column, name in enumerate(sorted({record["model"] for record in records}))}
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for record in records:
        row = kept.get(_identity(record))
        if row is not None:
            outcome = float(record["score"]), _tokens(record)
            cells.setdefault((row, columns[record["model"]]), []).append(outcome)
    tables = np.full((2, len(kept), len(columns)), np.nan)
    for (row, column), outcomes in cells.items():
        tables[:, row, column] = np.mean(outcomes, axis=0)
    rows = [Row(prompts[name]["prompt"], "chat", ("chat",), has_tools=bool(prompts[name].get("tools"))) for name in kept]
    inputs = np.array([model.difficulty_inputs(read_turn(turn_of(row)))[:-1] for row in rows])
    models = tuple(plain_in(path.stem, name) for name in columns)
    return Answers(path.stem, models, tuple(columns), inputs, tables[0], tables[1])


def _identity(record: Mapping[str, Any]) -> str:
    return str(record.get("prompt_id") or record["prompt"])


def _tokens(record: Mapping[str, Any]) -> float:
    """What was counted of an answer, NaN where nothing was."""
    counted = record.get("output_tokens")
    return math.nan if counted is None or record.get("tokens_kind") == VISIBLE_ONLY else float(counted)
