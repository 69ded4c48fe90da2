"""An outcome in the form in which it is stored: its values, under the keys that ``docs/ledger.md`` documents."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from waypost.decide.card import Decision
from waypost.dispatch.attempt import Attempt
from waypost.dispatch.events import Usage
from waypost.ledger.clean import Cleaner, is_fit
from waypost.ledger.record import Outcome

PROMPT = ("hash", "chars", "messages", "language", "needs", "answer_cap", "channel", "background", "cost_quality", "text")
_USAGE = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "usage_estimated")
DECISION = (
    *("id", "started_at", "requested", "route", "task", "deployment", "status", "error", "http_status", "stream", "dialect"),
    *("duration_s", "first_output_s"),
    *_USAGE,
    *("cost_usd", "simulated", "cache", "session", "caller", "finish_reason"),
)
ATTEMPT = (
    *("deployment", "started_s", "ended_s", "first_output_s", "committed", "error", "message", "upstream_status"),
    *("finish_reason", "skipped_events", "verdict", "load_s"),
    *_USAGE,
    "cost_usd",
)
COLUMNS = (*DECISION, *(f"prompt_{key}" for key in PROMPT), "repaired", "card")
_TEXT = COLUMNS.index("prompt_text")
_UNUSED = (None,) * len(_USAGE)


class Row(NamedTuple):
    """An outcome, fit to be stored: what the columns of ``decisions`` hold, and those of ``attempts``."""

    values: Sequence[Any]
    attempts: Sequence[Sequence[Any]]

    @property
    def id(self) -> str:
        """The decision's."""
        found: str = self.values[0]
        return found

    @property
    def text(self) -> str | None:
        """The prompt's, if it is kept."""
        found: str | None = self.values[_TEXT]
        return found


def row_of(outcome: Outcome, *, explained: bool = True) -> Row:
    """The row of an outcome. It holds no prompt text unless the outcome does.

    ``repaired`` says that something in it had to be replaced or cut. Without ``explained``, what takes longer to find than the
    decision itself is ``None``.
    """
    cleaner = Cleaner()
    decision, prompt, name = outcome.decision, outcome.prompt, cleaner.name
    card = _card_of(decision, cleaner, explained=explained)
    values, attempts = cleaner.json(
        (
            [
                decision.id,
                iso_time(outcome.started_at),
                name(decision.requested),
                decision.route,
                decision.task.task,
                outcome.deployment,
                outcome.status,
                outcome.error,
                outcome.http_status,
                outcome.stream,
                outcome.dialect,
                outcome.duration_s,
                outcome.first_output_s,
                *_usage_of(outcome.usage),
                outcome.cost_usd,
                outcome.simulated,
                outcome.cache,
                name(outcome.session),
                name(outcome.caller),
                outcome.finish_reason,
                prompt.hash,
                prompt.chars,
                prompt.messages,
                decision.task.language if explained else None,
                " ".join(prompt.needs),
                prompt.answer_cap,
                name(prompt.channel),
                name(prompt.background),
                prompt.cost_quality,
            ],
            [_attempt_of(attempt) for attempt in outcome.attempts],
        )
    )
    return Row((*values, cleaner.prompt(outcome.text), cleaner.repaired, card.decode()), attempts)


def _card_of(decision: Decision, cleaner: Cleaner, *, explained: bool) -> bytes:
    """The card as JSON. What is not fit in it is looked for only where there is something."""
    with suppress(TypeError, ValueError):
        encoded = decision.to_json(explained=explained)
        if is_fit(encoded):
            return encoded
    return orjson.dumps(cleaner.json(decision.to_dict(explained=explained)), default=dict)


def _attempt_of(attempt: Attempt) -> tuple[Any, ...]:
    return (
        attempt.deployment,
        attempt.started_s,
        attempt.ended_s,
        attempt.first_output_s,
        attempt.committed,
        attempt.error,
        attempt.message,
        attempt.upstream_status,
        attempt.finish_reason,
        attempt.skipped_events,
        attempt.verdict,
        attempt.load_s,
        *_usage_of(attempt.usage),
        attempt.cost_usd,
    )


def _usage_of(usage: Usage | None) -> tuple[Any, ...]:
    if usage is None:
        return _UNUSED
    return usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens, usage.estimated


def iso_time(unix_s: float) -> str:
    """ISO 8601 in UTC, to the millisecond: such times sort as text."""
    second, millis = divmod(round(unix_s * 1e6) // 1000, 1000)
    return f"{_iso_second(second)}.{millis:03}Z"


@lru_cache(2)  # A date takes 2 µs to make, and most rows are of the second of the row before.
def _iso_second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).isoformat()[:19]
