"""The parts of an outcome that are computed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import turn
from waypost.dispatch.attempt import Attempt
from waypost.ledger.record import NEEDS, PromptDigest, known_cost
from waypost.turn import Audio, File, Image, Message, Text, Tool, Turn


def said(*texts: str) -> Turn:
    return turn(messages=tuple(Message("user", (Text(text),)) for text in texts))


def test_a_digest_counts_and_never_shows_the_text() -> None:
    digest = PromptDigest.of(said("where is", "my key?"), b"salt")
    assert (digest.chars, digest.messages) == (15, 2)
    assert len(digest.hash) == 64
    assert "key" not in repr(digest)


def test_the_same_prompt_has_the_same_hash_in_one_ledger_and_another_in_the_next() -> None:
    assert PromptDigest.of(said("hello"), b"a") == PromptDigest.of(said("hello"), b"a")
    assert PromptDigest.of(said("hello"), b"a").hash != PromptDigest.of(said("hello"), b"b").hash


def test_who_said_it_and_where_a_message_ends_are_part_of_the_hash() -> None:
    spoken = [
        said("ab", "c"),
        said("a", "bc"),
        said("abc"),
        turn(messages=(Message("assistant", (Text("abc"),)),)),
    ]
    assert len({PromptDigest.of(one, b"salt").hash for one in spoken}) == len(spoken)


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_has_a_digest(text: str) -> None:
    assert PromptDigest.of(said(text), b"salt").chars == len(text)


@pytest.mark.parametrize(
    ("costs", "total"),
    [((), None), ((None, None), None), ((None, 0.5), 0.5), ((0.25, 0.5), 0.75), ((0.0,), 0.0)],
)
def test_only_known_costs_are_summed(costs: tuple[float | None, ...], total: float | None) -> None:
    assert known_cost(Attempt("far", 0, 1, cost_usd=cost) for cost in costs) == total


PICTURE = Image(inline=True)


@pytest.mark.parametrize(
    ("made", "needs"),
    [
        (said("hello"), ()),
        (turn(messages=(Message("user", (Text("what is this?"), PICTURE)),)), ("image", "image_asked")),
        (turn(messages=(Message("user", (PICTURE,)), Message("user", (Text("and now?"),)))), ("image",)),
        (turn(messages=(Message("user", (Audio(None), File(None))),)), ("audio", "file")),
        (turn(tools=(Tool("light"),)), ("tools",)),
        (turn(tools=(Tool("light"),), tool_choice="none"), ()),
        (turn(messages=(Message("tool", (Text("on"),)),)), ("tools", "tool_result")),
        (turn(response_format="json_schema", private=True), ("json_schema", "private")),
        (turn(mode="embedding"), ("vectors",)),
    ],
)
def test_a_digest_says_what_the_turn_needs_and_all_of_it_is_in_the_list(made: Turn, needs: tuple[str, ...]) -> None:
    assert PromptDigest.of(made, b"salt").needs == needs
    assert set(needs) <= set(NEEDS)


def test_a_digest_keeps_what_the_caller_set() -> None:
    digest = PromptDigest.of(turn(answer_tokens=7, channel="voice", background="title", cost_quality=0.25), b"salt")
    assert (digest.answer_cap, digest.channel, digest.background, digest.cost_quality) == (7, "voice", "title", 0.25)
