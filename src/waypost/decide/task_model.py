"""The shipped task model: a linear classifier over hashed n-grams, in whole numbers, so that every machine gives one answer."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from waypost.decide.clauses import clauses
from waypost.decide.corrections import Corrections, sketch_of_turn
from waypost.decide.evidence import TOKENS, fact_evidence, word_evidence
from waypost.decide.explanation import Explanation, Influence, explain
from waypost.decide.features import REMEMBERED_CHARS, REMEMBERED_TEXTS, Reading, read
from waypost.decide.labels import ACTION, ACTS, LABEL_NAMES, LABELS, NEEDS, TASKS, Act, Need
from waypost.decide.own_tasks import OwnTask, OwnTasks, background, learn_own_tasks
from waypost.decide.reading import BARE_WORDS, FLAGS, Part, TurnReading, marks_of, read_turn
from waypost.decide.recent import Recent
from waypost.decide.task import TaskScores
from waypost.decide.task_weights import Floats, TaskWeights, load_weights
from waypost.kernel import label_scores, products, softmax
from waypost.turn import EMPTY, Message, Text, Turn
from waypost.value import value

CERTAINTY = 0.99
"""The probability of a task that a fact decides: an image in the last message, a tool call that the caller demands."""

GREETING = 0.8
"""The least probability of small talk of what is passed over in front of a request."""

_FRONTS = (
    re.compile(r"\s*([^\n]{2,60}[^\s.!?])[.!?\u3002\uff01\uff1f]+\s*(?=[^\W_]{2})"),
    re.compile(r"\s*([^.!?,\n\u3002\uff01\uff0c]{1,20})[.!?,\u3002\uff01\uff0c]+\s*(?=[^\W_]{2})"),
)
"""What may be a greeting: as many sentences as there are in the first 60 characters, or the first words up to a mark."""

_FRONT_MARK = re.compile("[.!?,\u3002\uff01\uff1f\uff0c]")
_FRONT_CHARS = 62
"""A text without such a mark in so many characters, blanks before them aside, has nothing of the kind."""

_FRONT_FLAGS = tuple(name == "short_text" for name in FLAGS)
_SMALLTALK = LABEL_NAMES.index("smalltalk")

LIKELY_ACTION = 0.2
"""The least probability of an action in the whole, for a clause of it to be one."""

CLEAR = 0.6
"""The least probability of what a clause asks for, beside the task of the whole."""

PASTED_CHARS = 1500
PASTED_CERTAINTY = 0.95
"""Nobody gives a command at such a length: it is something pasted, and must be nearly certain to become an action."""

BARE_CERTAINTY = 0.88
"""One or two words later on that answer no question ("ok", "louder") are an action only if that is clear: most say thanks."""

_VISION, _CHAT, _ACTION = TASKS.index("vision"), TASKS.index("chat"), TASKS.index(ACTION)


def _sums() -> Floats:
    """Which labels make up each task, then each act, then each need: a column each."""
    columns = [[label.task == task for label in LABELS] for task in TASKS]
    columns += [[label.act == act for label in LABELS] for act in ACTS]
    columns += [[label.need == need for label in LABELS] for need in NEEDS]
    found: Floats = np.array(columns, np.float64).T
    return found


_SUMS = _sums()
_IMAGE, _LONG_CONTEXT, _CODE_FENCE, _TOOLS_OFFERED, _NO_LETTERS, _ANSWERS, _FOLLOW_UP = map(
    FLAGS.index,
    ("image_in_last_message", "long_context", "code_fence", "tools_offered", "no_letters", "answers_question", "follow_up"),
)
_NEED_LETTERS = (_ACTION, _VISION)
"""Digits, emoji and marks alone are neither a command nor a question about an image."""

_TASK_PLACES = [TASKS.index(label.task) for label in LABELS]
LIKELY_NEED = 0.5
REMEMBERED_FLAGS = 256
"""What so many sets of facts say is kept: the turns of one server have few."""


class LinearTaskModel:
    """Tells the task of a turn in less than a tenth of a millisecond. Stateless; safe to share between threads."""

    def __init__(self, weights: TaskWeights, corrections: Corrections | None = None, own: OwnTasks | None = None) -> None:
        self.weights = weights
        self._recent = Recent[tuple[object, ...], TaskScores](REMEMBERED_TEXTS)
        self._corrections = corrections or None
        learned = f"-own-{own.version}" if own is not None else ""
        self._version = f"{weights.version}{learned}{f'+{corrections.version}' if corrections else ''}"
        self._flag_scores = lru_cache(REMEMBERED_FLAGS)(partial(_flag_scores, weights))
        difficulty = weights.difficulty if weights.difficulty.size else np.zeros(len(LABELS) + len(OUTLINE) + 1)
        self._sums = np.vstack((_SUMS.T, difficulty[: len(LABELS)]))
        *self._outline, self._constant = difficulty[len(LABELS) :].tolist()
        self._known_difficulty: list[bool] = weights.difficulty_labels.tolist()
        self.own = own

    @property
    def version(self) -> str:
        """Name and hash of the weights, and hashes of own tasks and corrections if there are any, for the card."""
        return self._version

    def with_corrections(self, corrections: Corrections) -> LinearTaskModel:
        """The same model, but that it follows these corrections, and no others."""
        return LinearTaskModel(self.weights, corrections, self.own)

    def with_own_tasks(self, own: OwnTasks | None) -> LinearTaskModel:
        """The same model, but that it tells these tasks too, and no others; it says the same of the six.

        It is this one where they are the same: what it remembers of texts stays.
        """
        return self if own is self.own else LinearTaskModel(self.weights, self._corrections, own)

    def learn(self, tasks: Sequence[OwnTask]) -> OwnTasks:
        """Learns ``tasks`` from their examples. Raises ArtefactError where the background prompts are missing."""
        return learn_own_tasks(tasks, background(), self._seen)

    def predict(self, turn: Turn) -> TaskScores:
        """The task of ``turn``. Facts decide where they can; a text that says nothing decides for nothing."""
        seen = read_turn(turn)
        if len(seen.parts) > 1 or len(seen.text) > REMEMBERED_CHARS:
            return self._predict(turn, self._past_greetings(seen))
        key = seen.text, seen.flags, turn.tool_choice, turn.tool_loop_open, turn.background
        found = self._recent.get(key)
        if found is None:
            found = self._recent[key] = self._predict(turn, self._past_greetings(seen))
        return found

    def _predict(self, turn: Turn, seen: TurnReading) -> TaskScores:
        fact = _deciding_fact(turn, seen)
        if fact is None and not seen.says_something:
            return TaskScores(dict.fromkeys(TASKS, 1 / len(TASKS)), None, act="chat")
        labels, spoken = (self.label_probabilities(seen), ()) if fact else self._corrected(seen)
        sums = products(self._sums, labels)
        tasks = sums[: len(TASKS)]
        if fact is not None:
            tasks = _certain(tasks, fact[0])
        best = tasks.index(max(tasks))
        task = TASKS[best] if fact or tasks[best] >= self._least(best, seen) else None
        return TaskScores(
            dict(zip(TASKS, tasks, strict=True)),
            task,
            TextGrounds(self, seen, labels, best, fact and fact[1], spoken),
            act=fact[2] if fact else _act(sums, task),
            needs=_needs(sums, seen),
            difficulty=self._difficulty(labels, sums[-1], seen),
            own=None if self.own is None or fact or turn.tool_loop_open else self.own.match(seen.request, labels),
        )

    def _past_greetings(self, seen: TurnReading) -> TurnReading:
        """The turn without small talk in front of its request: "Good morning! How are you? Add milk to the list."

        Small talk behind a request stays: "never mind" and "just kidding" take it back.
        """
        if _FRONT_MARK.search(seen.text.lstrip(), 0, _FRONT_CHARS) is None:
            return seen
        for pattern in _FRONTS:
            front = pattern.match(seen.text)
            if front is not None:
                alone = TurnReading((Part(read(front[1]), 1.0, "what may be a greeting"),), _FRONT_FLAGS)
                if self.label_probabilities(alone)[_SMALLTALK] >= GREETING:
                    return seen.asking(seen.text[front.end() :])
        return seen

    def _least(self, task: int, seen: TurnReading) -> float:
        if task in _NEED_LETTERS and seen.flags[_NO_LETTERS]:
            return math.inf
        if task == _ACTION and seen.request.codes.size > PASTED_CHARS:
            return PASTED_CERTAINTY
        if task == _ACTION and seen.flags[_FOLLOW_UP] and not seen.flags[_ANSWERS] and seen.request.starts.size <= BARE_WORDS:
            return BARE_CERTAINTY
        if task == _ACTION and seen.flags[_TOOLS_OFFERED]:
            return self.weights.tools_threshold
        return self.weights.thresholds[task]

    def label_probabilities(self, seen: TurnReading) -> Floats:
        """The calibrated probabilities of ``LABELS``, as the text and the flags have them."""
        total = self._flag_scores(seen.flags)
        for part in seen.parts:
            if part.reading.rows.size:
                scores = self._part_scores(part.reading)
                total = total + (scores if part.weight == 1 else part.weight * scores)
        return softmax(total)

    def clear_task(self, clause: str, seen: TurnReading) -> str | None:
        """What a clause of a request asks for by itself, if that is clear."""
        alone = replace(seen, parts=seen.asking(clause).parts[:1])
        tasks = (self.label_probabilities(alone) @ _SUMS)[: len(TASKS)].tolist()
        best = tasks.index(max(tasks))
        return TASKS[best] if tasks[best] >= max(CLEAR, self._least(best, alone)) else None

    def explain(self, turn: Turn) -> Explanation:
        """What each word and fact of ``turn`` did, found by leaving it out. A fact that decides did it all."""
        seen = self._past_greetings(read_turn(turn))
        fact = _deciding_fact(turn, seen)
        if fact is not None:
            return Explanation(TASKS[fact[0]], None, (Influence("fact", fact[1], math.inf),))
        return explain(seen, lambda other: (self._corrected(other)[0] @ _SUMS)[: len(TASKS)].tolist())

    def _corrected(self, seen: TurnReading) -> tuple[Floats, tuple[str, ...]]:
        """The labels' probabilities, as corrections have them, and the tasks that corrections spoke for."""
        labels = self.label_probabilities(seen)
        return (labels, ()) if self._corrections is None else _corrected(labels, seen, self._corrections)

    def _difficulty(self, labels: Floats, of_labels: float, seen: TurnReading) -> float | None:
        # As a list: numpy's argmax lets another thread run first.
        shares = labels.tolist()
        if not self._known_difficulty[shares.index(max(shares))]:
            return None
        own = sum(map(operator.mul, self._outline, outline_of(seen)))
        return 1 / (1 + math.exp(-(of_labels + self._constant + own)))

    def difficulty_inputs(self, seen: TurnReading) -> Floats:
        """What the difficulty is told by: the labels' probabilities, ``OUTLINE``, and 1."""
        return np.array((*self.label_probabilities(seen), *outline_of(seen), 1.0))

    def _seen(self, text: str) -> tuple[Reading, Floats, str | None]:
        seen = read_turn(Turn("", "", (Message("user", (Text(text),)),), EMPTY))
        return seen.request, self.label_probabilities(seen), self.weights.languages.language(seen.request)

    def _part_scores(self, reading: Reading) -> Floats:
        """Every n-gram counts once; characters and words count alike, however many there are of each."""
        weights, known = reading.known.get("labels", (None, None))
        if weights is self.weights:
            found: Floats = known
            return found
        total = label_scores(reading.rows, reading.chars, self.weights.table, self.weights.scale)
        reading.known["labels"] = self.weights, total
        return total


