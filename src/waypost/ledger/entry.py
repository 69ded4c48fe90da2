"""The form in which an outcome is read back: dicts with the keys that ``docs/ledger.md`` documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import orjson

from waypost.dispatch.attempt import Attempt
from waypost.dispatch.events import Usage
from waypost.ledger.clean import Cleaner
from waypost.ledger.rating import Rating
from waypost.ledger.record import Outcome


def entry_of(outcome: Outcome, ratings: Iterable[Rating] = ()) -> dict[str, Any]:
    """The whole entry of an outcome with its ratings, in plain values."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(fit_entry(outcome, explained=outcome.explained), default=dict))
    found["ratings"] = [rating.to_dict() for rating in ratings]
    return found


def fit_entry(outcome: Outcome, *, explained: bool = True) -> dict[str, Any]:
    """The whole entry of an outcome, fit to be stored; ``default=dict`` makes JSON of it.

    It holds no prompt text unless the outcome does. ``repaired`` says that something in it had to be replaced or cut. Without
    ``explained``, what takes longer to find than the decision itself is ``None``.
    """
    cleaner = Cleaner()
    entry: dict[str, Any] = cleaner.json(
        {
            "id": outcome.decision.id,
            "started_at": iso_time(outcome.started_at),
            "requested": cleaner.name(outcome.decision.requested),
            "route": outcome.decision.route,
            "task": outcome.decision.task.task,
            "deployment": outcome.deployment,
            "status": outcome.status,
            "error": outcome.error,
            "http_status": outcome.http_status,
            "stream": outcome.stream,
            "dialect": outcome.dialect,
            "duration_s": outcome.duration_s,
            "first_output_s": outcome.first_output_s,
            **_usage_of(outcome.usage),
            "cost_usd": outcome.cost_usd,
            "simulated": outcome.simulated,
            "cache": outcome.cache,
            "session": cleaner.name(outcome.session),
            "caller": cleaner.name(outcome.caller),
            "finish_reason": outcome.finish_reason,
            "prompt": {
                "hash": outcome.prompt.hash,
                "chars": outcome.prompt.chars,
                "messages": outcome.prompt.messages,
                "language": outcome.decision.task.language if explained else None,
                "needs": outcome.prompt.needs,
                "answer_cap": outcome.prompt.answer_cap,
                "channel": cleaner.name(outcome.prompt.channel),
                "background": cleaner.name(outcome.prompt.background),
                "cost_quality": outcome.prompt.cost_quality,
            },
            "attempts": [_attempt_of(attempt) for attempt in outcome.attempts],
            "ratings": [],
            "card": outcome.decision.to_dict(explained=explained),
        }
    )
    entry["prompt"]["text"] = cleaner.prompt(outcome.text)
    entry["repaired"] = cleaner.repaired
    return entry


def summary_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as ``tail`` gives it: without attempts, ratings, card and prompt text."""
    short = {key: value for key, value in entry.items() if key not in ("attempts", "ratings", "card")}
    short["prompt"] = {key: value for key, value in entry["prompt"].items() if key != "text"}
    return short


def iso_time(unix_s: float) -> str:
    """ISO 8601 in UTC, to the millisecond: such times sort as text."""
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempt_of(attempt: Attempt) -> dict[str, Any]:
    return {
        "deployment": attempt.deployment,
        "started_s": attempt.started_s,
        "ended_s": attempt.ended_s,
        "first_output_s": attempt.first_output_s,
        "committed": attempt.committed,
        "error": attempt.error,
        "message": attempt.message,
        "upstream_status": attempt.upstream_status,
        "finish_reason": attempt.finish_reason,
        "skipped_events": attempt.skipped_events,
        "verdict": attempt.verdict,
        "load_s": attempt.load_s,
        **_usage_of(attempt.usage),
        "cost_usd": attempt.cost_usd,
    }


def _usage_of(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    return {
        "prompt_tokens": known.prompt_tokens,
        "completion_tokens": known.completion_tokens,
        "cached_tokens": known.cached_tokens,
        "reasoning_tokens": known.reasoning_tokens,
        "usage_estimated": None if usage is None else usage.estimated,
    }
