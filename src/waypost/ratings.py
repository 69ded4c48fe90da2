"""Ratings of answers: taken, kept within bounds, given back and forgotten."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from waypost.decide.correction import stamp
from waypost.errors import InvalidRequest, NotFound, PolicyError
from waypost.ledger import RatingStore
from waypost.ledger.clean import Cleaner
from waypost.ledger.rating import Rating, require_score, require_source


class RatingRules(Protocol):
    """What the config says about ratings."""

    @property
    def enabled(self) -> bool:
        """Take feedback."""
        ...

    @property
    def ratings_per_caller(self) -> int:
        """How many are kept of one caller."""
        ...

    @property
    def most_ratings(self) -> int:
        """How many are kept in all."""
        ...


class RatedLedger(RatingStore, Protocol):
    """Where decisions are, and what is thought of their answers."""

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """The whole entry of a decision."""
        ...


class Ratings:
    """The ratings in one ledger. Every method may wait for a disk, and raises ``LedgerError`` if that fails."""

    def __init__(self, ledger: RatedLedger, rules: RatingRules, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._rules = rules
        self._clock = clock

    def give(self, decision_id: str, score: float, source: str, caller: str | None) -> Rating:
        """Rates the answer of a decision.

        Raises `InvalidRequest` for what is no score or source, and for a decision that nobody answered, `NotFound` for one that
        is not in the ledger, and `PolicyError` where the config switches feedback off.
        """
        rules = self._rules
        if not rules.enabled:
            raise PolicyError("feedback is switched off: set feedback.enabled in the config")
        for name, value in (("decision", decision_id), ("caller", "" if caller is None else caller)):
            if not isinstance(value, str):
                raise InvalidRequest("must be a text", param=name)
        rating = Rating(
            id=f"wr_{secrets.token_hex(8)}",
            decision=decision_id,
            score=require_score(score),
            source=require_source(source),
            caller=Cleaner().name(caller or None),
            created_at=stamp(self._clock()),
        )
        entry = self._ledger.get(decision_id)
        if entry is None:
            raise NotFound("the ledger holds no decision of that id", param="decision")
        if entry["deployment"] is None:
            raise InvalidRequest("nobody answered that decision, so there is no answer to rate", param="decision")
        self._ledger.add_rating(rating, per_caller=rules.ratings_per_caller, most=rules.most_ratings)
        return rating

    def all(self) -> tuple[Rating, ...]:
        """Every rating, the oldest first."""
        return self._ledger.ratings()

    def forget(self, ids: Iterable[str]) -> int:
        """Takes ratings back; how many there were. Nothing of them stays."""
        return self._ledger.forget_ratings(ids)

    def follow(self, rules: RatingRules) -> None:
        """Other rules, from the next rating on."""
        self._rules = rules
