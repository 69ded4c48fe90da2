"""Tasks of the user's own: each is told by a handful of examples, beside the six, and nothing is trained again for it.

The examples of every own task stand against those of the others and against a background of ordinary prompts. One ridge
regression over all of them gives the weights in closed form, and with them what each text would score had it been left out
(Rifkin and Lippert 2007): the thresholds come from that, so that no text speaks for itself.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from waypost.decide.features import Reading
from waypost.decide.labels import ACTION, LABELS
from waypost.decide.policy import Route
from waypost.decide.task import OwnMatch
from waypost.errors import ArtefactError

Floats = npt.NDArray[np.float64]
Seen = Callable[[str], tuple[Reading, Floats, str | None]]
"""What the model reads of a text: its n-grams, the probabilities of ``LABELS``, and its language."""

BACKGROUND_FILE = "background.txt"
BITS = 12
"""N-grams are folded into 2^12 signed places. The 2^9 of ``sketch_of`` find far fewer of the examples that are left out,
2^13 no more (benchmarks/own_tasks.py)."""

MOST_MATCHES = 0.005
"""The share of the background that an own task may match."""

MOST_OF_ITS_LANGUAGES = 0.015
"""The same, of the background in the languages of its examples: whoever speaks others is told apart by that alone."""

LEAST_SCORE = 0.35
"""Examples score about 1 and everything else about 0; a task whose threshold would lie below this could be set off by noise."""

NEIGHBOURS = 300
"""Background prompts that are learned against: those most like an example. All of them find no more."""

MOST_IN_TABLE = 2047
"""The largest number in the table: float32 holds sums of 8,192 such rows exactly, in any order."""

EXAMPLE_WEIGHT = 5.0
LABEL_SCALE = 0.5
BIAS = 0.1
LIKELY_ACTION = 0.5

_SIGNED = (2 << BITS) - 1
_ACTION = np.array([label.task == ACTION for label in LABELS], np.float64)


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A route of the user's own, and what turns that belong there are like."""

    name: str
    description: str
    examples: tuple[str, ...]

    @classmethod
    def of(cls, routes: Iterable[Route]) -> tuple[OwnTask, ...]:
        """The own tasks of the routes that have examples."""
        return tuple(cls(route.name, route.description or "", route.examples) for route in routes if route.examples)


@dataclass(frozen=True, slots=True)
class OwnTasks:
    """Tells which own task a turn is like, if it is like one.

    ``table`` has a row for each folded n-gram, once for each sign, of whole numbers in which a 1 stands for ``scale``.
    ``labels`` has one for each of ``LABELS``; all have a column or an entry for each of ``tasks``. ``actions`` says of each
    whether most of its examples want something done. ``recalled`` counts the examples that would be recognised by the others.
    ``version`` is a hash of the tasks and the background: with the model's own version it tells what this was made of.
    """

    tasks: tuple[OwnTask, ...]
    version: str
    table: npt.NDArray[np.float32]
    scale: float
    labels: Floats
    bias: Floats
    thresholds: Floats
    slopes: tuple[float, ...]
    actions: tuple[bool, ...]
    recalled: tuple[int, ...]

    def match(self, request: Reading, labels: Floats) -> OwnMatch | None:
        """The own task that the last words of a turn are most like. What looks like an action stays one, unless the task's own
        examples are actions too.
        """
        chars, words = request.chars, request.rows.size - request.chars
        if not words:
            return None
        found = self.table.take(request.rows & _SIGNED, axis=0)
        scores = (
            self.bias + LABEL_SCALE * (np.sqrt(labels) @ self.labels) + _sum(found[chars:]) * (self.scale / math.sqrt(words))
        )
        if chars:
            scores += _sum(found[:chars]) * (self.scale / math.sqrt(chars))
        margins = scores - self.thresholds
        best = int(margins.argmax())
        if margins[best] < 0 or (not self.actions[best] and labels @ _ACTION >= LIKELY_ACTION):
            return None
        return OwnMatch(self.tasks[best].name, 1 / (1 + math.exp(-self.slopes[best] * float(margins[best]))))


def _sum(rows: npt.NDArray[np.float32]) -> Floats:
    """The sum of the rows. As a product it takes a third of the time."""
    found: npt.NDArray[np.float32] = np.ones(len(rows), np.float32) @ rows
    return found.astype(np.float64)


