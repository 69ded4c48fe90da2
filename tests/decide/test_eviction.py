"""What leaves an engine's memory for something else, by Ollama's rule."""

from __future__ import annotations

import pytest

from waypost.decide.eviction import Weights, evicted, reload_s
from waypost.fleet.residency import Memory

GB = 10**9


def known(**sizes: int | None) -> dict[tuple[str, str], Weights]:
    return {("ollama", name): Weights(name, size and size * GB, 10.0, 0.5, 0) for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("memory", "gone"),
    [
        (Memory(), ()),
        (Memory(("new",), max_models=1), ()),
        (Memory(("a",), max_models=1), ("a",)),
        (Memory(("a", "b"), max_models=3), ()),
        (Memory(("a", "b"), capacity_bytes=12 * GB), ("a",)),
        (Memory(("b", "a"), capacity_bytes=12 * GB), ("b", "a")),
        (Memory(("a", "b"), capacity_bytes=100 * GB, max_models=2), ("a",)),
        (Memory(("a", "b"), capacity_bytes=1 * GB), ("a", "b")),
        (Memory(("a", "b")), None),
        (Memory(("a", "stranger"), capacity_bytes=12 * GB), None),
        (Memory(("stranger", "b"), capacity_bytes=12 * GB, max_models=2), ("stranger",)),
    ],
)
def test_models_leave_in_their_order_until_the_new_one_fits_beside_the_rest(
    memory: Memory, gone: tuple[str, ...] | None
) -> None:
    assert evicted(memory, "ollama", "new", known(a=9, b=2, new=8)) == gone


def test_a_model_of_unknown_size_may_or_may_not_fit() -> None:
    assert evicted(Memory(("a",), capacity_bytes=12 * GB), "ollama", "new", known(a=9, new=None)) is None


def test_what_is_thrown_out_costs_its_load_as_often_as_it_is_wanted() -> None:
    wanted, rare, unknown = Weights("a", 1, 30.0, 0.5, 0), Weights("b", 1, 60.0, 0.1, 0), Weights("c", 1, None, 0.1, 0)
    assert reload_s([wanted, rare]) == pytest.approx(21.0)
    assert reload_s([]) == 0.0
    assert reload_s([wanted, unknown]) is None
    assert reload_s([None]) is None
    assert reload_s([Weights("d", 1, None, 0.0, 0)]) == 0.0
