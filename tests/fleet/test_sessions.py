"""Who answered a conversation last is known for a while, for so many conversations."""

from __future__ import annotations

from waypost.fleet.sessions import EACH, TTL_S, Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_last_one_comes_first_and_nobody_twice() -> None:
    sessions = Sessions(clock=Clock())
    for name in ("a", "b", "a", "c", "d", "e"):
        sessions.answered("s", name)
    assert sessions.of("s") == ("e", "d", "c", "a")
    assert len(sessions.of("s")) == EACH
    assert sessions.of("other") == ()


def test_a_conversation_is_forgotten_an_hour_after_its_last_answer() -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    sessions.answered("s", "a")
    clock.now = TTL_S - 1
    assert sessions.of("s") == ("a",)
    sessions.answered("s", "b")
    clock.now = 2 * TTL_S - 2
    assert sessions.of("s") == ("b", "a")
    clock.now = 2 * TTL_S
    assert sessions.of("s") == ()
    sessions.answered("s", "c")
    assert sessions.of("s") == ("c",)


def test_the_conversation_that_was_quiet_for_longest_leaves_first() -> None:
    sessions = Sessions(clock=Clock(), most=2)
    sessions.answered("one", "a")
    sessions.answered("two", "a")
    sessions.answered("one", "b")
    sessions.answered("three", "a")
    assert [sessions.of(name) for name in ("one", "two", "three")] == [("b", "a"), (), ("a",)]
