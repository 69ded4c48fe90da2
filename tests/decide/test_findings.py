"""What is kept of deployments from one decision to the next makes no decision another one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from samples import ABLE, WEATHER, artefacts, deployment, image_turn, policy, tool_loop_turn, turn
from waypost.decide.decision import decide
from waypost.decide.findings import Findings
from waypost.decide.policy import Route
from waypost.fleet.deployment import Capabilities, Price, Status
from waypost.fleet.view import Deployment, FleetView, Residency, Roster
from waypost.turn import Turn

TURNS = {
    "plain": turn(),
    "another": turn(id="t2", prompt_tokens=300),
    "long": turn(prompt_tokens=900),
    "capped": turn(answer_tokens=200),
    "capped beyond a window": turn(answer_tokens=2000),
    "streamed": turn(stream=True),
    "with tools": turn(tools=(WEATHER,)),
    "with a schema": turn(response_format="json_schema"),
    "with an image": image_turn(),
    "in a tool loop": tool_loop_turn(tools=(WEATHER,)),
    "private": turn(private=True),
    "private by its name": turn(model="auto-private"),
    "a named one": turn(model="small"),
    "another named one": turn(model="remote"),
    "a named one that is loaded": turn(model="ollama"),
    "the same in the background": turn(model="ollama", background="title"),
    "a route": turn(model="coding"),
    "a pattern": turn(model="x/y"),
    "another of the pattern": turn(model="x/z"),
    "in the background": turn(background="title"),
}

SOME = (
    deployment("small", window_tokens=1024),
    deployment("remote", local=False, price=Price(1e-6, 2e-6), settings={"max_tokens": 100}),
    deployment("blind", capabilities=Capabilities(tools=False, vision=False, structured_output=False)),
    deployment("vectors", mode="embedding"),
    deployment("ollama", lane="ollama", provider="ollama_chat", window_tokens=2048, capabilities=ABLE),
    deployment("x", group="x/*", model="*"),
)
RESIDENT = Residency("e", "ollama", load_s=4.0, demand=0.5)
STATUSES = {
    **{one.id: Status(up=True, latency_s=0.2, whole_latency_s=3.0) for one in SOME},
    "ollama": Status(up=True, loaded=False, residency=RESIDENT),
}
RULES = policy(
    routes={"chat": Route("chat", ("small", "remote", "blind", "vectors", "ollama"), settings={"temperature": 0.2})},
    balancing="latency",
    fallbacks={"small": ("remote",)},
    client_load_options="allow",
)


def views(deployments: tuple[Deployment, ...]) -> list[FleetView]:
    """A fleet at several moments; in some of them, a conversation is known."""
    busy = {**STATUSES, "small": Status(up=True, in_flight=2), "remote": Status(up=False)}
    return [
        FleetView(deployments, STATUSES),
        FleetView(deployments, busy),
        FleetView(deployments, STATUSES, answered_last=("remote",)),
    ]


@pytest.mark.parametrize("first", TURNS)
@pytest.mark.parametrize("then", TURNS)
def test_what_was_found_for_one_turn_is_told_of_another_only_where_it_holds(first: str, then: str) -> None:
    for before, after in product(range(3), repeat=2):
        kept = views(Roster(SOME))
        decide(TURNS[first], kept[before], RULES, artefacts("chat"))
        alone = decide(TURNS[then], views(SOME)[after], RULES, artefacts("chat"))
        assert decide(TURNS[then], kept[after], RULES, artefacts("chat")) == alone


def test_other_rules_find_anew() -> None:
    roster = Roster(SOME)
    decide(turn(), FleetView(roster, STATUSES), RULES, artefacts("chat"))
    others = replace(RULES, answer_tokens=5000, residency=None, balancing="least_busy")
    made = decide(turn(), FleetView(roster, STATUSES), others, artefacts("chat"))
    assert made == decide(turn(), FleetView(SOME, STATUSES), others, artefacts("chat"))


def test_the_way_that_a_client_wants_a_model_loaded_is_told_of_no_other_turn() -> None:
    roster, body = Roster(SOME), {**turn().body, "num_ctx": 1500}
    wishing: Turn = turn(body=body)
    for asked in (turn(), wishing, turn()):
        made = decide(asked, FleetView(roster, STATUSES), RULES, artefacts("chat"))
        assert made == decide(asked, FleetView(SOME, STATUSES), RULES, artefacts("chat"))


def test_a_candidate_is_made_once_while_nothing_of_it_changes() -> None:
    rules, view = replace(RULES, residency=None), FleetView(Roster(SOME), STATUSES)
    one, two = (decide(TURNS[name], view, rules, artefacts("chat")) for name in ("plain", "another"))
    assert one.candidate("small") is two.candidate("small")
    assert one.candidate("remote").expected_cost_usd != two.candidate("remote").expected_cost_usd


def test_of_a_large_fleet_fewer_kinds_of_turns_are_kept() -> None:
    roster = Roster([deployment(f"d{n}") for n in range(2000)])
    found = Findings.of(RULES, roster)
    first = found.on(RULES.routes["chat"], (0,))
    assert found.on(RULES.routes["chat"], (0,)) is first
    for kind in range(10):
        found.on(RULES.routes["coding"], (kind,))
    assert found.on(RULES.routes["chat"], (0,)) is not first
