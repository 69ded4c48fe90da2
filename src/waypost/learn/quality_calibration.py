"""Where a router has to be set: for a share of strong calls, or for answers that are provably hardly worse."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from waypost.errors import ArtefactError, ThinData
from waypost.learn.loss_test import is_below, losses_needed
from waypost.learn.outcome_splits import Division, question_of
from waypost.learn.outcomes import Floats, Ints, Outcomes
from waypost.learn.quality_evaluation import shares_of_span
from waypost.learn.quality_playing import Rated
from waypost.learn.quality_policies import Maker, ratings_of
from waypost.learn.task_answers import Progress

THRESHOLDS: Floats = np.linspace(0.0, 1.0, 2001)
"""Chosen before anything is seen of the outcomes: a proof holds for no others."""

SHARE_ERROR = 0.05
"""How far the share of strong calls may be off, in 19 of 20 cases."""

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Prompts as policies rated them that did not learn from them.

    ``best`` is the column of the model that is always asked to compare with; ``pair`` the strong and the weak column of two.
    """

    outcomes: Outcomes
    rated: Rated
    best: Ints
    pair: tuple[int, int] | None

    @property
    def columns(self) -> tuple[int, int]:
        """The strong and the weak one of two models. Raises ArtefactError of more."""
        if self.pair is None:
            raise ArtefactError("a win rate is that of one of two models: name them with --strong and --weak")
        return self.pair

    @property
    def win_rates(self) -> Floats:
        """How probable it is that the strong model's answer is better than the weak one's, a tie being half of it.

        Of expected scores that is half of 1 plus the difference: exactly, where answers are right or wrong.
        """
        strong, weak = self.columns
        rates: Floats = (1 + self.rated.ratings[:, strong] - self.rated.ratings[:, weak]) / 2
        return rates

    def asked(self, threshold: float) -> Floats:
        """The share of each of two models: the strong one is asked from this win rate on, as by RouteLLM."""
        strong, weak = self.columns
        rates = self.win_rates
        found = np.zeros((len(rates), 2))
        found[:, strong], found[:, weak] = rates >= threshold, rates < threshold
        return found

    def settings(self) -> Iterator[tuple[float, Floats]]:
        """From the safest to the cheapest: the setting, and the share of each model in the choice for each prompt.

        Of two models it is the win rate from which on the strong one is asked, of more the dial. One that chooses as the one
        before is left out.
        """
        if self.pair is None:
            answered = self.outcomes.answered
            every = ((dial, self.rated.chosen(answered, dial)) for dial in reversed(self.rated.dials))
        else:
            every = ((threshold, self.asked(threshold)) for threshold in THRESHOLDS.tolist())
        before = None
        for setting, chosen in every:
            if before is None or not np.array_equal(chosen, before):
                yield setting, chosen
            before = chosen


def rehearse(outcomes: Outcomes, division: Division, maker: Maker, strong: str | None, progress: Progress) -> Rehearsal:
    """Lets policies rate what they did not learn from. A prompt that the best model did not answer tells nothing of a loss.

    ``strong`` names the strong one of two models. Raises ArtefactError where no dial can be set: of more than two models, only
    expected scores and known costs have one.
    """
    judged = outcomes.taking(division.judged)
    priced = judged.priced.all() and all(part.train.priced.all() for part in division.parts)
    pair = None
    if strong is not None and len(outcomes.models) == 2:
        pair = outcomes.models.index(strong), 1 - outcomes.models.index(strong)
    ratings, costs, best, expects = [], [], [], False
    for number, part in enumerate(division.parts):
        progress("rating", number, len(division.parts))
        policy = maker(part.train)
        expects = policy.expects
        prompts = [outcomes.prompts[row] for row in part.judged.tolist()]
        ratings.append(ratings_of(policy, prompts, part.train))
        costs.append(np.tile(shares_of_span(part.train, part.train.mean_costs), (len(prompts), 1)))
        always = part.train.best_model if pair is None else pair[0]
        best.append(np.full(len(prompts), always, np.int64))
    progress("rating", len(division.parts), len(division.parts))
    if pair is None and not (expects and priced):
        raise ArtefactError(
            "of more than two models a dial is set, and that needs a policy whose ratings are expected scores, and the cost of "
            "every answer: name two models with --strong and --weak, or leave out models of unknown cost with --priced"
        )
    columns = np.concatenate(best)
    told = judged.answered.all(axis=1) if pair else judged.answered[np.arange(len(columns)), columns]
    kept = np.flatnonzero(told)
    if not kept.size:
        raise ArtefactError(f"{outcomes.name} has no prompt that the models to compare all answered")
    rated = Rated(np.vstack(ratings)[kept], np.vstack(costs)[kept] if priced else None, expects)
    return Rehearsal(judged.taking(kept), rated, columns[kept], pair)


