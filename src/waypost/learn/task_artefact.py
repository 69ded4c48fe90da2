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

from waypost.decide.evidence import Hashes, word_hash
from waypost.decide.features import FEATURES_VERSION, read
from waypost.decide.labels import LABEL_NAMES, LABELS, TASKS
from waypost.decide.language import LanguageHead
from waypost.decide.task_weights import CARD_FILE, WEIGHTS_FILE
from waypost.learn.datasets import Row
from waypost.learn.difficulty import Difficulty
from waypost.learn.task_matrix import Floats
from waypost.learn.task_training import TrainedTask

MARKDOWN_FILE = "task-model.md"
LEVELS = 127
CLIP_PERCENTILE = 99.99
VOCABULARY_SOURCES = 3
VOCABULARY_ROWS = 20


def quantise(table: Floats) -> tuple[npt.NDArray[np.int8], float]:
    """The table in 8-bit steps, and the size of a step. The few weights beyond the 99.99th percentile are cut to it."""
    used = np.abs(table[table != 0])
    most = float(np.percentile(used, CLIP_PERCENTILE)) if used.size else 1.0
    scale = most / LEVELS
    return np.clip(np.rint(table / scale), -LEVELS, LEVELS).astype(np.int8), scale


def vocabulary_of(rows: Sequence[Row]) -> Hashes:
    """The hashes of the words that several sources use often: no name or secret of one person is among them."""
    sources: defaultdict[str, set[str]] = defaultdict(set)
    counts: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        reading = read(row.text)
        for word in {reading.word(place) for place in range(reading.starts.size)}:
            sources[word].add(row.source)
            counts[word] += 1
    common = [word for word, seen in sources.items() if len(seen) >= VOCABULARY_SOURCES and counts[word] >= VOCABULARY_ROWS]
    return np.array(sorted(word_hash(word) for word in common if word.isalpha()), np.uint64)


def pack(
    trained: TrainedTask,
    vocabulary: Hashes,
    languages: LanguageHead,
    difficulty: Difficulty | None = None,
) -> bytes:
    """The weights as an ``.npz`` file: the same bytes for the same numbers.

    They are not compressed: a wheel is, and unpacking them took a tenth of the time of `waypost route`.
    """
    weights = trained.weights
    table, scale = quantise(weights.table)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        table=table,
        flags=np.rint(weights.flags / scale).astype(np.int32),
        bias=weights.bias.astype(np.float64),
        scale=np.float64(scale),
        temperature=np.float64(trained.temperature),
        thresholds=np.array(trained.thresholds, np.float64),
        tools_threshold=np.float64(trained.tools_threshold),
        difficulty=np.empty(0) if difficulty is None else difficulty.weights,
        difficulty_labels=np.zeros(len(LABELS), np.bool_) if difficulty is None else difficulty.labels,
        vocabulary=vocabulary,
        languages=np.array(languages.languages),
        language_table=languages.table,
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
        "labels": list(LABEL_NAMES),
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
        f"- least probability of an action where tools are offered: {card['tools_threshold']}",
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
