"""What users corrected, as a small head behind the task model: texts like a corrected one lean towards its task, at once.

The head is a kernel over the frozen sketch of a text: nothing is trained, so one correction counts from the next request on,
taking it back leaves nothing behind, and the order in which corrections came changes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from waypost.decide.correction import MOST, PER_CALLER, SKETCH_BYTES, Correction
from waypost.decide.envelope import opened
from waypost.decide.features import FEATURES_VERSION, read
from waypost.decide.labels import ACTION, TASKS
from waypost.decide.reading import Part, TurnReading
from waypost.decide.sketch import sketch_of
from waypost.kernel import damped

NEAR = 0.6
"""The cosine from which a correction speaks for a text. Of the English prompts of the dev set that come from different sources,
under 1 in 10,000 pairs are so close, and none of over 100 characters; of the 30 paraphrases in the tests, 20 are."""

SAME = 0.98
"""The cosine from which two texts count as one: blanks, case, accents, digits and a changed word in a long text."""

VOICE = 9.0
"""What one caller adds to the log odds of a task, for the very text that was corrected: enough to turn every answer around."""

LOUDEST = 12.0
"""What all callers together add at most."""

LEAST = 1e-3
"""A task that somebody speaks for is held for at least this likely, so that ``VOICE`` is enough however sure the model was."""

_BLOCK = 64


class Corrections:
    """The corrections in force: an immutable function of the set of those given, whatever their order.

    Of one caller's corrections of the same text only the newest stays, at most ``per_caller`` of one caller, and ``most`` in
    all; the oldest go first. Who names no caller is one caller together. ``surplus`` holds those that these caps removed.
    Corrections that were made under another reading of texts say nothing here, and are in neither list. ``version`` is a short
    hash over all that is in force.
    """

    def __init__(self, given: Iterable[Correction] = (), *, per_caller: int = PER_CALLER, most: int = MOST) -> None:
        fit = {correction.id: correction for correction in sorted(filter(_is_fit, given), key=lambda one: one.age)}
        callers: dict[str | None, _Sketches] = {}
        kept: list[Correction] = []
        for correction in sorted(fit.values(), key=lambda one: one.age, reverse=True):
            texts = callers.setdefault(correction.caller, _Sketches())
            if len(kept) < most and len(texts) < per_caller and not (texts.cosines(correction.sketch) > SAME).any():
                texts.add(correction.sketch)
                kept.append(correction)
                del fit[correction.id]
        self.kept = tuple(reversed(kept))
        self.surplus = tuple(fit.values())
        self.version = _hash(self.kept)
        self._sketches = _Sketches(correction.sketch for correction in self.kept)

    def __len__(self) -> int:
        """How many are in force."""
        return len(self.kept)

    def adjust(self, sketch: bytes, probabilities: Sequence[float]) -> tuple[Sequence[float], tuple[str, ...]]:
        """The probabilities of ``TASKS`` for a text of that sketch, and the task that each caller who has a say spoke for.

        Where nobody spoke, the probabilities are returned as they are.
        """
        voices = self._voices(sketch)
        if not voices:
            return probabilities, ()
        pulls = dict.fromkeys(TASKS, 0.0)
        for task, pull in voices:
            pulls[task] += pull
        raised = [
            max(p, LEAST) * math.exp(min(pull, LOUDEST)) if pull else p
            for p, pull in zip(probabilities, pulls.values(), strict=True)
        ]
        total = sum(raised)
        return [p / total for p in raised], tuple(task for task, _ in voices)

    def _voices(self, sketch: bytes) -> list[tuple[str, float]]:
        """For each caller with a correction near the text: the task of the nearest (of equals, the newest), and its pull."""
        near = self._near(sketch)
        actions = [similarity for similarity, place in near if self.kept[place].task == ACTION]
        if len(actions) == 1 and actions[0] < SAME:
            # An action that nobody asked for is the worst mistake: a similar text is not enough, unless a second one agrees.
            near = [(similarity, place) for similarity, place in near if self.kept[place].task != ACTION]
        nearest: dict[str | None, tuple[float, int]] = {}
        for found in near:
            caller = self.kept[found[1]].caller
            nearest[caller] = max(found, nearest.get(caller, found))
        return [(self.kept[place].task, _pull(similarity)) for similarity, place in nearest.values()]

    def _near(self, sketch: bytes) -> list[tuple[float, int]]:
        """The similarity and the place of each correction that is near enough to speak, the oldest first."""
        if len(sketch) != SKETCH_BYTES:
            return []
        cosines = self._sketches.cosines(sketch)
        places = np.flatnonzero(cosines > NEAR)
        return list(zip(cosines[places].tolist(), places.tolist(), strict=True))


class _Sketches:
    """Sketches that others can be compared with.

    They are whole numbers: every product of two stays below 2^24, so that float32 is exact in any order, on any processor. They
    lie in blocks, as one large product would be shared between threads: with 1,000 sketches and busy cores that can take 12 ms,
    blocks take 0.03 ms.
    """

    def __init__(self, sketches: Iterable[bytes] = ()) -> None:
        rows = _rows(sketches)
        self._count = len(rows)
        room = -self._count % _BLOCK
        self._blocks = np.pad(rows, ((0, room), (0, 0))).reshape(-1, _BLOCK, SKETCH_BYTES)
        self._lengths = np.pad(_lengths(rows), (0, room), constant_values=1.0)

    def __len__(self) -> int:
        return self._count

    def add(self, sketch: bytes) -> None:
        """One more."""
        if self._count == len(self._lengths):
            self._blocks = np.pad(self._blocks, ((0, 1), (0, 0), (0, 0)))
            self._lengths = np.pad(self._lengths, (0, _BLOCK), constant_values=1.0)
        row = _rows([sketch])
        self._blocks.reshape(-1, SKETCH_BYTES)[self._count] = row[0]
        self._lengths[self._count] = _lengths(row)[0]
        self._count += 1

    def cosines(self, sketch: bytes) -> npt.NDArray[np.float64]:
        """How similar each is to ``sketch``; 0 to one without words."""
        row = _rows([sketch])
        length = _lengths(row)[0] or 1.0
        found: npt.NDArray[np.float64] = np.matmul(self._blocks, row[0]).reshape(-1) / (self._lengths * length)
        return found[: self._count]


def sketch_of_turn(seen: TurnReading) -> bytes:
    """What a turn is known by to corrections; nothing for one without words.

    A reply to the assistant's open question is taken together with that question: a "yes" alone means anything.
    """
    request, question = seen.request, seen.question
    if not request.starts.size:
        return b""
    if question is not None:
        return damped(sketch_of(request) + sketch_of(question))
    known: bytes | None = request.known.get("sketch")
    if known is None:
        known = request.known["sketch"] = damped(sketch_of(request))
    return known


def sketch_of_text(text: str) -> bytes:
    """The same for a text that was asked by itself; nothing for one without a letter, such as "!!!" or "12"."""
    request = opened(text).request
    if not any(map(str.isalpha, request)):
        return b""
    return sketch_of_turn(TurnReading((Part(read(request), 1.0, "the text"),), ()))


def _pull(similarity: float) -> float:
    """Nothing at ``NEAR``, all of ``VOICE`` at ``SAME``.

    Measured with the weights before these: of 59 pairs of a correction and a paraphrase, where the model was sure of another
    task, 12 follow so, and of 45 look-alikes 4; growing with the square, it would be 2 and 1.
    """
    return VOICE * min(1.0, (similarity - NEAR) / (SAME - NEAR))


def _is_fit(correction: Correction) -> bool:
    fits = correction.features == FEATURES_VERSION and correction.task in TASKS
    return fits and len(correction.sketch) == SKETCH_BYTES and any(correction.sketch)


def _hash(corrections: Iterable[Correction]) -> str:
    digest = hashlib.sha256()
    for correction in corrections:
        digest.update(repr((correction.age, correction.task, correction.caller)).encode("utf-8", "surrogatepass"))
        digest.update(correction.sketch)
    return digest.hexdigest()[:8]


def _rows(sketches: Iterable[bytes]) -> npt.NDArray[np.float32]:
    return np.frombuffer(b"".join(sketches), np.int8).reshape(-1, SKETCH_BYTES).astype(np.float32)


def _lengths(table: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", table, table).astype(np.float64))
    return found