def threshold_for(rehearsal: Rehearsal, share: float) -> dict[str, Any]:
    """The win rate from which on the strong model is asked, so that it gets ``share`` of the calls.

    RouteLLM's definition (`calibrate_threshold`): the 1 - ``share`` quantile of the win rates, to five digits. Raises ThinData
    where the prompts are too few to tell the share to within 5 points.
    """
    rates = rehearsal.win_rates
    needed = math.ceil(share * (1 - share) * (_Z95 / SHARE_ERROR) ** 2)
    questions = len(set(question_of(rehearsal.outcomes.prompts)))
    if questions < needed:
        off = _Z95 * math.sqrt(share * (1 - share) / questions)
        raise ThinData(f"with {questions} questions the share of strong calls may be off by {off:.2f}", needed - questions)
    threshold = round(float(np.quantile(rates, 1 - share)), 5)
    return {"asked": share, "setting": threshold, **_of_choice(rehearsal, rehearsal.asked(threshold))}


def cheapest_within(rehearsal: Rehearsal, max_loss: float, confidence: float, seed: int, progress: Progress) -> dict[str, Any]:
    """The cheapest setting that is proven to lose less than ``max_loss`` of the score against always asking the best model.

    Settings are tested from the safest on, each at the full ``confidence``, until the first that is not proven: fixed-sequence
    testing of Learn then Test (Angelopoulos et al., arXiv 2110.01052). A question counts once, however many prompts ask it.
    Raises ThinData where not even the safest setting can be proven with so few questions.
    """
    questions, member = np.unique(question_of(rehearsal.outcomes.prompts), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(questions))
    least = losses_needed(np.zeros(1), max_loss, confidence)
    if least is None or len(questions) < least:
        raise ThinData(
            f"{len(questions)} questions cannot prove a loss below {max_loss:g} with confidence {confidence:g}, even where "
            "nothing is lost",
            None if least is None else least - len(questions),
        )
    total = len(THRESHOLDS) if rehearsal.pair else len(rehearsal.rated.dials)
    proven = following = None
    for number, (setting, chosen) in enumerate(rehearsal.settings()):
        progress("proving", number, total)
        losses = _by_question(_losses(rehearsal, chosen), member)[order]
        if not is_below(losses, max_loss, confidence):
            following = _next(setting, losses, max_loss, confidence)
            break
        proven = {"setting": setting, **_of_choice(rehearsal, chosen)}
    progress("proving", total, total)
    if proven is None:
        lost, more = (following["loss"], following["more"]) if following else (0.0, None)
        raise ThinData(f"a loss below {max_loss:g} is not proven even for the best quality, whose loss is {lost}", more)
    return {"asked": max_loss, "confidence": confidence, **proven, "next": following}


def best_of(rehearsal: Rehearsal) -> str:
    """The model that is always asked to compare with; of several folds, that of most prompts."""
    return rehearsal.outcomes.models[Counter(rehearsal.best.tolist()).most_common(1)[0][0]]


def _losses(rehearsal: Rehearsal, chosen: Floats) -> Floats:
    scores = np.nan_to_num(rehearsal.outcomes.scores)
    losses: Floats = scores[np.arange(len(scores)), rehearsal.best] - (chosen * scores).sum(axis=1)
    return losses


def _by_question(values: Floats, member: Ints) -> Floats:
    means: Floats = np.bincount(member, values) / np.bincount(member)
    return means


def _of_choice(rehearsal: Rehearsal, chosen: Floats) -> dict[str, Any]:
    """What came of it, on these prompts. Costs are ``None`` where one is unknown."""
    outcomes, rows = rehearsal.outcomes, np.arange(len(chosen))
    cost = always = None
    if outcomes.priced.all():
        paid = np.nan_to_num(outcomes.costs)
        cost, always = float((chosen * paid).sum(axis=1).mean()), float(paid[rows, rehearsal.best].mean())
    shares = zip(outcomes.models, chosen.mean(axis=0).tolist(), strict=True)
    losses = _losses(rehearsal, chosen)
    best = outcomes.scores[rows, rehearsal.best]
    return {
        "loss": round(float(losses.mean()), 4),
        "quality": round(float((best - losses).mean()), 4),
        "best_quality": round(float(best.mean()), 4),
        "cost_usd": None if cost is None else round(cost, 8),
        "best_cost_usd": None if always is None else round(always, 8),
        "calls": {model: round(share, 4) for model, share in sorted(shares, key=lambda one: -one[1]) if share > 0},
    }


def _next(setting: float, losses: Floats, max_loss: float, confidence: float) -> dict[str, Any]:
    """The first setting that is not proven, and about how many more questions like these would do it."""
    needed = losses_needed(losses, max_loss, confidence)
    return {
        "setting": setting,
        "loss": round(float(losses.mean()), 4),
        "more": None if needed is None else max(0, needed - losses.size),
    }
