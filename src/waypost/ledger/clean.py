"""Makes values fit for a database, for JSON and for a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson

STRING_LIMIT = 16_000
NAME_LIMIT = 200
PROMPT_LIMIT = 1_000_000

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_NAME = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What JSON makes of unfit characters; it may also hit a harmless backslash.
_UNFIT_IN_JSON = re.compile(rb"\\[ubf]|\x7f|\xc2[\x80-\x9f]")
_LARGEST_INTEGER = 2**63 - 1


class Cleaner:
    """Replaces what cannot be stored and remembers that it did.

    NUL and lone surrogates break databases and encoders; other control characters steer the terminal of whoever reads the
    ledger. Both become U+FFFD. Texts have a bounded length, so that no caller decides how large a row is; a cut ends in "…".
    """

    __slots__ = ("repaired",)

    def __init__(self) -> None:
        self.repaired = False

    def name(self, value: str | None) -> str | None:
        """A string of one line that a caller chose, such as a session."""
        return None if value is None else self._string(value, _UNFIT_IN_NAME, NAME_LIMIT)

    def prompt(self, value: str | None) -> str | None:
        """The text of a prompt."""
        return None if value is None else self._string(value, _UNFIT, PROMPT_LIMIT)

    def json(self, value: Any) -> Any:
        """``value`` where it is fit, else a copy of what JSON knows; a number that it does not know becomes ``None``.

        Nearly every value is fit already: encoding it shows that several times faster than walking through it. Of whole numbers
        it shows it up to 53 bits: JSON would take one of 64 bits that no database does.
        """
        try:
            fit = is_fit(orjson.dumps(value, default=dict, option=orjson.OPT_STRICT_INTEGER))
        except (TypeError, ValueError):
            fit = False
        return value if fit else self._walk(value)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._string(value, _UNFIT, STRING_LIMIT)
        if value is None or isinstance(value, int | float):
            return _known(value)
        if isinstance(value, Mapping):
            return {self._walk(str(key)): self._walk(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._walk(item) for item in value]
        return self._walk(str(value))

    def _string(self, value: str, unfit: re.Pattern[str], limit: int) -> str:
        if len(value) <= limit and value.isprintable():  # nearly every one, and said at a glance
            return value
        fit = unfit.sub("\ufffd", value if len(value) <= limit else value[: limit - 1] + "…")
        self.repaired = self.repaired or fit != value
        return fit


def is_fit(encoded: bytes) -> bool:
    """Whether JSON holds nothing that must be replaced or cut. It may say no to what is fit."""
    return not (_may_be_long(encoded) or (_may_be_unfit(encoded) and _UNFIT_IN_JSON.search(encoded)))


def _may_be_long(encoded: bytes) -> bool:
    """Whether a string may be longer than ``STRING_LIMIT``: the many strings of a card of many deployments are not."""
    if len(encoded) <= STRING_LIMIT:
        return False
    return b'\\"' in encoded or max(map(len, encoded.split(b'"'))) > STRING_LIMIT


def _may_be_unfit(encoded: bytes) -> bool:
    """Whether a byte is there that all unfit characters have: ten times as quick as to look for them."""
    return b"\\" in encoded or b"\x7f" in encoded or b"\xc2" in encoded


def _known(value: float | None) -> float | None:
    largest = _LARGEST_INTEGER if isinstance(value, int) else sys.float_info.max
    return value if value is None or abs(value) <= largest else None
