"""The shipped task model: a linear classifier over hashed n-grams, in whole numbers, so that every machine gives one answer."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from waypost.decide.features import (
    EARLIER_TURNS,
    FEATURES_VERSION,
    FLAGS,
    Codes,
    Reading,
    flags_of,
    fold,
    last_user_messages,
    read,
    token_rows,
)
from waypost.decide.language import LanguageHead
from waypost.decide.task import TASKS, TaskScores
from waypost.errors import ArtefactError
from waypost.turn import Turn

WEIGHTS_FILE = "task-model.npz"
CARD_FILE = "task-model.json"
IMAGE_CERTAINTY = 0.99
"""P(vision) when the last user message holds an image: in the training data it is 1; a little is left for doubt."""

FLAG_WORDS = {
    "image_in_context": "an image is in the conversation",
    "tools_offered": "tools are offered",
    "tool_results": "the conversation holds tool results",
    "structured_output": "structured output is asked for",
    "code_fence": "the message holds a code block",
    "follow_up": "it follows earlier messages",
    "long_context": "the context is long",
    "has_digits": "the message holds numbers",
    "question_mark": "the message ends with a question mark",
}
EVIDENCE_WORDS = 3
EVIDENCE_TOKENS = 64
MAX_EVIDENCE_CHARS = 20

_FIX = "reinstall Waypost, or make it again with `waypost train task`"

Weights = npt.NDArray[np.float32]
"""Whole numbers, kept as float32: sums stay far below 2^24, so they are exact in any order, on any processor, and fast."""


@dataclass(frozen=True, slots=True)
class TaskWeights:
    """What training leaves behind.

    ``table`` has a row for each folded n-gram, ``flags`` one for each of ``FLAGS``, both with a column for each of ``TASKS``;
    a 1 stands for ``scale``. ``thresholds`` holds, for each task, the least probability that counts as an answer.
    ``vocabulary`` holds the hashes, in order, of the words that many sources use: no other word is ever shown as evidence.
    """

    version: str
    table: Weights
    flags: Weights
    bias: npt.NDArray[np.float64]
    scale: float
    temperature: float
    thresholds: tuple[float, ...]
    vocabulary: npt.NDArray[np.uint64]
    languages: LanguageHead


class LinearTaskModel:
    """Tells the task of a turn in a fraction of a millisecond. Stateless; safe to share between threads."""

    def __init__(self, weights: TaskWeights) -> None:
        self._weights = weights
        self._bits = weights.table.shape[0].bit_length() - 1

    @property
    def version(self) -> str:
        """Name and hash of the weights, for the card."""
        return self._weights.version

    def predict(self, turn: Turn) -> TaskScores:
        """The task of ``turn``. An image in the last user message decides for vision; a text that says nothing, for nothing."""
        messages = last_user_messages(turn)
        last = messages[0] if messages else None
        text = last.text if last else ""
        reading = read(text)
        language = self._weights.languages.language(reading)
        flags = flags_of(turn, last, text, reading)
        if not reading.tokens.size and not flags[0]:
            return TaskScores(dict.fromkeys(TASKS, 1 / len(TASKS)), None, (), language)
        scores = self._text_scores(reading) + self._weights.bias
        scores += self._weights.scale * (np.array(flags) @ self._weights.flags)
        for weight, message in zip(EARLIER_TURNS, messages[1:], strict=False):
            scores += weight * self._text_scores(read(message.text))
        probabilities = softmax((scores / self._weights.temperature).tolist())
        if flags[0]:
            probabilities = _certain(probabilities, TASKS.index("vision"))
        best = max(range(len(TASKS)), key=probabilities.__getitem__)
        task = TASKS[best] if probabilities[best] >= self._weights.thresholds[best] else None
        evidence = self._evidence(reading, flags, best)
        return TaskScores(dict(zip(TASKS, probabilities, strict=True)), task, evidence, language)

    def _text_scores(self, reading: Reading) -> npt.NDArray[np.float64]:
        scores = np.zeros(len(TASKS))
        for hashes in (reading.chars, reading.words):
            rows = fold(hashes, self._bits)
            if rows.size:
                sums = np.ones(rows.size, np.float32) @ self._weights.table.take(rows, axis=0)
                scores += sums.astype(np.float64) * (self._weights.scale / math.sqrt(rows.size))
        return scores

    def _evidence(self, reading: Reading, flags: tuple[bool, ...], best: int) -> tuple[str, ...]:
        """The facts and words that speak most for ``best``, in words. Only words that many people use are ever named."""
        if flags[0]:
            return ("an image is in the last message",)
        found: list[str] = []
        tokens = reading.tokens[:EVIDENCE_TOKENS]
        rows = self._weights.table.take(token_rows(tokens, self._bits), axis=0)
        gains = rows[:, best] * len(TASKS) - rows.sum(axis=1)
        order = np.argsort(-gains, kind="stable")
        for position in order[(gains[order] > 0) & self._known(tokens[order])].tolist():
            if len(found) == EVIDENCE_WORDS:
                break
            word = reading.word(position)
            sentence = f"word “{word}” speaks for {TASKS[best]}"
            if word.isalpha() and len(word) <= MAX_EVIDENCE_CHARS and sentence not in found:
                found.append(sentence)
        fact = self._strongest_fact(flags, best)
        return (*found, fact) if fact else tuple(found)

    def _strongest_fact(self, flags: tuple[bool, ...], best: int) -> str | None:
        gains = self._weights.flags[:, best] * len(TASKS) - self._weights.flags.sum(axis=1)
        holding = [i for i, name in enumerate(FLAGS) if flags[i] and gains[i] > 0 and name in FLAG_WORDS]
        return FLAG_WORDS[FLAGS[max(holding, key=gains.__getitem__)]] if holding else None

    def _known(self, tokens: Codes) -> npt.NDArray[np.bool_]:
        places = np.searchsorted(self._weights.vocabulary, tokens)
        known: npt.NDArray[np.bool_] = self._weights.vocabulary.take(places, mode="clip") == tokens
        return known


def softmax(scores: list[float]) -> list[float]:
    """Probabilities that sum to 1, in the order of ``scores``."""
    top = max(scores)
    raised = [math.exp(score - top) for score in scores]
    total = sum(raised)
    return [value / total for value in raised]


def load_task_model(path: Path | None = None) -> LinearTaskModel:
    """The model in the folder ``path``, or the shipped one.

    Raises ArtefactError where weights or card are missing or damaged, do not belong together, or were trained for another
    reading of the text.
    """
    folder = path or Path(__file__).parent.parent / "artefacts"
    try:
        card = json.loads((folder / CARD_FILE).read_bytes())
        data = (folder / WEIGHTS_FILE).read_bytes()
    except OSError:
        raise ArtefactError(f"{WEIGHTS_FILE} or its card is missing: {_FIX}") from None
    except ValueError:
        raise ArtefactError(f"{CARD_FILE} is not JSON: {_FIX}") from None
    digest = hashlib.sha256(data).hexdigest()
    if not isinstance(card, dict) or card.get("sha256") != digest:
        raise ArtefactError(f"{WEIGHTS_FILE} does not match its card: {_FIX}")
    if card.get("features_version") != FEATURES_VERSION:
        raise ArtefactError(
            f"{WEIGHTS_FILE} is for features {card.get('features_version')}, this Waypost reads {FEATURES_VERSION}: "
            "run `waypost train task`"
        )
    return LinearTaskModel(_unpack(data, f"task-{FEATURES_VERSION}-{digest[:12]}"))


def _unpack(data: bytes, version: str) -> TaskWeights:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            weights = _weights_of(arrays, version)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise ArtefactError(f"{WEIGHTS_FILE} is damaged: {_FIX}") from None
    if weights.table.shape[1] != len(TASKS) or weights.flags.shape != (len(FLAGS), len(TASKS)):
        raise ArtefactError(f"{WEIGHTS_FILE} knows other tasks than this Waypost: run `waypost train task`")
    return weights


def _weights_of(arrays: Any, version: str) -> TaskWeights:
    return TaskWeights(
        version=version,
        table=arrays["table"].astype(np.float32),
        flags=arrays["flags"].astype(np.float32),
        bias=arrays["bias"].astype(np.float64),
        scale=float(arrays["scale"]),
        temperature=float(arrays["temperature"]),
        thresholds=tuple(arrays["thresholds"].tolist()),
        vocabulary=arrays["vocabulary"],
        languages=LanguageHead(
            languages=tuple(arrays["languages"].tolist()),
            table=arrays["language_table"].astype(np.int32),
            scale=float(arrays["language_scale"]),
            bias=arrays["language_bias"].astype(np.float64),
            threshold=float(arrays["language_threshold"]),
        ),
    )


def _certain(probabilities: list[float], sure: int) -> list[float]:
    rest = sum(p for i, p in enumerate(probabilities) if i != sure)
    share = (1 - IMAGE_CERTAINTY) / rest if rest else 0.0
    return [IMAGE_CERTAINTY if i == sure else p * share for i, p in enumerate(probabilities)]
