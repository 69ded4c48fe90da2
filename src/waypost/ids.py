"""The names of decisions."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id(now_s: float | None = None) -> str:
    """A decision id: ``wp_``, the time in milliseconds (so that ids sort by age) and 50 random bits, in Crockford's base 32."""
    milliseconds = int((time.time() if now_s is None else now_s) * 1000)
    return "wp_" + _written(milliseconds) + _written(secrets.randbits(50))


def _written(bits: int) -> str:
    """50 bits as ten characters: without a loop, in half the time."""
    pairs = _PAIRS
    return (
        pairs[bits >> 40] + pairs[bits >> 30 & 1023] + pairs[bits >> 20 & 1023] + pairs[bits >> 10 & 1023] + pairs[bits & 1023]
    )
