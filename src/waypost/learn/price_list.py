"""What models cost by the token, where the cost of their answers was not written down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypost.errors import ArtefactError
from waypost.learn.records import records_of

_COLUMNS = ("input_usd_per_million", "output_usd_per_million")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens that are read, and for a million that are written."""

    read: float
    written: float

    def of(self, record: Mapping[str, Any], where: str) -> float | None:
        """Dollars for the tokens of a row; ``None`` where it tells not all. Raises ArtefactError for what is none."""
        told = [record.get(column) for column in ("input_tokens", "output_tokens")]
        if any(count is None for count in told):
            return None
        read, written = (_amount(count) for count in told)
        if read is None or written is None:
            raise ArtefactError(f"{where} has no valid count of tokens; leave it empty if it is unknown")
        return (self.read * read + self.written * written) / _MILLION


def load_prices(path: Path) -> dict[str, Price]:
    """The prices in a file, by model. Raises ArtefactError with the number of the row where one does not fit."""
    found: dict[str, Price] = {}
    for number, record in records_of(path):
        where, model = f"row {number} of {path.name}", record.get("model")
        if not isinstance(model, str) or not model:
            raise ArtefactError(f"{where} has no `model`")
        if model in found:
            raise ArtefactError(f"{where} gives {model} another price once more")
        prices = [_amount(record.get(column)) for column in _COLUMNS]
        if prices[0] is None or prices[1] is None:
            raise ArtefactError(f"{where} has no valid price: it needs {' and '.join(f'`{name}`' for name in _COLUMNS)}")
        found[model] = Price(prices[0], prices[1])
    return found


def _amount(value: Any) -> float | None:
    """``None`` for what is no number from 0 on."""
    try:
        amount = float(value)
    except (TypeError, ValueError):
        return None
    return amount if 0 <= amount < math.inf else None