@value(frozen=True, slots=True)
class TextGrounds:
    """What a text and the facts beside it said for the task ``best``.

    ``fact`` is the one that decided, if one did; ``spoken`` are the tasks that corrections spoke for.
    """

    model: LinearTaskModel
    seen: TurnReading
    shares: Floats
    best: int
    fact: str | None
    spoken: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """The fact that decided; or a correction, and the words and the fact that moved the task's labels most."""
        if self.fact is not None:
            return (self.fact,)
        own = self.shares * _SUMS[:, self.best]
        contrast = own / own.sum() - (self.shares - own) / max(1 - own.sum(), 1e-9)
        words = self.model.weights.table.take(self.seen.request.words[:TOKENS], axis=0) @ contrast
        found = word_evidence(self.seen.request, words, self.model.weights.vocabulary, TASKS[self.best])
        task = TASKS[self.best]
        corrected = (f"a correction of yours speaks for {task}",) if task in self.spoken else ()
        return (*corrected, *found, *fact_evidence(self.seen.flags, self.model.weights.flags @ contrast))

    @property
    def labels(self) -> Mapping[str, float]:
        """The probabilities of the finer labels."""
        return dict(zip(LABEL_NAMES, self.shares.tolist(), strict=True))

    @property
    def language(self) -> str | None:
        """The language of the last request."""
        return self.model.weights.languages.language(self.seen.request)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the clauses ask for, each read by itself, where that is clear; an action only where the whole may be one."""
        if self.fact is not None:
            return ()
        found = dict.fromkeys(self.model.clear_task(clause, self.seen) for clause in clauses(self.seen.request))
        if float(self.shares @ _SUMS[:, _ACTION]) < LIKELY_ACTION:
            found.pop(ACTION, None)
        return tuple(task for task in found if task is not None)

    @property
    def sketch(self) -> bytes:
        """What corrections know the turn by; empty where a fact decided."""
        return b"" if self.fact is not None else sketch_of_turn(self.seen)


OUTLINE = ("log_words", "digit_share", "word_length", "code_fence")


def outline_of(seen: TurnReading) -> tuple[float, ...]:
    """The form of a request, as far as it tells how hard it is: ``OUTLINE``, each about from 0 to 1."""
    request = seen.request
    size, words, digits = request.codes.size or 1, request.starts.size or 1, marks_of(request)[2]
    return math.log(words) / 6, 4 * digits / size, size / words / 10, float(seen.flags[_CODE_FENCE])


def _deciding_fact(turn: Turn, seen: TurnReading) -> tuple[int, str, Act] | None:
    """The task that a fact beside the text decides for, the fact in words, and the act."""
    if seen.flags[_IMAGE]:
        return _VISION, "an image is in the last message", "question"
    if turn.tool_choice not in (None, "auto", "none"):
        return _ACTION, "the caller demands a tool call", "command"
    if seen.background or turn.background is not None:
        return _CHAT, "a client's own background work", "chat"
    return None


def _corrected(labels: Floats, seen: TurnReading, corrections: Corrections) -> tuple[Floats, tuple[str, ...]]:
    """The labels, each moved as its task is, and the tasks that somebody spoke for."""
    before = labels @ _SUMS[:, : len(TASKS)]
    after, spoken = corrections.adjust(sketch_of_turn(seen), before.tolist())
    if not spoken:
        return labels, ()
    shares = labels / np.maximum(before[_TASK_PLACES], np.finfo(np.float64).tiny)
    return shares * np.array(after)[_TASK_PLACES], spoken


def _act(sums: list[float], task: str | None) -> Act:
    """What shall be done. Only a turn that is an action can be a command: where the model abstains, nothing shall be done."""
    first = 0 if task == ACTION else 1
    likely = sums[len(TASKS) + first : len(TASKS) + len(ACTS)]
    return ACTS[first + likely.index(max(likely))]


def _needs(sums: list[float], seen: TurnReading) -> tuple[Need, ...]:
    likely = sums[len(TASKS) + len(ACTS) : _SUMS.shape[1]]
    long = seen.flags[_LONG_CONTEXT]
    return tuple([need for need, p in zip(NEEDS, likely, strict=True) if p >= LIKELY_NEED or (long and need == "long_context")])


def _flag_scores(weights: TaskWeights, flags: tuple[bool, ...]) -> Floats:
    """What the facts alone say for each of ``LABELS``."""
    holding = weights.flags.compress(flags, axis=0)
    found: Floats = weights.bias + weights.scale * np.add.reduce(holding, axis=0, dtype=np.float64)
    return found


def _certain(probabilities: list[float], sure: int) -> list[float]:
    rest = sum(p for i, p in enumerate(probabilities) if i != sure)
    share = (1 - CERTAINTY) / rest if rest else 0.0
    return [CERTAINTY if i == sure else p * share for i, p in enumerate(probabilities)]


def load_task_model(path: Path | None = None) -> LinearTaskModel:
    """The model in the folder ``path``, or the shipped one. Raises what `load_weights` raises."""
    return LinearTaskModel(load_weights(path))
