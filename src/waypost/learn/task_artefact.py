"""Writes what training found: weights without pickle, and the card that says what they are."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from waypost.decide.features import FEATURES_VERSION, read
from waypost.decide.language import LanguageHead
from waypost.decide.task import TASKS
from waypost.decide.task_model import CARD_FILE, WEIGHTS_FILE
from waypost.learn.datasets import Row
from waypost.learn.linear import LinearFit
from waypost.learn.task_matrix import Floats

MARKDOWN_FILE = "task-model.md"
LEVELS = 127
CLIP_PERCENTILE = 99.99
VOCABULARY_SOURCES = 3
VOCABULARY_ROWS = 20
LAST_HASH = 2**64 - 1
"""Ends every vocabulary, so that a search in it always finds a place."""


def quantise(table: Floats) -> tuple[npt.NDArray[np.int8], float]:
    """The table in 8-bit steps, and the size of a step. The few weights beyond the 99.99th percentile are cut to it."""
    used = np.abs(table[table != 0])
    most = float(np.percentile(used, CLIP_PERCENTILE)) if used.size else 1.0
    scale = most / LEVELS
    return np.clip(np.rint(table / scale), -LEVELS, LEVELS).astype(np.int8), scale


def vocabulary_of(rows: Sequence[Row]) -> npt.NDArray[np.uint64]:
    """The hashes of the words that several sources use often: no name or secret of one person is among them."""
    sources: defaultdict[int, set[str]] = defaultdict(set)
    counts: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        for token in set(read(row.text).tokens.tolist()):
            sources[token].add(row.source)
            counts[token] += 1
    common = [t for t, seen in sources.items() if len(seen) >= VOCABULARY_SOURCES and counts[t] >= VOCABULARY_ROWS]
    return np.array(sorted({*common, LAST_HASH}), np.uint64)


def pack(
    weights: LinearFit,
    temperature: float,
    thresholds: Sequence[float],
    vocabulary: npt.NDArray[np.uint64],
    languages: LanguageHead,
) -> bytes:
    """The weights as an ``.npz`` file: the same bytes for the same numbers."""
    table, scale = quantise(weights.table)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        table=table,
        flags=np.rint(weights.flags / scale).astype(np.int32),
        bias=weights.bias.astype(np.float64),
        scale=np.float64(scale),
        temperature=np.float64(temperature),
        thresholds=np.array(thresholds, np.float64),
        vocabulary=vocabulary,
        languages=np.array(languages.languages),
        language_table=languages.table.astype(np.int8),
        language_scale=np.float64(languages.scale),
        language_bias=languages.bias,
        language_threshold=np.float64(languages.threshold),
    )
    return buffer.getvalue()


def write(out: Path, data: bytes, report: Mapping[str, Any]) -> dict[str, Any]:
    """Writes weights and card into ``out``, and returns the card."""
    out.mkdir(parents=True, exist_ok=True)
    card = {
        "name": "task-model",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "features_version": FEATURES_VERSION,
        "tasks": list(TASKS),
        **report,
    }
    (out / WEIGHTS_FILE).write_bytes(data)
    (out / CARD_FILE).write_bytes(orjson.dumps(card, option=orjson.OPT_INDENT_2) + b"\n")
    (out / MARKDOWN_FILE).write_text(_markdown(card), encoding="utf-8")
    return card


def _markdown(card: Mapping[str, Any]) -> str:
    lines = [
        "# The task model",
        "",
        "Tells which of six tasks a request asks for. Linear, over hashed n-grams; see `docs/task-model.md`.",
        "",
        f"- weights: `{WEIGHTS_FILE}`, {card['bytes']} bytes, sha256 `{card['sha256']}`",
        f"- features: version {card['features_version']}",
        f"- made by: `{card['command']}`, seed {card['seed']}",
        f"- temperature {card['temperature']}; least probability {card['thresholds']}",
        "",
        "| judged on | n | accuracy | macro-F1 | false actions | action recall | abstains | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, scores in card["scores"].items():
        keys = ("n", "accuracy", "macro_f1", "false_action_rate", "action_recall", "abstain_rate", "ece")
        lines.append(f"| {name} | " + " | ".join(str(scores.get(key, "")) for key in keys) + " |")
    lines += ["", "| source | rows | derived rows | licence |", "|---|---|---|---|"]
    lines += [f"| {s['source']} | {s['rows']} | {s['derived_rows']} | {'; '.join(s['licences'])} |" for s in card["data"]]
    return "\n".join(lines) + "\n"
