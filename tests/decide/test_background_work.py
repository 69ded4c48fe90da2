"""Background work of clients goes to the smallest model that is loaded, and has none loaded."""

from __future__ import annotations

import pytest

from samples import artefacts, deployment, fleet, policy, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import Policy, Route
from waypost.decide.task_model import load_task_model
from waypost.errors import NoDeployment, PrivacyRefused
from waypost.fleet.deployment import Deployment, Price, Status

WARM, COLD = Status(up=True, loaded=True), Status(up=True, loaded=False)
BIG = deployment("big", parameters_b=70.0)
MIDDLE = deployment("middle", parameters_b=8.0)
SMALL = deployment("small", parameters_b=1.0)
CLOUD = deployment("cloud", local=False, price=Price(1e-6, 2e-6))


def made(
    model: str = "auto", rules: Policy | None = None, *here: Deployment, private: bool = False, **statuses: Status
) -> Decision:
    view = fleet(*(here or (BIG, MIDDLE, SMALL)), **statuses)
    title = turn("write a title", model=model, background="title", session="c1", private=private)
    return decide(title, view, rules or policy(), artefacts("chat"))


def asked(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


def test_the_smallest_that_is_loaded_is_asked_and_nothing_is_loaded() -> None:
    decision = made(big=WARM, middle=WARM, small=COLD)
    assert asked(decision) == ["middle", "big"]
    assert decision.reason == "background work of the client (title): the smallest model that is loaded"
    assert [(removal.deployment, removal.guard) for removal in decision.removed] == [("small", "background")]


def test_what_a_load_or_a_queue_would_cost_does_not_change_the_order() -> None:
    busy = Status(up=True, loaded=True, in_flight=3, latency_s=9.0)
    assert asked(made(big=WARM, middle=busy, small=COLD)) == ["middle", "big"]


def test_where_nothing_is_loaded_the_smallest_is() -> None:
    assert asked(made(big=COLD, middle=COLD, small=COLD)) == ["small", "middle", "big"]


def test_guards_come_first_and_even_then_nothing_is_loaded() -> None:
    narrow = deployment("narrow", parameters_b=1.0, window_tokens=8)
    assert asked(made("auto", None, narrow, MIDDLE, narrow=WARM, middle=WARM)) == ["middle"]
    refused = made("auto", None, narrow, MIDDLE, narrow=WARM, middle=COLD)
    assert refused.refusal is not None
    assert refused.refusal.error is NoDeployment


def test_a_model_elsewhere_is_asked_last() -> None:
    assert asked(made("auto", None, CLOUD, BIG, MIDDLE, big=WARM, middle=COLD)) == ["big", "cloud"]


def test_what_no_route_lists_is_not_asked() -> None:
    rules = Policy("p1", {task: Route(task, ("big", "middle")) for task in ("chat", "coding")})
    assert asked(made("auto", rules, BIG, MIDDLE, SMALL, CLOUD, big=WARM, middle=WARM, small=WARM)) == ["middle", "big"]


def test_a_route_that_is_local_stays_so() -> None:
    rules = Policy("p1", {"chat": Route("chat", ("big",), {"temperature": 1}), "coding": Route("coding", ("cloud",))})
    decision = made("chat", rules, BIG, CLOUD, big=Status(up=False, loaded=None))
    assert decision.refusal is not None
    assert asked(made("chat", rules, BIG, CLOUD, big=WARM)) == ["big"]
    assert asked(made("coding", rules, BIG, CLOUD, big=WARM)) == ["big", "cloud"]
    assert made("chat", rules, BIG, CLOUD, big=WARM).candidates[0].settings == {}


def test_a_private_conversation_has_a_private_title() -> None:
    decision = made("auto", None, CLOUD, private=True)
    assert decision.refusal is not None
    assert decision.refusal.error is PrivacyRefused


def test_who_names_a_deployment_gets_it() -> None:
    decision = made("small", big=WARM, small=COLD)
    assert asked(decision) == ["small"]
    assert decision.reason == "the caller named this deployment"


@pytest.mark.parametrize("background", [None, "title"])
def test_what_a_header_calls_background_work_is_nobodys_command(background: str | None) -> None:
    scores = load_task_model().predict(turn("turn on the kitchen light", background=background))
    assert scores.task == ("tool_calling" if background is None else "chat")
