"""The two files of an artefact, weights and their card: only taken where they belong together and fit this Waypost."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.errors import ArtefactError

DAMAGE = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)
"""What reading arrays of a damaged file raises."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """The card, the arrays, which are read when they are asked for, and the hash of their file."""

    card: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    digest: str


def fix(command: str) -> str:
    """What to do about weights that cannot be used."""
    return f"reinstall Waypost, or make it again with `{command}`"


def read_artefact(folder: Path | None, name: str, *, features: str, command: str, schema: str | None = None) -> Artefact:
    """``name.npz`` and ``name.json`` in ``folder``, or the shipped ones.

    Raises ArtefactError where one is missing or damaged, they do not belong together, the card is not of this ``schema``, or
    the weights were trained on other ``features``; it names the ``command`` that makes them anew.
    """
    weights, described = f"{name}.npz", f"{name}.json"
    where = folder or Path(__file__).parent.parent / "artefacts"
    try:
        card = json.loads((where / described).read_bytes())
        data = (where / weights).read_bytes()
    except OSError:
        raise ArtefactError(f"{weights} or its card is missing: {fix(command)}") from None
    except (ValueError, RecursionError):
        raise ArtefactError(f"{described} is not JSON: {fix(command)}") from None
    if not isinstance(card, dict) or (schema is not None and card.get("schema") != schema):
        raise ArtefactError(f"{described} is of another form than this Waypost reads: run `{command}`")
    if card.get("features_version") != features:
        raise ArtefactError(
            f"{weights} is for features {card.get('features_version')}, this Waypost reads {features}: run `{command}`"
        )
    digest = hashlib.sha256(data).hexdigest()
    if card.get("sha256") != digest:
        raise ArtefactError(f"{weights} does not match its card: {fix(command)}")
    try:
        arrays = np.load(io.BytesIO(data), allow_pickle=False)
    except DAMAGE:
        raise ArtefactError(f"{weights} is damaged: {fix(command)}") from None
    if not isinstance(arrays, Mapping):
        raise ArtefactError(f"{weights} holds one array, and no named ones: {fix(command)}")
    return Artefact(card, arrays, digest)
