"""A small memory."""

from __future__ import annotations

from waypost.decide.recent import Recent


def test_it_keeps_the_last_new_keys_and_forgets_the_oldest() -> None:
    recent = Recent[str, int](2)
    recent["a"], recent["b"], recent["a"] = 1, 2, 3
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (3, 2, None)
    recent["c"] = 4
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (None, 2, 4)
