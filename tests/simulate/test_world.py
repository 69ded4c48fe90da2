"""The simulated machine: one request at a time, loads take their time, and the real decide says who is asked."""

from __future__ import annotations

from typing import Any

import pytest

from simulate.small import scenario
from waypost.decide.policy import Policy, ResidencyRules, Route
from waypost.simulate.scenario import Scenario
from waypost.simulate.traffic import Session, traffic
from waypost.simulate.world import Answer, Outcome, World


def policy(of: Scenario, residency: ResidencyRules | None = None) -> Policy:
    routes = {name: Route(name, route.candidates) for name, route in of.routes.items()}
    return Policy("p", routes, default_route="one", residency=residency)


def asked(of: Scenario, *turns: tuple[float, str]) -> list[Session]:
    """Conversations of one turn each: when it comes, and its route."""
    drawn = iter(traffic(of, 500, 1))
    found = []
    for at, route in turns:
        session = next(one for one in drawn if one.turns[0].model == route)
        found.append(Session(session.id, at, session.turns, session.pauses_s))
    return found


def ran(of: Scenario, *turns: tuple[float, str], residency: ResidencyRules | None = None) -> Outcome:
    return World(of, policy(of, residency)).run(asked(of, *turns))


def first_s(outcome: Outcome) -> list[float | None]:
    return [answer.first_s for answer in outcome.answers]


def test_a_first_token_waits_for_the_load_and_the_prompt() -> None:
    found = ran(scenario(), (0.0, "one"))
    assert found == Outcome((Answer("one", "a", 0.0, pytest.approx(11.0), 0.9),), 1, 10.0)


def test_requests_wait_for_one_another_and_a_model_that_is_there_is_not_loaded_again() -> None:
    found = ran(scenario(), (0.0, "one"), (1.0, "one"))
    assert first_s(found) == [pytest.approx(11.0), pytest.approx(12.0)]
    assert found.loads == 1


def test_another_model_is_swapped_in_and_both_fit_where_there_is_room() -> None:
    turns = (0.0, "one"), (20.0, "two"), (40.0, "one")
    narrow = ran(scenario(), *turns)
    assert [answer.swapped for answer in narrow.answers] == [False, True, True]
    wide = ran(scenario(engines={"gpu": {"capacity_gb": 10}}), *turns)
    assert [answer.swapped for answer in wide.answers] == [False, False, False]
    assert (narrow.loads, wide.loads) == (3, 2)
    assert ran(scenario(engines={"gpu": {}}), *turns) == wide


def test_what_is_not_used_for_as_long_as_it_is_kept_alive_is_loaded_again() -> None:
    engines = {"gpu": {"max_models": 1, "keep_alive_s": 60}}
    found = ran(scenario(engines=engines), (0.0, "one"), (65.0, "one"), (200.0, "one"))
    assert first_s(found) == [pytest.approx(11.0), pytest.approx(1.0), pytest.approx(11.0)]
    assert not any(answer.swapped for answer in found.answers)


def test_same_weights_are_loaded_once() -> None:
    models = {name: {**model.model_dump(), "weights": "w"} for name, model in scenario().models.items()}
    found = ran(scenario(models=models), (0.0, "one"), (20.0, "two"))
    assert ([answer.model for answer in found.answers], found.loads) == (["a", "b"], 1)


def test_each_engine_has_a_memory_of_its_own() -> None:
    models = {name: {**model.model_dump(), "engine": name} for name, model in scenario().models.items()}
    engines = {name: {"max_models": 1} for name in models}
    found = ran(scenario(models=models, engines=engines), (0.0, "one"), (0.0, "two"), (30.0, "one"))
    assert first_s(found) == [pytest.approx(11.0), pytest.approx(11.0), pytest.approx(1.0)]


def test_the_real_decide_says_who_is_asked() -> None:
    turns = (0.0, "one"), (20.0, "two")
    assert [answer.model for answer in ran(scenario(), *turns).answers] == ["a", "b"]
    aware = ran(scenario(), *turns, residency=ResidencyRules())
    assert [(answer.model, answer.quality) for answer in aware.answers] == [("a", 0.9), ("a", 0.8)]
    known = ran(scenario(quality_known=True), *turns, residency=ResidencyRules())
    assert [answer.model for answer in known.answers] == ["a", "b"]


def test_a_request_that_nobody_may_answer_is_refused_and_the_conversation_goes_on() -> None:
    routes: dict[str, Any] = {name: route.model_dump() for name, route in scenario().routes.items()}
    routes["one"]["image"] = True
    kinds = [{"weight": 1, "turns": [2, 2], "first": "one", "routes": {"two": 1}}]
    blind = scenario(routes=routes, sessions=kinds)
    found = World(blind, policy(blind)).run(traffic(blind, 2, 1)).answers
    assert [(answer.route, answer.model, answer.quality) for answer in found] == [("one", None, 0.0), ("two", "b", 0.9)]


def test_a_conversation_is_read_once_while_its_model_stays_and_nobody_comes_between() -> None:
    talk = scenario(sessions=[{"weight": 1, "turns": [2, 2], "routes": {"one": 1}}])
    first, second = World(talk, policy(talk)).run(traffic(talk, 2, 1)).answers
    assert first.first_s == pytest.approx(11.0)
    assert second.first_s == pytest.approx(0.105)
    assert second.arrived_s > first.arrived_s + 12.0


def test_what_is_asked_for_least_is_thrown_out_first_whatever_its_name() -> None:
    speed = {"engine": "gpu", "size_gb": 5, "load_s": 10, "prompt_tokens_per_s": 1000, "answer_tokens_per_s": 100}
    lengths = {"prompt_tokens": 900, "message_tokens": 100, "answer_tokens": 100}
    names = ("a", "b", "c")
    made = scenario(
        engines={"gpu": {"max_models": 2}},
        models={name: {**speed, "quality": {f"to {name}": 0.9}} for name in names},
        routes={f"to {name}": {"candidates": [name], **lengths} for name in names},
        sessions=[{"weight": 1, "turns": [1, 1], "routes": {f"to {name}": 1 for name in names}}],
    )
    routes = {f"to {name}": Route(f"to {name}", (name,)) for name in names}
    turns = [(20.0 * at, f"to {name}") for at, name in enumerate(["b", *["a"] * 5, "c", "a", "b"])]

    def loads(residency: ResidencyRules | None) -> int:
        rules = Policy("p", routes, default_route="to a", residency=residency)
        return World(made, rules).run(asked(made, *turns)).loads

    assert loads(ResidencyRules()) == 4  # c takes the place of b, and b that of c
    assert loads(None) == 5  # by name: a had to go, too
