"""What would be otherwise under other rules: which decisions, what they cost, how good the answers are.

A group of replicas is one choice, as for exploration: which of them is asked is for balancing to say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from waypost.decide.card import Candidate, Decision
from waypost.decide.exploration import drawable
from waypost.errors import ThinData
from waypost.learn.conversations import Conversations, Thread
from waypost.learn.off_policy import MOST_UNJUDGED, Evidence, Interval, judge
from waypost.learn.replay import NO_ESTIMATE, Entry, Rules, candidates_of, replay, why_not
from waypost.ledger.rating import scores_of

_DIGITS = 4


@dataclass(slots=True)
class _Sum:
    """Dollars of the decisions whose cost is known, and how many there are of the others."""

    usd: float = 0.0
    known: int = 0
    unknown: int = 0

    def add(self, cost: float | None) -> None:
        self.usd += cost or 0.0
        self.known += cost is not None
        self.unknown += cost is None

    def to_dict(self) -> dict[str, Any]:
        return {"usd": self.usd if self.known else None, "known": self.known, "unknown": self.unknown}


@dataclass(slots=True)
class _Costs:
    """Of all decisions as they were, and as they would be; and of those where both are known."""

    old: _Sum = field(default_factory=_Sum)
    new: _Sum = field(default_factory=_Sum)
    old_of_both: _Sum = field(default_factory=_Sum)
    new_of_both: _Sum = field(default_factory=_Sum)
    exact: int = 0

    def add(self, old: float | None, new: float | None, *, exact: bool) -> None:
        self.old.add(old)
        self.new.add(new)
        self.exact += exact and new is not None
        if old is not None and new is not None:
            self.old_of_both.add(old)
            self.new_of_both.add(new)

    def to_dict(self) -> dict[str, Any]:
        both = {"decisions": self.old_of_both.known, "old": self.old_of_both.to_dict()["usd"]}
        return {
            "old": self.old.to_dict(),
            "new": {**self.new.to_dict(), "exact": self.exact},
            "both_known": {**both, "new": self.new_of_both.to_dict()["usd"]},
        }


@dataclass(frozen=True, slots=True)
class _Case:
    """A replayed decision. ``old`` and ``new`` are who was, and would be, asked first; ``None`` where nobody can be."""

    entry: Entry
    recorded: tuple[Candidate, ...]
    decision: Decision

    @property
    def old(self) -> Candidate | None:
        return self.recorded[0] if self.recorded else None

    @property
    def new(self) -> Candidate | None:
        return self.decision.candidates[0] if self.decision.candidates else None

    @property
    def stays(self) -> bool:
        """Both rules ask the same group."""
        return _group(self.old) == _group(self.new)

    @property
    def chances(self) -> tuple[str, ...]:
        """The groups that had a chance, first the one that was asked but for it."""
        card = self.entry["card"]
        first = self.recorded[1::-1] if card["explored"] else self.recorded[:2]
        usual = (*first, *self.recorded[2:])
        others = drawable(usual) if usual and card["propensity"] < 1 else ()
        return tuple(dict.fromkeys([*(one.group for one in usual[:1]), *others]))

    def joined(self, thread: Thread) -> Thread:
        """The conversation before, with this decision."""
        chances, new = self.chances, _group(self.new)
        if not chances:
            return thread
        propensity = self.entry["card"]["propensity"]
        return thread.then(propensity=propensity, stays=self.stays, changes=new != chances[0], possible=new in chances)

    def expected(self, candidate: Candidate | None) -> Candidate | None:
        """The candidate as the card has it, if it does: there is what was forecast of it."""
        name = None if candidate is None else candidate.deployment
        return next((one for one in self.recorded if one.deployment == name), candidate)

    @property
    def qualities(self) -> tuple[float, float]:
        """The scores that were to be expected of the answers of both, else those that are now; NaN where nobody knew both."""
        for told in (self.recorded, self.decision.candidates):
            means = {one.deployment: one.expected_quality.mean for one in told if one.expected_quality is not None}
            pair = [means.get(one.deployment) for one in (self.old, self.new) if one is not None]
            if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
                return pair[0], pair[1]
        return math.nan, math.nan


class WhatIf:
    """Takes entries of the ledger one after the other, and decides on each again under ``rules``.

    ``sources`` are those of the ratings that count. With ``before``, the rules in force, decisions that were made under them
    are made under them again: where that gives another choice, something had a say that the ledger does not keep.
    """

    def __init__(self, rules: Rules, sources: Sequence[str], before: Rules | None = None) -> None:
        self._rules = rules.without_chance()
        self._before = None if before is None else before.without_chance()
        self._sources = frozenset(sources)
        self._prices = {deployment.id: deployment.price for deployment in rules.deployments}
        self._left_out: Counter[str] = Counter()
        self._moves: Counter[tuple[str | None, str | None]] = Counter()
        self._again: Counter[bool] = Counter()
        self._costs = _Costs()
        self._expected: list[tuple[float, float]] = []
        self._rated: list[tuple[float, ...]] = []
        self._clusters: list[str] = []
        self._later: list[bool] = []
        self._not_counting = 0
        self._conversations = Conversations()

    def see(self, entry: Entry) -> None:
        """One entry, whole, as the ledger gives it."""
        reason = why_not(entry)
        thread = self._conversations.before(entry)
        decision = None if reason else replay(entry, self._rules, thread.new)
        if decision is None:
            self._left_out[reason or NO_ESTIMATE] += 1
            return
        case = _Case(entry, candidates_of(entry["card"]), decision)
        self._moves[_group(case.old), _group(case.new)] += 1
        self._costs.add(entry["cost_usd"], self._cost(case), exact=case.stays)
        self._expected.append(case.qualities)
        going_on, is_later = case.joined(thread), bool(thread.old)
        self._conversations.answered(entry, going_on, None if case.new is None else case.new.deployment)
        self._rate(case, going_on, is_later=is_later)
        if self._before is not None and entry["card"]["policy_version"] == self._before.policy.version:
            again = replay(entry, self._before, thread.old)
            if again is not None:
                self._again[_group(next(iter(again.candidates), None)) == next(iter(case.chances), None)] += 1

    def report(self, *, resampled: int = 1000, seed: int = 1) -> dict[str, Any]:
        """What came of all that was seen, with the keys of ``docs/what-if.md``."""
        replayed, left_out = sum(self._moves.values()), dict(self._left_out.most_common())
        moves = [(pair, n) for pair, n in self._moves.most_common() if pair[0] != pair[1]]
        quality, refusal = None, None
        evidence, left_turns = self._evidence()
        try:
            quality = _told(evidence, resampled, seed)
        except ThinData as error:
            refusal = error.message
        return {
            "decisions": {"found": replayed + sum(left_out.values()), "replayed": replayed, "left_out": left_out},
            "changed": sum(n for _, n in moves),
            "moves": [{"from": old, "to": new, "decisions": n} for (old, new), n in moves],
            "again": None if self._before is None else {"decisions": self._again.total(), "same": self._again[True]},
            "cost_usd": self._costs.to_dict(),
            "rated": {
                "decisions": len(evidence.scores),
                "not_counting": self._not_counting,
                "later_turns": left_turns,
                "sources": sorted(self._sources),
            },
            "quality": quality,
            "refusal": refusal,
            "expected": _means(self._expected),
        }

    def _cost(self, case: _Case) -> float | None:
        """As it was where the same is asked, or the cache answers; else the tokens as they were at the price of the other one.

        Where lengths were forecast of both, the answer is longer or shorter in proportion.
        """
        entry, old, new = case.entry, case.expected(case.old), case.expected(case.new)
        if case.stays or entry["cache"] in ("hit", "shared"):
            return entry["cost_usd"]  # type: ignore[no-any-return]
        if new is None:
            return 0.0
        price, answer = self._prices.get(new.deployment), entry["completion_tokens"]
        if price is None or answer is None:
            return None
        if old is not None and old.expected_answer_tokens and new.expected_answer_tokens is not None:
            answer = answer * new.expected_answer_tokens / old.expected_answer_tokens
        prompt = entry["prompt_tokens"]
        return price.cost_usd(entry["card"]["prompt_tokens"] if prompt is None else prompt, round(answer))

    def _rate(self, case: _Case, thread: Thread, *, is_later: bool) -> None:
        """Keeps what is thought of the answer, if the one that was chosen gave it just then."""
        scores = scores_of(case.entry, self._sources)
        if not scores:
            return
        by = next((one.group for one in case.recorded if one.deployment == case.entry["deployment"]), None)
        if by is None or by != _group(case.old) or case.entry["cache"] in ("hit", "shared"):
            self._not_counting += 1
            return
        facts = thread.propensity, float(thread.followed), float(thread.changed), float(thread.possible)
        self._rated.append((sum(scores) / len(scores), *facts, *case.qualities))
        self._clusters.append(case.entry["session"] or case.entry["id"])
        self._later.append(is_later)

    def _evidence(self) -> tuple[Evidence, int]:
        """The rated decisions, and how many later turns of conversations are left out.

        Where later turns do not go on with who began, none of them had a chance to: then only beginnings count.
        """
        later = np.array(self._later, np.bool_)
        table = np.array(self._rated, np.float64).reshape(-1, 7)
        impossible = later & (table[:, 4] == 0)
        kept = ~later if impossible.sum() > MOST_UNJUDGED * later.sum() else np.ones(len(later), np.bool_)
        columns = table[kept].T
        _, members = np.unique(np.array(self._clusters, np.str_)[kept], return_inverse=True)
        followed, changed, possible = (column > 0 for column in columns[2:5])
        told = Evidence(columns[0], columns[1], followed, changed, possible, columns[5], columns[6], members.astype(np.int64))
        return told, int((~kept).sum())


def _group(candidate: Candidate | None) -> str | None:
    return None if candidate is None else candidate.group


def _means(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean scores that were to be expected, over the decisions where both are known."""
    known = [pair for pair in pairs if not any(map(math.isnan, pair))]
    old, new = (round(sum(column) / len(known), _DIGITS) for column in zip(*known, strict=True)) if known else (None, None)
    return {"decisions": len(known), "old": old, "new": new}


def _told(evidence: Evidence, resampled: int, seed: int) -> dict[str, Any]:
    found = judge(evidence, resampled=resampled, seed=seed)
    return {
        "decisions": found.n,
        **{name: _interval(getattr(found, name)) for name in ("old", "new", "difference", "weighted")},
        "effective": round(found.effective, 1),
        "drawn": found.drawn,
        "unjudged": round(found.unjudged, _DIGITS),
    }


def _interval(found: Interval) -> dict[str, Any]:
    return {"value": round(found.value, _DIGITS), "ci95": [round(found.lower, _DIGITS), round(found.upper, _DIGITS)]}
