"""What training leaves behind for quality estimates, and how it is read from its files.

One file holds the arrays of several pieces; the name of each array begins with that of its piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.artefact import DAMAGE, fix, read_artefact
from waypost.decide.quality_features import QUALITY_FEATURES_VERSION
from waypost.decide.quality_pools import PoolQuality
from waypost.errors import ArtefactError

_NAME = "quality-model"
QUALITY_FILE, QUALITY_CARD_FILE = f"{_NAME}.npz", f"{_NAME}.json"
SCHEMA = "waypost-quality-1"
POOLS = "pools"

_COMMAND = "waypost train quality"
_FIX = fix(_COMMAND)


@dataclass(frozen=True, slots=True)
class QualityWeights:
    """The arrays of all pieces, and the card that says where they come from."""

    version: str
    card: Mapping[str, Any] = field(repr=False)
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)

    def piece(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of one piece, by their own names; none where the file has no such piece.

        Raises ArtefactError where one is damaged or holds what is no number.
        """
        try:
            found = {key.removeprefix(f"{name}."): self.arrays[key] for key in self.arrays if key.startswith(f"{name}.")}
        except DAMAGE:
            raise ArtefactError(f"{QUALITY_FILE} is damaged: {_FIX}") from None
        for key, array in found.items():
            if not _holds_numbers(key.rpartition(".")[2], array):
                raise ArtefactError(f"{QUALITY_FILE} holds what is no number ({name}.{key}): {_FIX}")
        return found


def _holds_numbers(name: str, array: npt.NDArray[Any]) -> bool:
    """Whether it holds nothing else; names of models are texts, and an infinite lead leaves the best single model never."""
    if array.dtype.kind != "f":
        return array.dtype.kind in "biu" or name in ("models", "names")
    return not np.isnan(array).any() and (name == "lead" or not np.isinf(array).any())


def load_quality_weights(path: Path | None = None) -> QualityWeights:
    """The weights in the folder ``path``, or the shipped ones. The arrays of a piece are read when it is asked for.

    Raises ArtefactError where weights or card are missing or damaged, do not belong together, are of another form, or were
    trained on other features.
    """
    read = read_artefact(path, _NAME, features=QUALITY_FEATURES_VERSION, command=_COMMAND, schema=SCHEMA)
    return QualityWeights(f"quality-{QUALITY_FEATURES_VERSION}-{read.digest[:12]}", read.card, read.arrays)


def load_pools(path: Path | None = None) -> PoolQuality:
    """The pools of models in the folder ``path``, or the shipped ones. Raises what `load_quality_weights` raises."""
    weights = load_quality_weights(path)
    try:
        return PoolQuality.of_arrays(weights.version, weights.piece(POOLS))
    except (KeyError, ValueError, IndexError):
        raise ArtefactError(f"the pools in {QUALITY_FILE} are of another form: {_FIX}") from None
