"""What a caller would wait for: the queue, a load, the reading of the prompt, the answer. Unknown is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from decide.engine import local, one_slot
from samples import artefacts, policy, turn
from waypost.decide.card import Candidate
from waypost.decide.decision import decide
from waypost.decide.waiting import fresh_tokens
from waypost.fleet.view import FleetView
from waypost.turn import Image, Message, Text

SPEEDS: dict[str, Any] = {"prompt_tokens_per_s": 500.0, "answer_tokens_per_s": 50.0}


def candidate(view: FleetView, name: str = "a", **fields: Any) -> Candidate:
    asked = turn(**{"prompt_tokens": 1000, "answer_tokens": 200, "stream": True, **fields})
    return decide(asked, view, policy(), artefacts("chat")).candidate(name)


def test_a_warm_model_takes_as_long_as_it_reads_and_a_whole_answer_as_long_as_it_writes_too() -> None:
    view = one_slot("a", local("a"), a=SPEEDS)
    assert candidate(view).expected_wait_s == pytest.approx(2.0)
    assert candidate(view, stream=False).expected_wait_s == pytest.approx(2.0 + 4.0)
    assert candidate(view).loads is False


def test_a_cold_model_has_to_be_loaded_first_and_says_what_it_throws_out() -> None:
    view = one_slot("b", local("a"), local("b"), a=SPEEDS, b=SPEEDS)
    cold = candidate(view)
    assert (cold.expected_wait_s, cold.loads) == (pytest.approx(22.0), True)
    assert "to be loaded in 20 s, would evict b" in cold.reason


def test_a_load_that_is_under_way_is_half_done_and_throws_out_nothing_more() -> None:
    view = one_slot(None, local("a"), a=SPEEDS, memory={"loading": "a"})
    assert (candidate(view).expected_wait_s, candidate(view).loads) == (pytest.approx(12.0), False)


def test_requests_in_front_take_as_long_as_this_one() -> None:
    busy = one_slot("a", local("a"), local("b", model="a"), a={**SPEEDS, "in_flight": 1}, b={**SPEEDS, "in_flight": 1})
    assert candidate(busy).expected_wait_s == pytest.approx(2 * 6.0 + 2.0)
    parallel = one_slot("a", local("a", max_parallel=4), a={**SPEEDS, "in_flight": 3})
    assert candidate(parallel).expected_wait_s == pytest.approx(2.0)
    said = one_slot("a", local("a"), a={**SPEEDS, "in_flight": 9, "waiting": 1})
    assert candidate(said).expected_wait_s == pytest.approx(6.0 + 2.0)


def test_a_model_that_is_to_leave_answers_its_requests_first() -> None:
    view = one_slot("b", local("a"), local("b"), a=SPEEDS, b={**SPEEDS, "in_flight": 1})
    assert candidate(view).expected_wait_s == pytest.approx(6.0 + 20.0 + 2.0)


@pytest.mark.parametrize(
    ("known", "load_s", "resident"),
    [({}, 20.0, "a"), (SPEEDS, None, "b"), ({"answer_tokens_per_s": 50.0}, 20.0, "a"), ({**SPEEDS, "in_flight": 1}, None, "b")],
)
def test_a_part_that_is_not_known_leaves_the_whole_unknown(known: dict[str, Any], load_s: float | None, resident: str) -> None:
    assert candidate(one_slot(resident, local("a"), a=known, load_s=load_s)).expected_wait_s is None


def test_an_engine_that_nobody_has_looked_at_is_neither_warm_nor_cold() -> None:
    view = one_slot("a", local("a"), a=SPEEDS)
    unseen = candidate(FleetView(view.deployments, view.statuses))
    assert (unseen.loads, unseen.expected_wait_s) == (None, None)


def test_who_answered_last_has_read_the_conversation_up_to_its_answer() -> None:
    talk = (
        Message("user", (Text("word " * 700),)),
        Message("assistant", (Text("yes"),)),
        Message("user", (Text("and then?"),)),
    )
    asked = {"messages": talk, "prompt_tokens": 1000}
    view = one_slot("a", local("a"), a=SPEEDS, answered_last=("a",))
    assert candidate(view, **asked).expected_wait_s == pytest.approx(0.02, abs=0.01)
    other = one_slot("a", local("a"), a=SPEEDS, answered_last=("b", "a"))
    assert candidate(other, **asked).expected_wait_s == pytest.approx(2.0)
    cold = one_slot("b", local("a"), local("b"), a=SPEEDS, answered_last=("a",))
    assert candidate(cold, **asked).expected_wait_s == pytest.approx(22.0)


def test_an_image_is_read_anew_and_a_first_message_is_all_new() -> None:
    look = Message("user", (Text("look"), Image(inline=True)))
    assert fresh_tokens(turn(messages=(Message("assistant", (Text("hi"),)), look), prompt_tokens=5000)) > 1600
    assert fresh_tokens(turn(messages=(look,), prompt_tokens=5000)) == 5000
    assert fresh_tokens(turn(messages=(Message("assistant", (Text("hi"),)), look), prompt_tokens=7)) == 7
