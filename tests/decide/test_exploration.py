"""A share of turns whose first candidate is drawn, with the exact probability on the card."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from samples import FixedQuality, artefacts, deployment, fleet, policy, tool_loop_turn, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.exploration import draw
from waypost.decide.policy import Policy, Route
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.view import FleetView, Status
from waypost.turn import Turn

FOUR = fleet(*[deployment(name) for name in ("a", "b", "c", "d")])
QUALITY = FixedQuality(0.1, a=0.8, b=0.75, c=0.71, d=0.3)


def exploring(share: float = 0.2, **fields: Any) -> Policy:
    return policy(routes={"chat": Route("chat", ("a", "b", "c", "d"), explore=share)}, **fields)


def made(asked: Turn | None = None, view: FleetView = FOUR, rules: Policy | None = None) -> Decision:
    return decide(asked or turn(), view, rules or exploring(), artefacts("chat", quality=QUALITY))


def ids(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


def test_the_propensity_is_the_share_of_turns_in_which_that_one_goes_first() -> None:
    """a, b and c may be as good as a (0.8); d, at best 0.4, may not."""
    decisions = [made(turn(id=f"t{n}")) for n in range(6000)]
    first = Counter(ids(decision)[0] for decision in decisions)
    stated = {ids(decision)[0]: decision.propensity for decision in decisions}
    assert stated == {"a": pytest.approx(1 - 0.2 * 2 / 3), "b": pytest.approx(0.2 / 3), "c": pytest.approx(0.2 / 3)}
    # Within four standard errors of what the card says.
    assert all(abs(first[name] / 6000 - p) < 4 * (p * (1 - p) / 6000) ** 0.5 for name, p in stated.items())
    assert all(decision.explored == (ids(decision)[0] != "a") for decision in decisions)


def test_the_others_keep_their_order_and_the_card_says_what_happened() -> None:
    decision = next(found for n in range(1000) if (found := made(turn(id=f"t{n}"))).explored and ids(found)[0] == "c")
    assert ids(decision) == ["c", "a", "b", "d"]
    assert decision.candidates[0].reason.endswith("drawn to go ahead of a, as this route explores")
    assert made(turn(id=decision.id)) == decision


def test_a_share_that_is_next_to_nothing_draws_nobody() -> None:
    for share in (5e-324, 1e-310):
        assert made(rules=exploring(share)).explored is False


def test_without_exploration_nothing_is_left_to_chance() -> None:
    decision = made(rules=exploring(0.0))
    assert (ids(decision), decision.propensity, decision.explored) == (["a", "b", "c", "d"], 1.0, False)
    assert decision.quality_version is None


@pytest.mark.parametrize(
    ("asked", "answered_last"),
    [
        (turn(model="a"), ()),
        (turn(model="auto-best"), ()),
        (turn(model="auto-cheap"), ()),
        (turn(model="auto-fast"), ()),
        (turn(background="title"), ()),
        (tool_loop_turn(), ()),
        (turn(session="s"), ("b",)),
    ],
)
def test_nothing_is_drawn_where_the_caller_said_who_or_in_the_middle_of_something(
    asked: Turn, answered_last: tuple[str, ...]
) -> None:
    view = FleetView(FOUR.deployments, answered_last=answered_last)
    decisions = [made(replace(asked, id=f"t{n}"), view) for n in range(50)]
    assert {(ids(one)[0], one.propensity, one.explored) for one in decisions} == {(ids(decisions[0])[0], 1.0, False)}


def test_a_dial_and_exploration_go_together() -> None:
    decisions = [made(turn(id=f"t{n}", model="auto@1")) for n in range(200)]
    assert {one.cost_quality for one in decisions} == {1.0}
    assert {ids(one)[0] for one in decisions} == {"a", "b", "c"}


def test_a_private_turn_explores_at_home_only() -> None:
    view = fleet(deployment("a"), deployment("b", local=False), deployment("c"))
    decisions = [made(turn(id=f"t{n}", private=True), view) for n in range(200)]
    assert {ids(one)[0] for one in decisions} == {"a", "c"}


def test_fallbacks_and_replicas_are_not_drawn() -> None:
    rules = policy(routes={"chat": Route("chat", ("a",), explore=0.2)}, fallbacks={"a": ("b",)})
    view = fleet(deployment("a#1", group="a"), deployment("a#2", group="a"), deployment("b"))
    decisions = [made(turn(id=f"t{n}"), view, rules) for n in range(100)]
    assert {(one.propensity, one.explored) for one in decisions} == {(1.0, False)}


def test_nobody_is_loaded_for_the_sake_of_exploring() -> None:
    known = {name: Residency("ollama", name, 5 << 30, 1.0, 8192, 12.0, 3, 900.0, 40.0) for name in ("a", "b")}
    view = FleetView(
        tuple(deployment(name, provider="ollama_chat", lane="ollama") for name in known),
        {name: Status(up=True, loaded=name == "a", residency=one) for name, one in known.items()},
        memories={"ollama": Memory(("a",), 6 << 30)},
    )
    assert {ids(made(turn(id=f"t{n}"), view))[0] for n in range(100)} == {"a"}


def test_one_of_whom_nothing_is_known_may_be_drawn() -> None:
    decisions = [decide(turn(id=f"t{n}"), FOUR, exploring(), artefacts("chat")) for n in range(200)]
    assert {ids(one)[0] for one in decisions} == {"a", "b", "c", "d"}
    assert draw(decisions[0].candidates[:1], turn(), 0.2).propensity == 1.0
