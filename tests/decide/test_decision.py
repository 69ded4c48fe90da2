"""What decide promises: explicit wins, guards are never broken, everything has a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import ABLE, WEATHER, artefacts, deployment, fleet, image_turn, policy, tool_loop_turn, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.labels import TASKS
from waypost.decide.policy import VIRTUAL_MODELS, Policy, Route
from waypost.errors import ContextTooLong, MissingCapability, NoDeployment, PrivacyRefused, UnknownModel
from waypost.fleet.deployment import Capabilities, Price, Status
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import Turn


def ids(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


def test_auto_follows_the_route_of_the_task() -> None:
    rules = policy(routes={"coding": Route("coding", ("b", "a"))})
    made = decide(turn("write a loop"), fleet(deployment("a"), deployment("b")), rules, artefacts("coding"))
    assert ids(made) == ["b", "a"]
    assert made.route == "coding"
    assert made.reason == "the task is coding (confidence 0.90)"
    assert made.refusal is None


def test_an_abstaining_model_takes_the_default_route_and_says_so() -> None:
    rules = policy(default_route="calm", routes={"calm": Route("calm", ("a",))})
    made = decide(turn("?"), fleet(deployment("a"), deployment("b")), rules, artefacts(None, 0.4))
    assert (made.route, ids(made)) == ("calm", ["a"])
    assert made.reason == "not clear what is asked (best guess reasoning, confidence 0.40): the default route answers"


def test_each_channel_may_have_a_default_of_its_own() -> None:
    rules = policy(channel_routes={"voice": "calm"}, routes={"calm": Route("calm", ("a",))})
    view = fleet(deployment("a"), deployment("b"))
    routes = [
        decide(replace(turn("?"), channel=channel), view, rules, artefacts(None, 0.4)).route for channel in ("voice", None)
    ]
    assert routes == ["calm", "chat"]


def test_a_named_deployment_wins_over_the_task() -> None:
    made = decide(turn(model="b"), fleet(deployment("a"), deployment("b")), policy(), artefacts("coding"))
    assert (ids(made), made.route) == (["b"], None)


def test_a_named_route_wins_over_the_task_and_an_alias_says_what_it_stands_for() -> None:
    rules = policy(aliases={"zoe-action": "tool_calling"}, routes={"tool_calling": Route("tool_calling", ("b",))})
    made = decide(turn(model="zoe-action"), fleet(deployment("a"), deployment("b")), rules, artefacts("chat"))
    assert (ids(made), made.route) == (["b"], "tool_calling")
    assert made.reason == "zoe-action is an alias of tool_calling; the caller named this route"


def test_a_wildcard_group_takes_the_name_that_the_caller_gave_and_never_joins_auto() -> None:
    view = fleet(deployment("openai/*", model="*"), deployment("a"))
    named = decide(turn(model="openai/gpt-9"), view, policy(), artefacts())
    assert [(c.deployment, c.model) for c in named.candidates] == [("openai/*", "gpt-9")]
    assert ids(decide(turn(), view, policy(), artefacts())) == ["a"]


def test_an_unknown_model_is_a_404_with_the_closest_names() -> None:
    made = decide(turn(model="alhpa"), fleet(deployment("alpha")), policy(), artefacts())
    with pytest.raises(UnknownModel, match="did you mean alpha") as caught:
        made.raise_if_refused()
    assert (caught.value.status, caught.value.param) == (404, "model")


def test_an_old_image_still_needs_eyes_and_a_route_without_them_is_left() -> None:
    blind = deployment("blind", capabilities=replace(ABLE, vision=None))
    rules = policy(routes={"chat": Route("chat", ("blind",)), "vision": Route("vision", ("eyes",))})
    made = decide(image_turn(), fleet(blind, deployment("eyes")), rules, artefacts("chat"))
    assert (ids(made), made.route) == (["eyes"], "vision")
    assert made.removed[0].reason == "is not known to take images"
    assert "an image needs eyes" in made.reason


def test_a_named_route_without_eyes_is_refused_and_never_answered_by_a_text_model() -> None:
    blind = deployment("blind", capabilities=replace(ABLE, vision=False))
    rules = policy(routes={"chat": Route("chat", ("blind",))})
    made = decide(image_turn(model="chat"), fleet(blind, deployment("eyes")), rules, artefacts("chat"))
    with pytest.raises(MissingCapability, match="blind cannot take images"):
        made.raise_if_refused()


def test_a_named_deployment_of_unknown_sight_is_trusted_and_a_blind_one_is_not() -> None:
    unknown = deployment("unknown", capabilities=Capabilities())
    blind = deployment("blind", capabilities=Capabilities(vision=False))
    assert ids(decide(image_turn(model="unknown"), fleet(unknown, blind), policy(), artefacts())) == ["unknown"]
    assert ids(decide(image_turn(model="blind"), fleet(unknown, blind), policy(), artefacts())) == []


def test_row_37_fallbacks_keep_every_guard() -> None:
    deaf = deployment("deaf", capabilities=replace(ABLE, tools=False))
    rules = policy(routes={"chat": Route("chat", ("a",))}, fallbacks={"a": ("deaf", "b")})
    view = fleet(deployment("a"), deaf, deployment("b"))
    made = decide(turn(tools=(WEATHER,)), view, rules, artefacts("chat"))
    assert [(c.deployment, c.fallback) for c in made.candidates] == [("a", False), ("b", True)]
    assert [(r.deployment, r.guard) for r in made.removed] == [("deaf", "tools")]


def test_only_turns_whose_answer_may_call_a_tool_are_verified() -> None:
    rules = policy(verify="tools", routes={"memory": Route("memory", verify="off")})

    def verify(**fields: Any) -> str:
        made = decide(turn(**fields), fleet(deployment("a")), rules, artefacts("chat"))
        assert made.to_dict()["verify"] == made.verify
        return made.verify

    assert verify(tools=(WEATHER,)) == verify(tools=(WEATHER,), model="a") == "tools"
    assert verify() == verify(tools=(WEATHER,), tool_choice="none") == verify(tools=(WEATHER,), model="memory") == "off"


def test_a_tool_history_needs_tools_even_when_none_are_offered_now() -> None:
    deaf = deployment("deaf", capabilities=replace(ABLE, tools=False))
    assert ids(decide(tool_loop_turn(), fleet(deaf, deployment("a")), policy(), artefacts("chat"))) == ["a"]


@pytest.mark.parametrize(("prompt_tokens", "fits"), [(9_999, True), (10_000, True), (10_001, False)])
def test_the_window_holds_prompt_answer_and_headroom_to_the_token(prompt_tokens: int, fits: bool) -> None:
    small = deployment("small", window_tokens=10_000 + 100 + 256)
    made = decide(turn(prompt_tokens=prompt_tokens, answer_tokens=100), fleet(small), policy(), artefacts())
    assert (ids(made) == ["small"]) is fits
    if not fits:
        with pytest.raises(ContextTooLong, match=r"needs 10357 tokens, its window holds 10356"):
            made.raise_if_refused()


def test_the_cap_that_is_sent_is_the_cap_that_must_fit() -> None:
    capped = deployment("capped", window_tokens=8000, settings={"num_predict": 256})
    assert ids(decide(turn(answer_tokens=16_000), fleet(capped), policy(), artefacts())) == ["capped"]
    long = policy(routes={"chat": Route("chat", settings={"max_tokens": 7000})})
    assert (
        ids(decide(turn(model="chat", prompt_tokens=2635), fleet(deployment("a", window_tokens=8000)), long, artefacts())) == []
    )


def test_a_cap_that_is_larger_than_what_is_left_keeps_nobody_from_an_ollama_and_from_others_it_does() -> None:
    ollama, other = deployment("ollama", window_tokens=4096, lane="ollama"), deployment("other", window_tokens=4096)
    both, long = fleet(ollama, other), 4096 - 512 - 256
    assert ids(decide(turn(answer_tokens=8192), both, policy(), artefacts())) == ["ollama"]
    assert ids(decide(turn(prompt_tokens=long, answer_tokens=8192), both, policy(), artefacts())) == ["ollama"]
    assert ids(decide(turn(prompt_tokens=long + 1, answer_tokens=8192), both, policy(), artefacts())) == []
    assert set(ids(decide(turn(prompt_tokens=long + 1, answer_tokens=100), both, policy(), artefacts()))) == {"ollama", "other"}


def test_an_answer_without_a_cap_claims_no_more_than_a_quarter_of_a_small_window() -> None:
    small = deployment("small", window_tokens=1024)
    assert ids(decide(turn(prompt_tokens=704), fleet(small), policy(), artefacts())) == ["small"]
    assert ids(decide(turn(prompt_tokens=705), fleet(small), policy(), artefacts())) == []


@pytest.mark.parametrize("turn_fields", [{"private": True}, {"model": "auto-private"}, {"model": "secrets"}])
def test_a_private_request_is_refused_rather_than_sent_out(turn_fields: dict[str, object]) -> None:
    cloud = deployment("cloud", local=False)
    rules = policy(routes={"secrets": Route("secrets", private=True)})
    made = decide(turn(**turn_fields), fleet(cloud), rules, artefacts("chat"))
    with pytest.raises(PrivacyRefused):
        made.raise_if_refused()
    both = decide(turn(**turn_fields), fleet(cloud, deployment("home")), rules, artefacts("chat"))
    assert ids(both) == ["home"]


def test_down_and_cooling_deployments_are_left_out_with_their_reason() -> None:
    view = fleet(deployment("a"), deployment("b"), a=Status(up=False, reason="refused"), b=Status(cooling_s=30.0, reason="429"))
    made = decide(turn(), view, policy(), artefacts())
    assert {r.deployment: r.reason for r in made.removed} == {"a": "is down (refused)", "b": "cools for 30 s more (429)"}
    with pytest.raises(NoDeployment):
        made.raise_if_refused()


def test_no_deployment_at_all_says_what_to_do() -> None:
    with pytest.raises(NoDeployment, match="start an engine"):
        decide(turn(), fleet(), policy(), artefacts()).raise_if_refused()


def test_replicas_go_least_busy_first_and_ties_fall_the_same_way_on_replay() -> None:
    replicas = [deployment(f"r{i}", group="g") for i in range(4)]
    busy = {"r0": Status(in_flight=2), "r1": Status(in_flight=1), "r2": Status(), "r3": Status()}
    view = FleetView(tuple(replicas), busy)
    rules = policy(routes={"chat": Route("chat", ("g",))})
    orders = {tuple(ids(decide(turn(id=f"t{n}"), view, rules, artefacts()))) for n in range(20)}
    assert {order[2:] for order in orders} == {("r1", "r0")}
    assert len(orders) == 2
    assert decide(turn(), view, rules, artefacts()) == decide(turn(), view, rules, artefacts())


def test_cheap_fast_and_best_order_the_routes_candidates_their_own_way() -> None:
    view = fleet(
        deployment("home", parameters_b=7.0),
        deployment("dear", local=False, price=Price(1e-5, 3e-5)),
        deployment("cheap", local=False, price=Price(1e-7, 3e-7)),
        deployment("tiny", parameters_b=1.0),
        home=Status(loaded=True),
        tiny=Status(loaded=False),
    )
    first = {name: ids(decide(turn(model=name), view, policy(), artefacts("chat")))[0] for name in VIRTUAL_MODELS}
    assert first["auto-cheap"] in ("home", "tiny")
    assert first["auto-best"] == "dear"
    assert first["auto-fast"] == "home"


def test_settings_of_the_route_and_expected_cost_are_on_the_card() -> None:
    rules = policy(routes={"chat": Route("chat", ("a",), {"temperature": 0.2})})
    view = fleet(deployment("a", price=Price(1e-6, 2e-6)))
    card = decide(turn(prompt_tokens=1000, answer_tokens=500), view, rules, artefacts()).to_dict()
    assert card["candidates"][0]["settings"] == {"temperature": 0.2}
    assert card["candidates"][0]["expected_cost_usd"] == pytest.approx(0.002)
    assert (card["deployment"], card["card_version"]) == ("a", 1)


def test_a_private_route_stays_private_when_another_route_takes_over() -> None:
    view = fleet(deployment("home"), deployment("cloud", local=False), home=Status(cooling_s=3.0, reason="it failed"))
    rules = policy(routes={"memory": Route("memory", ("home",), private=True)})
    made = decide(turn(), view, rules, artefacts("memory"))
    assert ids(made) == []
    with pytest.raises(NoDeployment) as caught:
        made.raise_if_refused()
    assert caught.value.retry_after_s == 3.0


def test_a_named_deployment_that_cannot_do_it_is_refused_and_one_that_is_down_is_replaced() -> None:
    blind = deployment("blind", capabilities=replace(ABLE, vision=False), window_tokens=4096)
    rules = policy(fallbacks={"blind": ("eyes",)}, context_fallbacks={"blind": ("long",)}, default_fallbacks=("eyes",))
    view = fleet(blind, deployment("eyes"), deployment("long"))
    assert ids(decide(image_turn(model="blind"), view, rules, artefacts())) == []
    assert ids(decide(turn(model="blind", prompt_tokens=9000), view, rules, artefacts())) == ["long"]
    down = FleetView(view.deployments, {"blind": Status(up=False)})
    assert ids(decide(turn(model="blind"), down, rules, artefacts())) == ["eyes", "long"]


def test_everybodys_longer_deployment_is_asked_when_a_prompt_is_too_long() -> None:
    small = deployment("small", window_tokens=4096)
    rules = policy(context_fallbacks={"*": ("long",)})
    view = fleet(small, deployment("long"))
    assert ids(decide(turn(model="small", prompt_tokens=9000), view, rules, artefacts())) == ["long"]


def test_the_longest_pattern_is_the_one_that_was_meant() -> None:
    everything, anthropic = deployment("*", model="*"), deployment("anthropic/*", provider="anthropic", model="*")
    view = fleet(everything, anthropic)
    for n in range(20):
        made = decide(turn(id=f"t{n}", model="anthropic/claude"), view, policy(), artefacts())
        assert [(c.deployment, c.model) for c in made.candidates] == [("anthropic/*", "claude")]
    with pytest.raises(NoDeployment, match="only patterns"):
        decide(turn(), view, policy(), artefacts()).raise_if_refused()


def test_six_equal_probabilities_are_no_guess() -> None:
    made = decide(turn(""), fleet(deployment("a")), policy(), artefacts(None, 1 / 6))
    assert made.reason == "not clear what is asked: the default route answers"


def test_a_route_whose_deployments_are_not_here_names_them() -> None:
    rules = policy(routes={"mine": Route("mine", ("gone",))})
    made = decide(turn(model="mine"), fleet(deployment("a")), rules, artefacts())
    with pytest.raises(NoDeployment, match="route mine lists gone"):
        made.raise_if_refused()


maybe = st.sampled_from([None, True, False])
windows = st.sampled_from([None, 256, 1024, 4096, 100_000])
some_deployments = st.lists(
    st.builds(
        lambda n, local, window, tools, vision, mode: deployment(
            n,
            group=n[0],
            local=local,
            window_tokens=window,
            mode=mode,
            capabilities=Capabilities(tools=tools, vision=vision, structured_output=tools),
        ),
        st.sampled_from([f"{g}{i}" for g in "abc" for i in range(3)]),
        st.booleans(),
        windows,
        maybe,
        maybe,
        st.sampled_from(["chat", "embedding"]),
    ),
    max_size=6,
    unique_by=lambda d: d.id,
)
some_status = st.builds(Status, up=maybe, loaded=maybe, in_flight=st.integers(0, 3), cooling_s=st.sampled_from([None, 5.0]))
some_turns = st.builds(
    lambda make, model, tools, prompt, answer, private, form: make(
        model=model, tools=tools, prompt_tokens=prompt, answer_tokens=answer, private=private, response_format=form
    ),
    st.sampled_from([turn, image_turn, tool_loop_turn]),
    st.sampled_from([*VIRTUAL_MODELS, *TASKS, "a", "b0", "zoe", "secrets", "nobody"]),
    st.sampled_from([(), (WEATHER,)]),
    st.integers(0, 6000),
    st.sampled_from([None, 0, 100, 5000]),
    st.booleans(),
    st.sampled_from(["text", "json_object", "json_schema"]),
)
some_policies = st.builds(
    lambda candidates, fallbacks, default: policy(
        routes={
            "chat": Route("chat", candidates),
            "memory": Route("memory", candidates, private=True),
            "secrets": Route("secrets", ("*",), private=True),
        },
        aliases={"zoe": "tool_calling"},
        fallbacks={"a": fallbacks},
        default_fallbacks=default,
    ),
    st.sampled_from([("*",), ("a",), ("a", "c"), ("b1", "*"), ("gone",)]),
    st.sampled_from([(), ("b",), ("c", "b2"), ("a",)]),
    st.sampled_from([(), ("c",)]),
)


def broken_guard(
    case: Turn, made: Decision, target: Deployment, status: Status, task: str | None, fallback: bool
) -> str | None:
    """An independent reading of the constraints: which one this candidate breaks."""
    can, named = target.capabilities, made.route is None
    private = case.private or case.model in ("auto-private", "secrets") or (case.model == "auto" and task == "memory")
    window = target.window_tokens
    checks = {
        "mode": target.mode != "chat",
        "sight": case.has_image and can.vision is not True and not (named and not fallback and can.vision is None),
        "tools": case.needs_tools and can.tools is False,
        "schema": case.response_format == "json_schema" and can.structured_output is False,
        "window": window is not None and case.prompt_tokens + (case.answer_tokens or 0) > window,
        "privacy": private and not target.local,
        "health": status.up is False or status.cooling_s is not None,
    }
    return next((name for name, broken in checks.items() if broken), None)


@given(
    case=some_turns,
    deployments=some_deployments,
    statuses=st.lists(some_status, min_size=6, max_size=6),
    rules=some_policies,
    task=st.sampled_from([None, *TASKS]),
)
def test_no_decision_ever_violates_a_guard_and_every_absence_has_a_reason(
    case: Turn, deployments: list[Deployment], statuses: list[Status], rules: Policy, task: str | None
) -> None:
    view = FleetView(tuple(deployments), {d.id: s for d, s in zip(deployments, statuses, strict=False)})
    made = decide(case, view, rules, artefacts(task))
    by_id = {d.id: d for d in deployments}
    for candidate in made.candidates:
        status = view.status(candidate.deployment)
        assert broken_guard(case, made, by_id[candidate.deployment], status, task, candidate.fallback) is None
    assert not {c.deployment for c in made.candidates} & {r.deployment for r in made.removed}
    assert len(set(ids(made))) == len(made.candidates)
    assert all(r.reason and r.guard for r in made.removed)
    assert (made.refusal is None) == bool(made.candidates)
    assert decide(case, view, rules, artefacts(task)) == made


@given(case=some_turns, deployments=some_deployments, rules=some_policies)
def test_an_irrelevant_capability_never_changes_a_decision(case: Turn, deployments: list[Deployment], rules: Policy) -> None:
    """Relaxing a constraint that the turn does not touch leaves the route alone."""
    deafened = [replace(d, capabilities=replace(d.capabilities, audio=True, files=True)) for d in deployments]
    before = decide(case, FleetView(tuple(deployments)), rules, artefacts("chat"))
    assert decide(case, FleetView(tuple(deafened)), rules, artefacts("chat")) == before


@pytest.mark.parametrize(
    ("group", "model", "asked", "sent"),
    [
        ("*", "*", "gpt-9", "gpt-9"),
        ("openai/*", "*", "openai/gpt-9", "gpt-9"),
        ("claude-*", "claude-*", "claude-opus", "claude-opus"),
        ("x.*", "y-*", "x.1", "y-1"),
    ],
)
def test_a_wildcard_passes_on_what_its_star_stood_for(group: str, model: str, asked: str, sent: str) -> None:
    made = decide(turn(model=asked), fleet(deployment(group, model=model)), policy(), artefacts())
    assert [candidate.model for candidate in made.candidates] == [sent]
