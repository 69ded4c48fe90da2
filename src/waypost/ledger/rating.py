"""What somebody thinks of an answer: a score for a decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from waypost.errors import InvalidRequest

Source = Literal["user", "check", "judge"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True, slots=True)
class Rating:
    """How good the answer of ``decision`` was, from 0 to 1; a thumb is 0 or 1.

    ``source`` says who thinks so: a ``user``, a ``check`` that a program made (of the answer's form, or its tests), or a
    ``judge``, another model. ``caller`` is the one who told, ``None`` if nobody in particular; ``created_at`` is ISO 8601 in
    UTC, so that it sorts by age.
    """

    id: str
    decision: str
    score: float
    source: Source
    caller: str | None
    created_at: str

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return asdict(self)


def require_score(value: Any) -> float:
    """``value``, if it is a score. Raises `InvalidRequest` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRequest("must be a number from 0 to 1; a thumb is 0 or 1", param="score")
    return float(value)


def require_source(value: Any) -> Source:
    """``value``, if it is a source. Raises `InvalidRequest` with a list of them otherwise."""
    found = next((source for source in SOURCES if source == value), None)
    if found is None:
        raise InvalidRequest(f"there is no such source: it must be one of {', '.join(SOURCES)}", param="source")
    return found


def scores_of(entry: Mapping[str, Any], sources: Collection[str]) -> list[float]:
    """The scores that these sources gave the answer of an entry.

    An answer that failed its check (of its tool calls, or of its text against a schema) counts as rated 0 by a ``check``. One
    that passed is not for that a good one, and counts as nothing.
    """
    scores = [rating["score"] for rating in entry["ratings"] if rating["source"] in sources]
    return [*scores, 0.0] if "check" in sources and failed_its_check(entry) else scores


def was_checked(entry: Mapping[str, Any]) -> bool:
    """Whether the answer of an entry could be held to something, and was."""
    return any(attempt["committed"] and attempt["verdict"] is not None for attempt in entry["attempts"])


def failed_its_check(entry: Mapping[str, Any]) -> bool:
    """Whether the tool calls or the text of its answer did not fit."""
    return any(attempt["committed"] and attempt["verdict"] not in (None, "ok") for attempt in entry["attempts"])
