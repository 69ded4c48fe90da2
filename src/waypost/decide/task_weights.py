"""What training leaves behind for the task model, and how it is read from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.artefact import DAMAGE, fix, read_artefact
from waypost.decide.evidence import Hashes
from waypost.decide.features import FEATURES_VERSION
from waypost.decide.labels import LABELS
from waypost.decide.language import LanguageHead
from waypost.decide.reading import FLAGS
from waypost.errors import ArtefactError
from waypost.kernel.plain import ROW_BITS

_NAME = "task-model"
WEIGHTS_FILE, CARD_FILE = f"{_NAME}.npz", f"{_NAME}.json"

_COMMAND = "waypost train task"

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.float32]
"""Whole numbers, kept as float32: sums stay far below 2^24, so they are exact in any order, on any processor, and fast."""


@dataclass(frozen=True, slots=True)
class TaskWeights:
    """What training leaves behind.

    ``table`` has a row for each folded n-gram, ``flags`` one for each of ``FLAGS``, both with a column for each of ``LABELS``;
    a 1 stands for ``scale``. With ``bias``, the sums are logarithms of calibrated probabilities, but for a constant.
    ``thresholds`` holds, for each task, the least probability that counts as an answer; ``tools_threshold`` is that of an
    action where tools are offered.
    ``difficulty`` weighs the labels' probabilities, then ``OUTLINE``, then 1; it is known for ``difficulty_labels`` only.
    ``vocabulary`` holds, in order, the table rows of the words that many sources use: no other is ever shown as evidence.
    """

    version: str
    table: npt.NDArray[np.int8]
    flags: Whole
    bias: Floats
    scale: float
    thresholds: tuple[float, ...]
    tools_threshold: float
    difficulty: Floats
    difficulty_labels: npt.NDArray[np.bool_]
    vocabulary: Hashes
    languages: LanguageHead


def load_weights(path: Path | None = None) -> TaskWeights:
    """The weights in the folder ``path``, or the shipped ones.

    Raises ArtefactError where weights or card are missing or damaged, do not belong together, or were trained for another
    reading of the text.
    """
    read = read_artefact(path, _NAME, features=FEATURES_VERSION, command=_COMMAND)
    try:
        weights = _weights_of(read.arrays, f"task-{FEATURES_VERSION}-{read.digest[:12]}")
    except DAMAGE:
        raise ArtefactError(f"{WEIGHTS_FILE} is damaged: {fix(_COMMAND)}") from None
    if weights.table.shape != (1 << ROW_BITS, len(LABELS)) or weights.flags.shape != (len(FLAGS), len(LABELS)):
        raise ArtefactError(f"{WEIGHTS_FILE} knows other labels than this Waypost: run `{_COMMAND}`")
    return weights


def _weights_of(arrays: Any, version: str) -> TaskWeights:
    temperature = float(arrays["temperature"])
    return TaskWeights(
        version=version,
        table=arrays["table"],
        flags=arrays["flags"].astype(np.float32),
        bias=arrays["bias"].astype(np.float64) / temperature,
        scale=float(arrays["scale"]) / temperature,
        thresholds=tuple(arrays["thresholds"].tolist()),
        tools_threshold=float(arrays["tools_threshold"]),
        difficulty=arrays["difficulty"].astype(np.float64),
        difficulty_labels=arrays["difficulty_labels"],
        vocabulary=arrays["vocabulary"],
        languages=LanguageHead(
            languages=tuple(arrays["languages"].tolist()),
            table=arrays["language_table"],
            scale=float(arrays["language_scale"]),
            bias=arrays["language_bias"].astype(np.float64),
            threshold=float(arrays["language_threshold"]),
        ),
    )
