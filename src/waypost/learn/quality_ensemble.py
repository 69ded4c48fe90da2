"""Learning a pool from outcomes: experts on everything, and what to make of them from what they said of prompts unseen."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from waypost.decide.quality_experts import EXPERTS, NEIGHBOURS, TABLES, Experts, Floats, Rows, Topics
from waypost.decide.quality_pool import IN_NINE_OF_TEN, NewKinds, Pool
from waypost.learn.outcome_splits import question_of
from waypost.learn.outcomes import Bools, Ints, Outcomes, Prompt
from waypost.learn.quality_fitting import LANDMARKS, Known, fit_experts, fit_topics
from waypost.learn.quality_intervals import LEAST_STRENGTH, cells_of, reach_of, strength_of
from waypost.learn.quality_new_kinds import LEAST_KINDS, means_of_kinds, odds_of
from waypost.learn.quality_rows import PromptReader, PromptRows

FOLDS = 4
LEAST_PROMPTS = 40
"""Fewer prompts are not divided: then the table of kinds speaks alone, and nobody leaves the best single model."""

LEAST_OF_KIND = 5
"""Categories of fewer prompts are one."""

LEADS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
LEAST_OUTCOMES = 200
"""With fewer, the best single model is not left: the noise of a choice is larger than what it gains."""

SURE = 1.64
"""A gain counts that is more than so many standard errors above 0."""

_MIXED_IN = 3
"""Experts have a third, two or all of the say."""

_BINS, _OF_A_BIN = 40, 50
_OWN_SHARE = 0.02
"""Calibration keeps so much of what the experts said, so that their order stays where answers scored alike."""

_STRAIGHT = np.array([[0, 1], [0, 1]], np.float64)
"""What is expected is what is scored."""


@dataclass(frozen=True, slots=True)
class _Unseen:
    """What experts said of prompts that they were not fitted to, and what they scored (NaN where nothing is known).

    ``questions`` numbers the questions from 0 on, ``kinds`` the kinds of prompts. ``fit`` is how well the best kind fits each.
    """

    rated: Floats
    counts: Floats
    fit: Floats
    scores: Floats
    questions: Ints
    kinds: Ints

    @classmethod
    def of(cls, known: Known, questions: Ints) -> _Unseen:
        """Nothing was said yet."""
        rated, counts = np.zeros((len(EXPERTS), *known.scores.shape), np.float32), np.zeros(known.scores.shape, np.float32)
        return cls(rated, counts, np.zeros(len(counts), np.float32), known.scores, questions, known.kinds)

    def ask(self, inside: Ints, told: Rows, experts: Experts) -> None:
        """Asks ``experts`` about the prompts ``inside``."""
        self.rated[:, inside], self.counts[inside], _, self.fit[inside] = experts.rate(told)

    @property
    def answered(self) -> Bools:
        """Where there is an outcome."""
        return ~np.isnan(self.scores)

    def by_question(self, values: Floats) -> Floats:
        """The mean of each question."""
        counts = np.bincount(self.questions)
        found: Floats = np.bincount(self.questions, values)[counts > 0] / counts[counts > 0]
        return found


def learn_pool(train: Outcomes, reader: PromptReader, seed: int) -> Pool:
    """The pool of the models of ``train``: the same for the same outcomes and seed.

    Every choice (mixture, calibration, lead, width of intervals) is made by outcomes that the experts were not fitted to.
    Raises ArtefactError without scipy.
    """
    rng = np.random.default_rng(seed)
    rows, scores = reader.read(train.prompts), train.scores.astype(np.float32)
    few = len(train.prompts) < LEAST_PROMPTS
    kinds, count = (np.zeros(len(train.prompts), np.int64), 0) if few else _kinds(train.prompts)
    questions = np.unique(question_of(train.prompts), return_inverse=True)[1]
    fold = rng.permutation(int(questions.max()) + 1)[questions] % FOLDS
    topics = fit_topics(rows.matrix(), kinds, count) if count else None
    known = Known(Rows(rows.form, rows.labels, _unseen_topics(rows, kinds, count, fold)), kinds, count, scores)
    experts = fit_experts(known, topics, rng)
    if few:
        alone = tuple(float(expert == TABLES[0]) for expert in range(len(EXPERTS)))
        return Pool(train.models, experts, alone, _STRAIGHT, math.inf, LEAST_STRENGTH)
    unseen = _ask(known, topics, fold, questions, rng)
    weights = _mixture(unseen, neighbours=len(train.prompts) <= LANDMARKS)
    mixed = np.tensordot(weights, unseen.rated, 1)
    calibration = _calibration(mixed[unseen.answered], unseen.scores[unseen.answered])
    means = np.interp(mixed, *calibration)
    lead = _lead(means, experts.overall, unseen)
    strength = strength_of(cells_of(means, unseen.counts, scores, kinds, np.zeros(scores.shape)))
    new_kinds = None
    if count >= LEAST_KINDS and len(train.prompts) >= LEAST_OUTCOMES:
        left_out = _ask_of_new_kinds(rows, known, fold, questions, rng)
        means = np.interp(np.tensordot(weights, left_out.rated, 1), *calibration)
        new_kinds = _new_kinds(unseen, left_out, means, strength, experts.overall)
    return Pool(train.models, experts, tuple(weights.tolist()), calibration, lead, strength, new_kinds)


def _kinds(prompts: Sequence[Prompt]) -> tuple[Ints, int]:
    """The kind of each prompt, and how many kinds there are: categories, rare ones together; 0 where all are alike."""
    sizes = Counter(prompt.category for prompt in prompts)
    names = [prompt.category if sizes[prompt.category] >= LEAST_OF_KIND else None for prompt in prompts]
    place = {name: number for number, name in enumerate(sorted(set(names), key=lambda name: (name is None, name)))}
    return np.array([place[name] for name in names]), len(place) if len(place) > 1 else 0


def _unseen_topics(rows: PromptRows, kinds: Ints, count: int, fold: Ints) -> Floats:
    """The topics of each prompt by the words of the others: what its own words say of its kind, it must not know by heart."""
    found = np.zeros((len(kinds), count), np.float32)
    for one in range(FOLDS if count else 0):
        inside, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        topics = fit_topics(rows.taking(others).matrix(), kinds[others], count)
        found[inside] = rows.taking(inside).seen_by(topics).topics
    return found


def _ask(known: Known, topics: Topics | None, fold: Ints, questions: Ints, rng: np.random.Generator) -> _Unseen:
    """Asks experts on the other folds about each fold."""
    unseen = _Unseen.of(known, questions)
    for one in range(FOLDS):
        inside, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        unseen.ask(inside, known.taking(inside).rows, fit_experts(known.taking(others), topics, rng))
    return unseen


def _ask_of_new_kinds(rows: PromptRows, known: Known, fold: Ints, questions: Ints, rng: np.random.Generator) -> _Unseen:
    """Asks experts that never saw a prompt of some kinds, nor heard of these kinds, about them."""
    unseen, group = _Unseen.of(known, questions), (rng.permutation(known.count) % FOLDS)[known.kinds]
    for one in range(FOLDS):
        inside, others = np.flatnonzero(group == one), np.flatnonzero(group != one)
        left = rows.taking(others)
        names, kinds = np.unique(known.kinds[others], return_inverse=True)
        topics = fit_topics(left.matrix(), kinds, len(names))
        told = Rows(left.form, left.labels, _unseen_topics(left, kinds, len(names), fold[others]))
        experts = fit_experts(Known(told, kinds, len(names), known.scores[others]), topics, rng)
        unseen.ask(inside, rows.taking(inside).seen_by(topics), experts)
    return unseen


def _new_kinds(unseen: _Unseen, left_out: _Unseen, means: Floats, strength: float, overall: Floats) -> NewKinds:
    """What prompts of new kinds are known by, and how far off models are on kinds that were left out (expected: ``means``)."""
    spread = means_of_kinds(left_out.scores, left_out.kinds, overall).std(axis=0, ddof=1)
    new_kinds = NewKinds(odds_of(unseen.fit, left_out.fit), np.zeros(1), spread)
    new_kinds = replace(new_kinds, usual=np.median(new_kinds.doubt(unseen.fit), axis=0))
    stray = new_kinds.doubt(left_out.fit) * spread
    cells = cells_of(means, left_out.counts, left_out.scores, left_out.kinds, stray, size=len(means))
    return replace(new_kinds, reach=IN_NINE_OF_TEN * reach_of(cells, strength) * spread)


def _mixture(unseen: _Unseen, *, neighbours: bool) -> Floats:
    """The mixture that tells models apart best; a table alone where none is better by more than a standard error.

    Measured by the square error of what a model is expected to be better or worse than the mean of the prompt. (The rule of one
    standard error: Breiman et al. 1984.)
    """
    asked = [expert for expert in range(len(EXPERTS)) if neighbours or expert != NEIGHBOURS]
    losses: dict[tuple[int, ...], Floats] = {}
    for chosen in itertools.combinations_with_replacement(asked, _MIXED_IN):
        if not set(TABLES) <= set(chosen):
            mixed = unseen.rated[list(chosen)].mean(axis=0)
            off = np.where(unseen.answered, mixed - unseen.scores, np.nan)
            losses[chosen] = np.nanvar(off, axis=1)
    best = min(losses, key=lambda one: float(losses[one].mean()))
    for simple in [(table,) * _MIXED_IN for table in reversed(TABLES)]:
        worse = unseen.by_question(losses[simple] - losses[best])
        if worse.mean() <= worse.std() / math.sqrt(len(worse)):
            best = simple
            break
    return np.bincount(best, minlength=len(EXPERTS)).astype(np.float32) / _MIXED_IN


def _calibration(told: Floats, scores: Floats) -> Floats:
    """Isotonic regression (Zadrozny and Elkan 2002) of the scores on what was expected, over bins of as many answers each.

    Between the bins it is a straight line, so that what differs before differs after.
    """
    order = np.argsort(told, kind="stable")
    bins = np.array_split(order, max(1, min(_BINS, len(order) // _OF_A_BIN)))
    expected = np.array([told[one].mean() for one in bins])
    levels = _rising(np.array([scores[one].mean() for one in bins]), np.array([one.size for one in bins], np.float64))
    levels = (1 - _OWN_SHARE) * levels + _OWN_SHARE * np.clip(expected, 0, 1)
    low, high = min(-0.5, expected[0] - 0.1), max(1.5, expected[-1] + 0.1)
    return np.array([[low, *expected, high], [0.0, *levels, 1.0]], np.float64)


def _rising(levels: Floats, sizes: Floats) -> Floats:
    """The nearest levels that never fall: neighbours that do are pooled (Ayer et al. 1955)."""
    pooled: list[tuple[float, float, int]] = []
    for level, size in zip(levels.tolist(), sizes.tolist(), strict=True):
        value, weight, count = level, size, 1
        while pooled and pooled[-1][0] > value:
            before, held, more = pooled.pop()
            value = (value * weight + before * held) / (weight + held)
            weight, count = weight + held, count + more
        pooled.append((value, weight, count))
    return np.repeat([value for value, _, _ in pooled], [count for _, _, count in pooled])


def _lead(means: Floats, overall: Floats, unseen: _Unseen) -> float:
    """From how much expected lead on it pays to leave the best single model; infinite where nothing says so for sure."""
    best = int(overall.argmax())
    asked = np.flatnonzero(unseen.answered[:, best])
    if len(asked) < LEAST_OUTCOMES:
        return math.inf
    rated = np.where(unseen.answered[asked], means[asked], -np.inf)
    first = rated.argmax(axis=1)
    gain = unseen.scores[asked, first] - unseen.scores[asked, best]
    ahead = rated.max(axis=1) - means[asked, best]
    numbers = np.unique(unseen.questions[asked], return_inverse=True)[1]
    surest, found = 0.0, math.inf
    for lead in LEADS:
        gained = np.bincount(numbers, np.where(ahead > lead, gain, 0.0)) / np.bincount(numbers)
        sure = float(gained.mean() - SURE * gained.std() / math.sqrt(len(gained)))
        if sure > surest:
            surest, found = sure, lead
    return found
