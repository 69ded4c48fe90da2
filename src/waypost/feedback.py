"""Feedback: what users correct is taken, kept, put in force at once, given back and forgotten."""

from __future__ import annotations

import mmap
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from waypost.decide.card import Decision
from waypost.decide.correction import SKETCH_BYTES, Correction, require_task, stamp
from waypost.decide.corrections import Corrections, sketch_of_text
from waypost.decide.features import FEATURES_VERSION
from waypost.errors import InvalidRequest, NotFound, PolicyError
from waypost.ledger import CorrectionStore
from waypost.ledger.clean import Cleaner

REMEMBERED = 10_000
"""How many decisions can be corrected by their id: some 6 MB."""

_NOTHING = bytes(SKETCH_BYTES)


class FeedbackRules(Protocol):
    """What the config says about feedback."""

    @property
    def enabled(self) -> bool:
        """Take corrections, and follow them."""
        ...

    @property
    def per_caller(self) -> int:
        """How many are kept of one caller."""
        ...

    @property
    def most(self) -> int:
        """How many are kept in all."""
        ...


class Feedback:
    """The corrections of one store, and the decisions that can be corrected by their id.

    ``put_in_force`` is called with the corrections whenever they change, one call at a time. Every method that reaches the
    store may wait for a disk, and raises ``LedgerError`` if that fails. Safe to call from any thread.
    """

    def __init__(
        self,
        store: CorrectionStore,
        rules: FeedbackRules,
        put_in_force: Callable[[Corrections], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._rules = rules
        self._put_in_force = put_in_force
        self._clock = clock
        self._known: tuple[tuple[Correction, ...], FeedbackRules] | None = None
        self._renewing = threading.Lock()
        # Two rings: so many small objects that come and go would leave holes in the memory between them.
        self._ids: list[str] = []
        self._sketches = mmap.mmap(-1, REMEMBERED * SKETCH_BYTES, access=mmap.ACCESS_COPY)  # of this process alone
        self._remembered = 0
        self._remembering = threading.Lock()

    def remember(self, decision: Decision) -> None:
        """Lets a decision be corrected by its id, until ``REMEMBERED`` others came. Of its text only the sketch is kept."""
        sketch = decision.task.grounds.sketch
        with self._remembering:
            place = self._remembered % REMEMBERED
            self._remembered += 1
            self._ids[place : place + 1] = [decision.id]
            self._sketches[place * SKETCH_BYTES : (place + 1) * SKETCH_BYTES] = sketch or _NOTHING

    def give(self, decision_id: str | None, task: str, text: str | None, caller: str | None) -> Correction:
        """Corrects ``text`` or, without one, what was decided under the id.

        Raises `InvalidRequest` for an unknown task, a text that teaches nothing or what is no text, `NotFound` for a decision
        that is not remembered, and `PolicyError` where the config switches feedback off.
        """
        if not self._rules.enabled:
            raise PolicyError("feedback is switched off: set feedback.enabled in the config")
        for name, value in (("decision", decision_id), ("text", text), ("caller", caller)):
            if not isinstance(value, str | None):
                raise InvalidRequest("must be a text", param=name)
        correction = Correction(
            id=f"wc_{secrets.token_hex(8)}",
            task=require_task(task),
            sketch=self._sketch(decision_id, text),
            caller=Cleaner().name(caller or None),
            created_at=stamp(self._clock()),
            features=FEATURES_VERSION,
        )
        self._store.add_corrections([correction])
        self.renew()
        return correction

    def take(self, given: Iterable[Correction]) -> None:
        """Takes corrections that were exported before. The caps hold for them too."""
        name = Cleaner().name
        self._store.add_corrections(replace(one, id=name(one.id) or "", caller=name(one.caller)) for one in given)
        self.renew()

    def all(self) -> tuple[Correction, ...]:
        """Every correction that is stored, the oldest first."""
        return self._store.corrections()

    def forget(self, ids: Iterable[str]) -> int:
        """Takes corrections back; how many there were. Nothing of them stays."""
        gone = self._store.forget_corrections(ids)
        self.renew()
        return gone

    def follow(self, rules: FeedbackRules) -> None:
        """Other rules, from the next ``renew`` on."""
        self._rules = rules

    def renew(self) -> None:
        """Puts in force what is stored now, by whomever, and removes from the store what is beyond the caps."""
        with self._renewing:
            rules = self._rules
            stored = self._store.corrections()
            if (stored, rules) == self._known:
                return
            corrections = Corrections(stored, per_caller=rules.per_caller, most=rules.most)
            gone = {correction.id for correction in corrections.surplus}
            if gone:
                self._store.forget_corrections(gone)
            self._put_in_force(corrections if rules.enabled else Corrections())
            self._known = tuple(correction for correction in stored if correction.id not in gone), rules

    def _sketch(self, decision_id: str | None, text: str | None) -> bytes:
        if text is not None:
            sketch = sketch_of_text(text)
            if not sketch:
                raise InvalidRequest("the text holds no word to learn from", param="text")
            return sketch
        if decision_id is None:
            raise InvalidRequest("say which decision or which text is meant", param="decision")
        with self._remembering:
            places = [place for place, known in enumerate(self._ids) if known == decision_id]
            # Of two with one id the later one: the place that is written next holds the oldest.
            place = max(places, key=lambda place: (place - self._remembered) % REMEMBERED, default=-1)
            known = self._sketches[place * SKETCH_BYTES : (place + 1) * SKETCH_BYTES]
        if place < 0:
            raise NotFound(
                f"that decision is not remembered: it must be one of the last {REMEMBERED:,} since the server started; "
                "send the text itself instead",
                param="decision",
            )
        if known == _NOTHING:
            raise InvalidRequest(
                "there is nothing to learn from that decision: its text holds no word, or a fact beside it decided "
                "(an image, a tool call that was demanded, a client's background work)",
                param="decision",
            )
        return known
