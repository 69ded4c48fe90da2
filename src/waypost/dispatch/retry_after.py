"""How long an engine asks us to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

# A limit that is used up, and when it is full again: OpenAI's (Groq and others follow it), Anthropic's, and the plain one.
_LIMITS = (
    *((f"x-ratelimit-remaining-{of}", f"x-ratelimit-reset-{of}") for of in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{of}-remaining", f"anthropic-ratelimit-{of}-reset")
        for of in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
# Numbers from here on are times since the epoch, in seconds and in milliseconds; smaller ones are seconds from now.
_EPOCH_S, _EPOCH_MS = 1e9, 1e11


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds from ``retry-after-ms`` or ``retry-after`` (a number or an HTTP date), else from the limits that are used up.

    Of several such limits the one that takes longest counts. ``None`` if it does not say. A date is read against the engine's
    own ``Date`` where there is one: its clock may differ from ours. ``now_s`` is seconds since the epoch, for when there is
    none.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    sent = _date(headers.get("date"))
    now_s = now_s if sent is None else sent.timestamp()
    until = _date(value)
    if until is not None:
        return max(0.0, until.timestamp() - now_s)
    used_up = [headers.get(reset) for remaining, reset in _LIMITS if _number(headers.get(remaining)) == 0]
    resets = [reset for text in used_up if (reset := _reset_s(text, now_s)) is not None]
    return max(resets, default=None)


def _reset_s(text: str | None, now_s: float) -> float | None:
    """When a limit is full again, in seconds from now: a duration such as ``6m0s``, an ISO date, an epoch or plain seconds."""
    number = _number(text)
    if number is not None:
        if number < _EPOCH_S:
            return number
        return max(0.0, (number / 1000 if number >= _EPOCH_MS else number) - now_s)
    found = _DURATION.fullmatch(text or "")
    if text and found:
        return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True) if part)
    try:
        until = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return max(0.0, until.timestamp() - now_s) if until.tzinfo else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None
