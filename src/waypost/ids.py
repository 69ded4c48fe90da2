"""The names of decisions."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id(now_s: float | None = None) -> str:
    """A decision id: ``wp_``, the time in milliseconds (so that ids sort by age) and 50 random bits, in Crockford's base 32."""
    number = (int((time.time() if now_s is None else now_s) * 1000) << 50) | secrets.randbits(50)
    return "wp_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in range(90, -1, -10)])
