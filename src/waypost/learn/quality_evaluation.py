"""A whole evaluation of routers: learn, rate, choose, and sum up."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from waypost.learn.outcome_splits import Division
from waypost.learn.outcomes import Floats, Ints, Outcomes, Prompt
from waypost.learn.perturbation import Perturbing
from waypost.learn.quality_playing import Rated, play
from waypost.learn.quality_policies import Bounded, Maker, Policy, ratings_of
from waypost.learn.quality_report import Judged, Player, report_on
from waypost.learn.task_answers import WARM_UP, Progress

TIMED = 300
"""Prompts whose ratings are timed."""

ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class QualityEvaluation:
    """How a router is judged. ``perturbed`` is the most prompts that are said in other ways.

    ``strong`` names the strong one of two models; else the one with the higher mean score is.
    """

    resampled: int = 1000
    perturbed: int = 200
    seed: int = 1
    strong: str | None = None

    def evaluate(
        self, outcomes: Outcomes, division: Division, makers: Mapping[str, Maker], subject: str, progress: Progress
    ) -> dict[str, Any]:
        """The report on the policies that ``makers`` learn, and on the oracle. ``subject`` is the one that is on trial."""
        judged = outcomes.taking(division.judged)
        costs = judged.costs if judged.priced.all() and all(part.train.priced.all() for part in division.parts) else None
        players = []
        for number, (name, maker) in enumerate(makers.items()):
            progress("judging", number, len(makers) + 1)
            if name == "cheapest" and costs is None:
                continue
            players.append(self._player(name, maker, outcomes, division, judged, costs))
        players.append(_oracle(judged, costs))
        progress("judging", len(makers) + 1, len(makers) + 1)
        parts = np.repeat(np.arange(len(division.parts)), [len(part.judged) for part in division.parts])
        return report_on(Judged(judged, parts, costs, players, subject, self.resampled, self.seed, self.strong), progress)

    def _player(
        self, name: str, maker: Maker, outcomes: Outcomes, division: Division, judged: Outcomes, costs: Floats | None
    ) -> Player:
        ratings, expected, flips, ways = [], [], 0, 0
        bounds: list[tuple[Floats, Floats]] = []
        took: list[float] = []
        expects = False
        for part in division.parts:
            policy = maker(part.train)
            expects = policy.expects
            prompts = [outcomes.prompts[row] for row in part.judged.tolist()]
            ratings.append(ratings_of(policy, prompts, part.train))
            expected.append(np.tile(shares_of_span(part.train, part.train.mean_costs), (len(prompts), 1)))
            if isinstance(policy, Bounded):
                bounds.append(policy.bounds(prompts))
            took = took or _times_us(policy, prompts)
            flipped, said = self._flips(policy, ratings[-1], prompts, len(judged.prompts))
            flips, ways = flips + flipped, ways + said
        rated = Rated(np.vstack(ratings), None if costs is None else np.vstack(expected), expects)
        played = play(rated, judged.scores, costs)
        latency = {"p50": _percentile(took, 0.5), "p99": _percentile(took, 0.99)}
        lower, upper = (np.vstack(side) for side in zip(*bounds, strict=True)) if bounds else (None, None)
        between = None if lower is None or upper is None else (lower, upper)
        return Player(name, rated, played, flips / ways if ways else None, latency, between)

    def _flips(self, policy: Policy, ratings: Floats, prompts: Sequence[Prompt], total: int) -> tuple[int, int]:
        """How many ways to say the same changed the choice, and how many ways there were."""
        rng = random.Random(self.seed)  # noqa: S311  reproducible, not secret
        most = math.ceil(self.perturbed * len(prompts) / total)
        perturbing = Perturbing(self.seed)
        picks = rng.sample(prompts, min(most, len(prompts)))
        others = [
            (number, replace(prompt, text=way.text))
            for number, prompt in enumerate(picks)
            for way in perturbing.ways(prompt.text, "")
        ]
        if not others:
            return 0, 0
        half = _middle(ratings)
        before = _choices(policy.rate(picks), half)
        after = _choices(policy.rate([prompt for _, prompt in others]), half)
        return int((after != before[[number for number, _ in others]]).sum()), len(others)


def _middle(ratings: Floats) -> float:
    """Of two models, the lead of the second one that half of the prompts have."""
    return float(np.median(ratings[:, 1] - ratings[:, 0]))


def _choices(ratings: Floats, half: float) -> Ints:
    """The model with the highest rating; of two models, the second one for the half of the prompts where it leads most.

    At its best a router of two may always choose the same: nothing would show.
    """
    if ratings.shape[1] == 2:
        return (ratings[:, 1] - ratings[:, 0] > half).astype(np.int64)
    found: Ints = ratings.argmax(axis=1)
    return found


def _oracle(judged: Outcomes, costs: Floats | None) -> Player:
    """Knows every outcome. No router can be better."""
    shares = None if costs is None else np.nan_to_num(shares_of_span(judged, costs))
    rated = Rated(np.nan_to_num(judged.scores), shares, expects=True)
    return Player(ORACLE, rated, play(rated, judged.scores, costs), None, None)


def shares_of_span(outcomes: Outcomes, costs: Floats) -> Floats:
    """Costs between the mean of the cheapest model, 0, and that of the dearest one, 1."""
    means = outcomes.mean_costs
    span = np.ptp(means)
    shares: Floats = (costs - means.min()) / (span if span > 0 else 1.0)
    return shares


def _times_us(policy: Policy, prompts: Sequence[Prompt]) -> list[float]:
    """Microseconds that one prompt after the other takes, in a wording that was not read before."""
    took = []
    unread = [replace(prompt, text=f"{prompt.text} ") for prompt in prompts[: WARM_UP + TIMED]]
    warm = min(WARM_UP, len(unread) - 1)
    gc.disable()
    try:
        for number, prompt in enumerate(unread):
            started = time.perf_counter_ns()
            policy.rate([prompt])
            if number >= warm:
                took.append((time.perf_counter_ns() - started) / 1000)
    finally:
        gc.enable()
    return took


def _percentile(values: Sequence[float], share: float) -> float:
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 1)