def background() -> tuple[str, ...]:
    """Ordinary prompts, in many languages, that no own task should match. Raises ArtefactError if they are not there."""
    try:
        text = (Path(__file__).parent.parent / "artefacts" / BACKGROUND_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ArtefactError(f"{BACKGROUND_FILE} is missing or damaged: reinstall Waypost") from None
    return tuple(text.splitlines())


def learn_own_tasks(tasks: Sequence[OwnTask], ordinary: Sequence[str], seen: Seen) -> OwnTasks:
    """Learns to tell ``tasks`` from each other and from ``ordinary`` prompts: the same every time, in about half a second.

    Each task has at least one example.
    """
    given = [_Given(number, text, EXAMPLE_WEIGHT) for number, task in enumerate(tasks) for text in dict.fromkeys(task.examples)]
    examples = len(given)
    # A description names the task, and is less like a turn than an example is.
    given += [_Given(number, task.description, 1.0) for number, task in enumerate(tasks) if task.description]
    own = _read([one.text for one in given], seen)
    other = _read(ordinary, seen)
    likeness = own.likeness(other)
    near = np.sort(np.argsort(-likeness.max(axis=0, initial=0), kind="stable")[:NEIGHBOURS])
    learned = own.and_also(other, near)
    wanted = np.zeros((len(given) + near.size, len(tasks)))
    wanted[np.arange(len(given)), [one.task for one in given]] = 1
    weights = np.array([one.weight for one in given] + [1.0] * near.size)
    inverse = np.linalg.inv(learned.likeness(learned) + np.diag(1 / weights))
    shares = inverse @ wanted
    left_out = wanted - shares / np.diag(inverse)[:, None]
    table, scale = _rounded(learned.grams.T.astype(np.float64) @ shares)
    labels, bias = learned.labels.T @ shares, BIAS * shares.sum(axis=0)
    ordinary_scores = (other.grams @ table) * scale + other.labels @ labels + bias
    ordinary_scores[near] = left_out[len(given) :]
    owners = np.array([one.task for one in given[:examples]])
    places = range(len(tasks))
    spoken = (np.isin(other.languages, own.languages[:examples][owners == place]) for place in places)
    found = [_threshold(ordinary_scores[:, place], same) for place, same in zip(places, spoken, strict=True)]
    thresholds = np.array(found)
    margins = left_out[:examples] - thresholds
    recognised = (margins.argmax(axis=1) == owners) & (margins.max(axis=1) >= 0)
    wants = own.labels[:examples] ** 2 @ _ACTION > LIKELY_ACTION * LABEL_SCALE**2
    return OwnTasks(
        tasks=tuple(tasks),
        version=_version(tasks, ordinary),
        table=np.concatenate((table, -table)),
        scale=scale,
        labels=labels,
        bias=bias,
        thresholds=thresholds,
        slopes=tuple(_slope(left_out[:examples][owners == place, place], ordinary_scores[near, place]) for place in places),
        actions=tuple(bool(wants[owners == place].mean() > 0.5) for place in places),
        recalled=tuple(int(recognised[owners == place].sum()) for place in places),
    )


@dataclass(frozen=True, slots=True)
class _Given:
    task: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts as they are compared: a row each of folded n-grams, and of the labels' probabilities on a scale of their own."""

    grams: npt.NDArray[np.float32]
    labels: Floats
    languages: npt.NDArray[np.str_]

    def likeness(self, other: _Texts) -> Floats:
        """The kernel of the regression: 0 for texts that share nothing, up to about 2, and a constant for the bias."""
        found: Floats = (self.grams @ other.grams.T).astype(np.float64) + self.labels @ other.labels.T + BIAS
        return found

    def and_also(self, other: _Texts, chosen: npt.NDArray[np.int64]) -> _Texts:
        """These texts, and the ``chosen`` ones of ``other`` behind them."""
        return _Texts(
            np.concatenate((self.grams, other.grams[chosen])),
            np.concatenate((self.labels, other.labels[chosen])),
            np.concatenate((self.languages, other.languages[chosen])),
        )


def _read(texts: Sequence[str], seen: Seen) -> _Texts:
    grams = np.zeros((len(texts), 1 << BITS), np.float32)
    labels = np.zeros((len(texts), len(LABELS)))
    languages = []
    for place, text in enumerate(texts):
        reading, probabilities, language = seen(text)
        for rows in (reading.rows[: reading.chars], reading.rows[reading.chars :]):
            if rows.size:
                signs = 1.0 - 2.0 * ((rows >> BITS) & 1)
                grams[place] += np.bincount(rows & ((1 << BITS) - 1), signs, 1 << BITS) / math.sqrt(rows.size)
        labels[place] = LABEL_SCALE * np.sqrt(probabilities)
        languages.append(language or "")
    return _Texts(grams, labels, np.array(languages, np.str_))


def _rounded(table: Floats) -> tuple[npt.NDArray[np.float32], float]:
    """The table in whole numbers, and what a 1 stands for.

    Sums of its rows are exact in any order, and the last digits in which processors differ are all but gone.
    """
    scale = float(np.abs(table).max()) / MOST_IN_TABLE or 1.0
    return np.rint(table / scale).astype(np.float32), scale


def _threshold(scores: Floats, same: npt.NDArray[np.bool_]) -> float:
    """A score that no more of the background reach than may: of all, and of those in the ``same`` languages as the task."""
    least = LEAST_SCORE
    for some, share in ((scores, MOST_MATCHES), (scores[same], MOST_OF_ITS_LANGUAGES)):
        if some.size:
            least = max(least, float(np.nextafter(np.sort(some)[-1 - math.ceil(share * some.size)], np.inf)))
    return least


def _slope(own: Floats, ordinary: Floats) -> float:
    """How fast the odds grow with the score, were both kinds of texts spread normally and equally wide."""
    spread = (own.var() + ordinary.var()) / 2
    return float(np.clip((own.mean() - ordinary.mean()) / max(spread, 1e-6), 1.0, 15.0))


def _version(tasks: Sequence[OwnTask], ordinary: Sequence[str]) -> str:
    said = repr([(task.name, task.description, task.examples) for task in tasks]) + "\n".join(ordinary)
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:8]
