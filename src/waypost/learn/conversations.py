"""Conversations under two rules: who answered them last, and how probable it was that they went as other rules would have it.

Whoever begins a conversation mostly goes on with it, and only beginnings explore. So the later turns of one that began by
chance as the new rules would have begun it speak for them too, with the same propensity: that of all its turns is the product
of theirs (Precup, Sutton and Singh 2000). What the user says is taken to be the same whoever answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from waypost.learn.replay import Entry

TTL_S = 3600.0
"""As in serving: after an hour a conversation begins anew."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation so far. ``old`` and ``new`` are who answered last as it was, and would have; empty where nobody did.

    ``propensity`` is that of all choices so far; ``followed``: the new rules choose the same every time; ``changed``: somewhere
    they choose another one than the old ones would without chance; ``possible``: what they choose had a chance every time.
    """

    at_s: float = 0.0
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    propensity: float = 1.0
    followed: bool = True
    changed: bool = False
    possible: bool = True

    def then(self, *, propensity: float, stays: bool, changes: bool, possible: bool) -> Thread:
        """With one choice more. Once the two have parted, its card tells nothing of what had a chance on the other way."""
        if not self.followed:
            return self
        return replace(
            self,
            propensity=self.propensity * propensity,
            followed=stays,
            changed=self.changed or changes,
            possible=self.possible and possible,
        )


class Conversations:
    """The threads of all conversations that clients named. A request without a name is a conversation of its own."""

    def __init__(self) -> None:
        self._threads: dict[str, Thread] = {}

    def before(self, entry: Entry) -> Thread:
        """The thread that an entry goes on with."""
        found = self._threads.get(entry["session"] or "", Thread())
        return found if found.old and _began_s(entry) < found.at_s + TTL_S else Thread()

    def answered(self, entry: Entry, thread: Thread, new: str | None) -> None:
        """The entry belongs to ``thread`` now; ``new`` is who would have answered it."""
        if entry["session"] and entry["deployment"] is not None:
            ended_s = _began_s(entry) + (entry["duration_s"] or 0.0)
            going_on = () if new is None else (new,)
            self._threads[entry["session"]] = replace(thread, at_s=ended_s, old=(entry["deployment"],), new=going_on)


def _began_s(entry: Entry) -> float:
    # Python 3.10 does not know the Z.
    return datetime.fromisoformat(entry["started_at"].replace("Z", "+00:00")).timestamp()
