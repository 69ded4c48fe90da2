"""The parts of a request that wants several things."""

from __future__ import annotations

import pytest

from waypost.decide.clauses import MOST_WORDS, clauses
from waypost.decide.features import read


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("turn on the light and tell me a joke", ["turn on the light", "tell me a joke"]),
        ("Mach das Licht an, und dann erzähl mir einen Witz", ["mach das licht an", "erzahl mir einen witz"]),
        ("salt and pepper", []),
        ("tell me a joke", []),
        ("", []),
        ("word and more words here " * MOST_WORDS, []),
    ],
)
def test_a_request_is_cut_where_another_wish_may_begin(text: str, parts: list[str]) -> None:
    assert [part.strip() for part in clauses(read(text))] == parts
