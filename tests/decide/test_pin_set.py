"""Which models stay in memory: the best set that fits, found by looking at all of them."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.decide.pin_set import MOST, Model, pin_set

GIB = 1 << 30


@st.composite
def several(draw: st.DrawFn, most: int = 6) -> list[Model]:
    made = st.tuples(st.integers(1, 30), st.floats(0.5, 120), st.integers(0, 100))
    drawn = draw(st.lists(made, min_size=1, max_size=most))
    asked = sum(weight for _, _, weight in drawn) or 1
    return [Model(f"m{at}", size * GIB, load_s, weight / asked) for at, (size, load_s, weight) in enumerate(drawn)]


CAPACITY = st.one_of(st.none(), st.integers(1, 60).map(lambda gib: gib * GIB))
COUNT = st.one_of(st.none(), st.integers(1, 5))


def wait_s(rest: list[Model]) -> float:
    asked = sum(one.demand for one in rest)
    return sum((1 - one.demand / asked) * one.demand * one.load_s for one in rest) if asked else 0.0


def fits(pinned: list[Model], rest: list[Model], capacity: int | None, count: int | None) -> bool:
    """Whatever of the rest is asked for, it fits beside what is pinned."""
    for asked in rest or [None]:
        there = [*pinned, *([asked] if asked else [])]
        if count is not None and len(there) > count:
            return False
        if capacity is not None and sum(one.size_bytes for one in there) > capacity:
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(several(), CAPACITY, COUNT)
def test_it_fits_with_whatever_is_asked_for_and_no_other_set_leaves_less_loading(
    models: list[Model], capacity: int | None, count: int | None
) -> None:
    found = pin_set(models, capacity, count)
    assert sorted((*found.pinned, *found.on_demand, *found.too_large)) == [one.name for one in models]
    named = {one.name: one for one in models}
    assert all(capacity is not None and named[name].size_bytes > capacity for name in found.too_large)
    usable = [one for one in models if one.name not in found.too_large]
    rest = [named[name] for name in found.on_demand]
    assert fits([named[name] for name in found.pinned], rest, capacity, count)
    waits = [
        wait_s(others)
        for size in range(len(usable) + 1)
        for chosen in combinations(usable, size)
        if fits(list(chosen), others := [one for one in usable if one not in chosen], capacity, count)
    ]
    assert abs(found.wait_s - min(waits)) < 1e-6
    assert abs(found.wait_s - wait_s(rest)) < 1e-9


@settings(max_examples=20, deadline=None)
@given(several(most=MOST + 8), CAPACITY)
def test_of_many_models_what_costs_most_is_looked_at(models: list[Model], capacity: int | None) -> None:
    found = pin_set(models, capacity)
    named = {one.name: one for one in models}
    assert len(found.pinned) <= MOST or not found.on_demand
    assert fits([named[name] for name in found.pinned], [named[name] for name in found.on_demand], capacity, None)


def test_what_everybody_asks_for_stays_and_the_others_share_what_is_left() -> None:
    voice, eyes, books = Model("voice", 5 * GIB, 12, 0.7), Model("eyes", 9 * GIB, 17, 0.1), Model("books", 8 * GIB, 16, 0.2)
    found = pin_set([voice, eyes, books], 16 * GIB)
    assert (found.pinned, found.on_demand) == (("voice",), ("eyes", "books"))
    assert {name: round(share, 3) for name, share in found.absent.items()} == {"eyes": 0.667, "books": 0.333}
    assert round(found.wait_s, 2) == round(2 / 3 * 1.7 + 1 / 3 * 3.2, 2)
    assert pin_set([voice, eyes, books], 22 * GIB).pinned == ("voice", "eyes", "books")


def test_where_no_two_fit_together_nothing_is_pinned() -> None:
    one, other = Model("one", 9 * GIB, 10, 0.9), Model("other", 9 * GIB, 10, 0.1)
    assert pin_set([one, other], 16 * GIB).pinned == ()
    assert pin_set([one, other], None, 1).on_demand == ("one", "other")
    assert pin_set([one, other, Model("huge", 40 * GIB, 60, 0.0)], 18 * GIB).too_large == ("huge",)
