"""What `needs.context` promises: long turns take the route that is for them, by the token, and never past a guard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from samples import ABLE, artefacts, deployment, fleet, image_turn, policy, tool_loop_turn, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.labels import TASKS
from waypost.decide.policy import VIRTUAL_MODELS, Policy, Route
from waypost.errors import ContextTooLong, PrivacyRefused
from waypost.fleet.deployment import Status
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import Image, Message, Text, Turn

NEEDS = 10_000
BOTH = fleet(deployment("small", window_tokens=100_000), deployment("large"))


def rules(**memory: object) -> Policy:
    """Chat goes to ``small``; what has more than 10,000 tokens is for ``large``."""
    long = Route("memory", ("large",), needs_context=NEEDS)
    return policy(routes={"chat": Route("chat", ("small",)), "memory": replace(long, **memory)})


def ids(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


@pytest.mark.parametrize(("tokens", "route"), [(9_999, "chat"), (10_000, "chat"), (10_001, "memory")])
@pytest.mark.parametrize(("cap", "answer"), [(None, 512), (100, 100), (0, 0)])
def test_a_turn_of_more_tokens_than_a_route_needs_takes_it(tokens: int, route: str, cap: int | None, answer: int) -> None:
    made = decide(turn(prompt_tokens=tokens - answer, answer_tokens=cap), BOTH, rules(), artefacts("chat"))
    assert made.route == route
    if route == "memory":
        assert made.reason == "prompt and answer have 10001 tokens, and route memory is for more than 10000"


@pytest.mark.parametrize("model", VIRTUAL_MODELS)
def test_every_virtual_model_sends_long_turns_there(model: str) -> None:
    assert decide(turn(model=model, prompt_tokens=NEEDS), BOTH, rules(), artefacts("chat")).route == "memory"


@pytest.mark.parametrize("model", ["chat", "small"])
def test_who_asks_by_name_gets_what_was_named(model: str) -> None:
    assert ids(decide(turn(model=model, prompt_tokens=20_000), BOTH, rules(), artefacts("memory"))) == ["small"]


@pytest.mark.parametrize(("tokens", "route"), [(2_001, "b"), (8_001, "c"), (30_000, "c"), (2_000, "chat")])
def test_of_several_long_routes_the_one_with_the_largest_number_exceeded_is_taken(tokens: int, route: str) -> None:
    needs = {"d": 30_000, "c": 8_000, "b": 2_000, "a": 2_000}
    many = policy(routes={name: Route(name, needs_context=number) for name, number in needs.items()})
    assert decide(turn(prompt_tokens=tokens, answer_tokens=0), BOTH, many, artefacts("chat")).route == route


def test_a_tool_loop_that_is_open_and_an_image_that_is_asked_about_keep_their_route() -> None:
    shown = turn(messages=(Message("user", (Text("what is it?"), Image(inline=True))),), prompt_tokens=20_000)
    for kept in (tool_loop_turn(prompt_tokens=20_000), shown):
        assert decide(kept, BOTH, rules(), artefacts("chat")).route == "chat"
    assert decide(image_turn(prompt_tokens=20_000), BOTH, rules(), artefacts("chat")).route == "memory"


def test_the_route_of_the_task_answers_when_nobody_on_the_long_route_can_and_the_card_says_so() -> None:
    down = FleetView(BOTH.deployments, {"large": Status(up=False, reason="refused")})
    made = decide(turn(prompt_tokens=20_000), down, rules(), artefacts("chat"))
    assert (made.route, ids(made)) == ("chat", ["small"])
    assert made.reason == (
        "prompt and answer have 20512 tokens, and route memory is for more than 10000, but nobody there can take it; "
        "the task is chat (confidence 0.90)"
    )
    assert [(removal.deployment, removal.guard) for removal in made.removed] == [("large", "health")]


def test_a_window_smaller_than_what_the_route_is_for_gets_no_turn_for_its_length() -> None:
    capped = deployment("large", window_tokens=9_999, settings={"max_tokens": 100})
    asks_much = turn(prompt_tokens=2_000, answer_tokens=16_000)
    made = decide(asks_much, fleet(deployment("small"), capped), rules(), artefacts("chat"))
    assert (made.route, ids(made)) == ("chat", ["small"])
    assert made.removed[0].reason == "this route is for more than 10000 tokens, its window holds 9999"
    assert ids(decide(replace(asks_much, model="memory"), fleet(capped), rules(), artefacts())) == ["large"]
    wide = replace(capped, window_tokens=10_000)
    assert ids(decide(asks_much, fleet(wide), rules(), artefacts())) == ["large"]


def test_who_was_removed_on_the_long_route_and_answers_on_the_tasks_is_a_candidate_only() -> None:
    capped = deployment("large", window_tokens=9_999, settings={"max_tokens": 100})
    made = decide(turn(prompt_tokens=2_000, answer_tokens=16_000), fleet(capped), rules(), artefacts("memory"))
    assert (made.route, ids(made), made.removed) == ("memory", ["large"], ())


def test_a_long_turn_never_goes_to_a_small_window() -> None:
    little = fleet(deployment("small", window_tokens=4_096), deployment("large", window_tokens=4_096))
    with pytest.raises(ContextTooLong, match="its window holds 4096"):
        decide(turn(prompt_tokens=12_000), little, rules(), artefacts("chat")).raise_if_refused()


@pytest.mark.parametrize("private", ["chat", "memory"])
def test_what_is_private_for_its_task_or_for_its_length_stays_private(private: str) -> None:
    made_of = rules()
    routes = {name: replace(route, private=name == private) for name, route in made_of.routes.items()}
    away = fleet(deployment("small", local=False), deployment("large", local=False))
    made = decide(turn(prompt_tokens=20_000), away, replace(made_of, routes=routes), artefacts("chat"))
    with pytest.raises(PrivacyRefused):
        made.raise_if_refused()


some_fleets = st.lists(
    st.builds(
        lambda name, window, local, tools, cap: deployment(
            name,
            local=local,
            window_tokens=window,
            capabilities=replace(ABLE, tools=tools),
            settings={} if cap is None else {"max_tokens": cap},
        ),
        st.sampled_from("abcd"),
        st.sampled_from([None, 4_096, 9_999, 10_000, 100_000]),
        st.booleans(),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, 64, 4_000]),
    ),
    max_size=4,
    unique_by=lambda d: d.id,
)
some_turns = st.builds(
    lambda make, model, prompt, answer, private: make(model=model, prompt_tokens=prompt, answer_tokens=answer, private=private),
    st.sampled_from([turn, image_turn, tool_loop_turn]),
    st.sampled_from([*VIRTUAL_MODELS, "chat", "memory", "a"]),
    st.one_of(st.integers(0, 30_000), st.integers(9_400, 10_100)),
    st.sampled_from([None, 0, 100, 16_000]),
    st.booleans(),
)
numbers = st.sampled_from([None, 0, 5_000, 9_999, 10_000, 50_000])
some_candidates = st.sampled_from([("*",), ("a", "b"), ("c",), ("gone",)])


def some_rules(memory: int | None, coding: int | None, candidates: tuple[str, ...], private: bool) -> Policy:
    return policy(
        routes={
            "memory": Route("memory", candidates, private=private, needs_context=memory),
            "coding": Route("coding", ("d", "a"), needs_context=coding),
        },
        fallbacks={"a": ("b",)},
    )


some_policies = st.builds(some_rules, numbers, numbers, some_candidates, st.booleans())
tasks = st.sampled_from([None, *TASKS])


@given(case=some_turns, deployments=some_fleets, policies=some_policies, task=tasks)
def test_no_decision_violates_a_guard_for_its_length(
    case: Turn, deployments: list[Deployment], policies: Policy, task: str | None
) -> None:
    made = decide(case, FleetView(tuple(deployments)), policies, artefacts(task))
    by_id = {d.id: d for d in deployments}
    needs = None if made.route is None else policies.routes[made.route].needs_context
    for name in ids(made):
        target, cap = by_id[name], by_id[name].settings.get("max_tokens", 100_000)
        answer = min(cap, case.answer_tokens or 0)
        assert target.window_tokens is None or case.prompt_tokens + answer <= target.window_tokens
        assert target.local or not (case.private or case.model == "auto-private")
        assert not (case.needs_tools and target.capabilities.tools is False)
        if made.reason.endswith(f"is for more than {needs}"):
            assert target.window_tokens is None or needs is None or target.window_tokens >= needs
    assert not set(ids(made)) & {removal.deployment for removal in made.removed}
    assert (made.refusal is None) == bool(made.candidates)


@given(case=some_turns, more=st.integers(0, 20_000), needs=numbers, task=tasks)
def test_more_tokens_never_leave_the_long_route(case: Turn, more: int, needs: int | None, task: str | None) -> None:
    view, made_of = fleet(deployment("a"), deployment("b")), some_rules(needs, None, ("*",), private=False)
    before = decide(case, view, made_of, artefacts(task))
    after = decide(replace(case, prompt_tokens=case.prompt_tokens + more), view, made_of, artefacts(task))
    assert before.route != "memory" or after.route == "memory"


@given(case=some_turns, deployments=some_fleets, policies=some_policies, relaxed=numbers, task=tasks)
def test_relaxing_what_a_route_needs_changes_only_the_turns_that_are_for_it(
    case: Turn, deployments: list[Deployment], policies: Policy, relaxed: int | None, task: str | None
) -> None:
    needs = policies.routes["memory"].needs_context
    assume(needs is not None and (relaxed is None or relaxed >= needs))
    routes = {**policies.routes, "memory": replace(policies.routes["memory"], needs_context=relaxed)}
    view = FleetView(tuple(deployments))
    before = decide(case, view, policies, artefacts(task))
    after = decide(case, view, replace(policies, routes=routes), artefacts(task))
    long = case.prompt_tokens + policies.answer_tokens_of(case) > (needs or 0)
    if not long or not any("route memory is for more than" in made.reason for made in (before, after)):
        assert after == before
