"""What the cache keeps, for how long, and who leaves first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from samples import deployment
from waypost.dispatch.answer_store import AnswerStore, StoredAnswer


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def answer(size: int = 100) -> StoredAnswer:
    return StoredAnswer(deployment("a"), (), "stop", size)


def store(clock: Clock | None = None, *, entries: int = 10, size: int = 1000) -> AnswerStore:
    return AnswerStore(max_entries=entries, max_bytes=size, clock=clock or Clock())


def test_an_answer_is_there_until_its_time_is_over_and_not_a_moment_longer() -> None:
    clock = Clock()
    kept = store(clock)
    kept.put(b"k", answer(), 60.0)
    clock.now = 159.999
    assert kept.get(b"k") == answer()
    clock.now = 160.0
    assert kept.get(b"k") is None
    assert (len(kept), kept.size_bytes) == (0, 0)


def test_the_answer_that_was_not_asked_for_longest_leaves_first() -> None:
    kept = store(entries=3)
    for key in (b"a", b"b", b"c"):
        kept.put(key, answer(), 60.0)
    kept.get(b"a")
    kept.put(b"d", answer(), 60.0)
    assert [key for key in (b"a", b"b", b"c", b"d") if kept.get(key)] == [b"a", b"c", b"d"]


def test_bytes_are_bounded_to_the_last_one() -> None:
    kept = store(size=1000)
    kept.put(b"a", answer(400), 60.0)
    kept.put(b"b", answer(600), 60.0)
    assert (len(kept), kept.size_bytes) == (2, 1000)
    kept.put(b"c", answer(1), 60.0)
    assert (kept.get(b"a"), kept.size_bytes) == (None, 601)


def test_one_answer_that_is_too_large_pushes_nobody_out_but_the_one_before_it() -> None:
    kept = store(size=1000)
    kept.put(b"a", answer(100), 60.0)
    kept.put(b"b", answer(100), 60.0)
    kept.put(b"b", answer(1001), 60.0)
    assert (kept.get(b"a"), kept.get(b"b"), kept.size_bytes) == (answer(100), None, 100)


@given(
    st.lists(st.tuples(st.sampled_from(["puts", "gets", "waits"]), st.integers(0, 7), st.integers(0, 500)), max_size=60),
)
def test_bounds_hold_after_every_step(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    kept = store(clock, entries=3, size=700)
    for what, key, amount in steps:
        if what == "puts":
            kept.put(bytes([key]), answer(amount), 50.0)
        elif what == "gets":
            kept.get(bytes([key]))
        else:
            clock.now += amount / 10
        assert len(kept) <= 3
        assert 0 <= kept.size_bytes <= 700
    clock.now += 1000
    for key in range(8):
        assert kept.get(bytes([key])) is None
    assert (len(kept), kept.size_bytes) == (0, 0)
