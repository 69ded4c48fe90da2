"""Reads values out of JSON that strangers wrote: the right type and a believable size, or unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from waypost.turn import EMPTY

# No model has a window near this; a larger number is a mistake or a lie.
MOST_TOKENS = 100_000_000
# No machine has so much memory: a pebibyte.
MOST_BYTES = 1 << 50
# More than any engine lists; keeps a hostile list from filling memory and the table.
MOST_ITEMS = 1000

_EXPERTS = re.compile(r"(?<![a-z0-9.])(\d{1,3})x(\d{1,4}(?:\.\d{1,3})?)b(?![a-z0-9])", re.IGNORECASE)
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,5}(?:\.\d{1,3})?)([bm])(?![a-z0-9])", re.IGNORECASE)


def tokens(value: Any) -> int | None:
    """A count of tokens: a whole number from 1 to `MOST_TOKENS`."""
    found = count(value)
    return found if found is not None and 1 <= found <= MOST_TOKENS else None


def number(value: Any) -> float | None:
    """A finite number that is not negative; ``True`` is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return None
    return value


def count(value: Any) -> int | None:
    """A whole number from 0 to `MOST_BYTES`: of bytes, of requests."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and found <= MOST_BYTES else None


def text(value: Any) -> str | None:
    """One line of up to 256 printable characters: it may go to a terminal or into a header."""
    return value if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None


def flag(value: Any) -> bool | None:
    """``True`` or ``False``; nothing else is taken for either."""
    return value if isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else EMPTY


def rows(value: Any) -> tuple[Mapping[str, Any], ...]:
    """The objects of a list."""
    return tuple(row for row in value[:MOST_ITEMS] if isinstance(row, dict)) if isinstance(value, list) else ()


def words(value: Any) -> frozenset[str] | None:
    """The strings of a list; ``None`` where there is no list."""
    return frozenset(word for word in value[:MOST_ITEMS] if isinstance(word, str)) if isinstance(value, list) else None


def has(wanted: str, found: frozenset[str] | None) -> bool | None:
    """Whether a list that an engine gave holds a word; unknown where it gave no list."""
    return None if found is None else wanted in found


def billions(name: Any) -> float | None:
    """The parameters that a name or a size speaks of, in billions: ``qwen3:8b``, ``1.5B``, ``270m``, ``mixtral-8x7b``.

    Experts are multiplied out, which says a little too much for models whose experts share layers.
    """
    if not isinstance(name, str):
        return None
    experts = _EXPERTS.search(name[:256])
    if experts:
        return int(experts[1]) * float(experts[2]) or None
    sizes = [float(size) / (1 if unit in "bB" else 1000) for size, unit in _SIZE.findall(name[:256])]
    return max(sizes, default=0.0) or None
