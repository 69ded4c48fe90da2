"""Writes what training found for quality estimates: weights without pickle, and the card that says what they are."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from waypost.decide.quality_features import QUALITY_FEATURES_VERSION
from waypost.decide.quality_weights import QUALITY_CARD_FILE, QUALITY_FILE, SCHEMA
from waypost.errors import ArtefactError

QUALITY_MARKDOWN_FILE = "quality-model.md"

Pieces = Mapping[str, Mapping[str, npt.NDArray[Any]]]

_SCORES = ("n", "best_single", "quality", "over_best_single", "random", "oracle", "ece", "apgr", "coverage90")


def pack(pieces: Pieces) -> bytes:
    """The arrays of all pieces as an ``.npz`` file: the same bytes for the same numbers.

    Raises ArtefactError where something is no number: nothing that was learned may be unknown.
    """
    arrays = {f"{piece}.{name}": array for piece, own in pieces.items() for name, array in own.items()}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ArtefactError(f"training gave what is no number ({name}): look for scores that are all missing")
    buffer = io.BytesIO()
    named: dict[str, Any] = arrays
    np.savez(buffer, **named)
    return buffer.getvalue()


def write_artefact(out: Path, pieces: Pieces, report: Mapping[str, Any], more: list[str]) -> dict[str, Any]:
    """Writes weights and card into ``out``, and returns the card. ``more`` is what else the card says, in Markdown.

    Raises ArtefactError where they cannot be written.
    """
    data = pack(pieces)
    card = {
        "name": "quality-model",
        "schema": SCHEMA,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "features_version": QUALITY_FEATURES_VERSION,
        **report,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / QUALITY_FILE).write_bytes(data)
        (out / QUALITY_CARD_FILE).write_bytes(orjson.dumps(card, option=orjson.OPT_INDENT_2) + b"\n")
        (out / QUALITY_MARKDOWN_FILE).write_text("\n".join([*_lines(card), *more]) + "\n", encoding="utf-8")
    except OSError as error:
        raise ArtefactError(f"what was learned cannot be written into {out.name}: {error.strerror}") from None
    return card


def _lines(card: Mapping[str, Any]) -> list[str]:
    lines = [
        "# The quality model",
        "",
        "Expects how well models answer a prompt, from outcomes of theirs; see `docs/quality.md`.",
        "",
        f"- weights: `{QUALITY_FILE}`, {card['bytes']} bytes, sha256 `{card['sha256']}`",
        f"- features: version {card['features_version']}",
        f"- made by: `{card['command']}`, on {card['date']}",
        f"- limits: {card['limits']}",
        "",
        "| data | prompts | models | outcomes | licence |",
        "|---|---|---|---|---|",
    ]
    for one in card["data"]:
        told = (one["file"], one["prompts"], one["models"], one["outcomes"], one["licence"] or "not stated")
        lines.append("| " + " | ".join(map(str, told)) + " |")
    lines += [
        "",
        "Pools of models that answered the same prompts, judged on questions that were left out of the training (five folds,",
        "95 % intervals). A lead is what another model than the best single one needs to be preferred.",
        "",
        "| pool | models | lead | " + " | ".join(name.replace("_", " ") for name in _SCORES) + " |",
        "|---" * (3 + len(_SCORES)) + "|",
    ]
    for pool in card["pools"]:
        lead = "never left" if pool["lead"] is None else pool["lead"]
        cells = [", ".join(pool["files"]), len(pool["models"]), lead, *(_cell(pool["scores"][name]) for name in _SCORES)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _cell(value: Any) -> str:
    """A number, with its interval if it has one."""
    if isinstance(value, dict):
        return str(value["value"]) if value["ci95"] is None else f"{value['value']} [{value['ci95'][0]}, {value['ci95'][1]}]"
    return "" if value is None else str(value)
