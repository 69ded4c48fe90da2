"""A request in its parts: a turn may want several things, and each clause may say one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from waypost.decide.features import Reading

MOST_WORDS = 80
"""A longer request is a text, whose clauses say nothing by themselves."""

LEAST_WORDS = 3
MOST_CLAUSES = 6

_CUT = re.compile(
    r"[.;!?\u3002\uff01\uff1f\uff0c\uff1b]\s*|,\s+|,?\s+(?:and|then|also|plus|und|dann|et|puis|y|luego|e|poi|depois|en|i|potem|oraz|"
    r"\u0438|\u043f\u043e\u0442\u043e\u043c|ve|sonra|och|og|dan|lalu|v\xe0|r\u1ed3i|\u0648|\u0914\u0930)(?:\s+(?:then|also))?\s+|"
    r"\u305d\u3057\u3066|\u7136\u540e|\u5e76\u4e14|\uadf8\ub9ac\uace0"
)


def clauses(request: Reading) -> Iterator[str]:
    """The clauses of a request that has several, as it was read. None where it has one, or is too long."""
    if request.starts.size > MOST_WORDS:
        return
    text = "".join(map(chr, request.codes.tolist()))
    parts = [part for part in _CUT.split(text) if len(part.split()) >= LEAST_WORDS or (part and not part.isascii())]
    if len(parts) > 1:
        yield from parts[:MOST_CLAUSES]
