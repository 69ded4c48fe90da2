"""What is loaded changes who is asked first, and never who may be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decide.engine import cloud, local, one_slot, order
from samples import ABLE, artefacts, fleet, image_turn, policy, tool_loop_turn, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import Policy, ResidencyRules, Route
from waypost.fleet.deployment import Status
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import Turn

PRICED: dict[str, Any] = {"prompt_tokens_per_s": 500.0, "answer_tokens_per_s": 50.0}


def decided(view: FleetView, *listed: str, asked: Turn | None = None, rules: dict[str, Any] | None = None) -> Decision:
    route = Route("memory", listed or ("a", "b"))
    made = policy(routes={"memory": route}, **(rules or {}))
    return decide(asked or turn(), view, made, artefacts("memory"))


def test_a_warm_model_one_place_down_goes_ahead_and_the_card_says_why() -> None:
    made = decided(one_slot("b", local("a"), local("b")))
    assert order(made) == ["b", "a"]
    assert made.candidates[0].reason.endswith("; goes ahead of a: it is warm, and about as good")
    assert "to be loaded in 20 s, would evict b" in made.candidates[1].reason
    assert [one.loads for one in made.candidates] == [False, True]


def test_switched_off_what_is_loaded_changes_nothing() -> None:
    made = decided(one_slot("b", local("a"), local("b")), rules={"residency": None})
    assert order(made) == ["a", "b"]
    assert [one.loads for one in made.candidates] == [None, None]


def test_the_band_is_wider_for_chat_and_for_what_is_spoken_and_a_route_may_have_its_own() -> None:
    quick = one_slot("c", local("a"), local("b"), local("c"), load_s=1.0)
    assert order(decided(quick, "a", "b", "c"))[0] == "a"
    assert order(decided(quick, "a", "b", "c", asked=turn(channel="voice")))[0] == "c"
    chat = policy(routes={"chat": Route("chat", ("a", "b", "c"))})
    assert order(decide(turn(), quick, chat, artefacts("chat")))[0] == "c"
    strict = policy(routes={"chat": Route("chat", ("a", "b", "c"), band=0.0)})
    assert order(decide(turn(), quick, strict, artefacts("chat")))[0] == "a"


def test_outside_the_band_a_load_has_to_be_worth_its_wait_and_a_margin() -> None:
    rules = {"residency": ResidencyRules(band=0.0)}
    assert order(decided(one_slot("b", local("a"), local("b"), load_s=20.0), rules=rules)) == ["b", "a"]
    better = local("a", quality={"memory": 0.9}), local("b", quality={"*": 0.8})
    assert order(decided(one_slot("b", *better, load_s=20.0), rules=rules)) == ["a", "b"]
    assert order(decided(one_slot("b", *better, load_s=45.0), rules=rules)) == ["b", "a"]


def test_a_load_that_throws_nothing_out_is_made_once_and_worth_its_wait() -> None:
    def first(load_s: float, **memory: Any) -> str:
        sized = {"a": {"size_bytes": 5}, "b": {"size_bytes": 5}}
        return order(decided(one_slot("b", local("a"), local("b"), load_s=load_s, memory=memory, **sized)))[0]

    assert first(60.0, max_models=2) == "a"
    assert first(60.0, max_models=None, capacity_bytes=10) == "a"
    assert first(60.0, max_models=None, capacity_bytes=9) == "b"
    assert first(60.0, max_models=None) == "b"
    assert first(300.0, max_models=2) == "b"


def test_what_would_be_thrown_out_counts_as_often_as_it_is_wanted() -> None:
    rules = {"residency": ResidencyRules(band=0.0)}
    better = local("a", quality={"*": 0.9}), local("b", quality={"*": 0.83})
    wanted, rare = ({"demand": share} for share in (0.9, 0.0))
    assert order(decided(one_slot("b", *better, b=rare), rules=rules)) == ["a", "b"]
    assert order(decided(one_slot("b", *better, b=wanted), rules=rules)) == ["b", "a"]
    assert order(decided(one_slot("b", *better, a=wanted, b=wanted), rules=rules)) == ["a", "b"]


def test_the_margin_of_a_switch_shrinks_with_each_request_that_waits_for_the_same_model() -> None:
    rules = {"residency": ResidencyRules(band=0.0)}
    better = local("a", quality={"*": 0.9}), local("b", quality={"*": 0.85})
    alone = one_slot("b", *better)
    assert order(decided(alone, rules=rules)) == ["b", "a"]
    joined = one_slot("b", *better, a={"in_flight": 1})
    assert order(decided(joined, rules=rules)) == ["a", "b"]


def test_the_same_weights_under_other_settings_cost_no_load() -> None:
    view = one_slot("qwen", local("think", model="qwen"), local("b"))
    made = decided(view, "think", "b")
    assert order(made) == ["think", "b"]
    assert [one.loads for one in made.candidates] == [False, True]


def test_with_stated_quality_speed_counts_and_without_it_the_list_knows_better() -> None:
    def view(**fields: Any) -> FleetView:
        slow, quick = {**PRICED, "answer_tokens_per_s": 5.0}, PRICED
        both = local("a", **fields), local("b", **fields)
        return one_slot(("a", "b"), *both, a=slow, b=quick, memory={"max_models": 2})

    assert order(decided(view(), asked=turn(answer_tokens=512))) == ["a", "b"]
    assert order(decided(view(quality={"*": 0.8}), asked=turn(answer_tokens=512))) == ["b", "a"]
    unknown = view(quality={"*": 0.8})
    silent = {**unknown.statuses, "b": Status(residency=Residency("ollama", "b"))}
    assert order(decided(replace(unknown, statuses=silent), asked=turn(answer_tokens=512))) == ["a", "b"]


def test_a_stated_quality_of_0_is_not_taken_for_an_unknown_one() -> None:
    view = one_slot("b", local("a", quality={"*": 0.0}), local("b", quality={"*": 0.5}), local("c"), load_s=1.0)
    assert order(decided(view, "a", "b", "c")) == ["b", "c", "a"]


def test_who_has_a_queue_gives_way_when_the_wait_is_worth_more_than_the_place() -> None:
    warm: dict[str, Any] = {"memory": {"max_models": 2}}
    view = one_slot(("a", "b"), local("a"), local("b"), a={**PRICED, "in_flight": 3}, b=PRICED, **warm)
    made = decided(view, asked=turn(answer_tokens=500))
    assert order(made) == ["b", "a"]
    assert "the wait there would be longer than it is worth" in made.candidates[0].reason


def test_a_warm_model_with_a_long_queue_does_not_go_ahead_of_an_idle_engine() -> None:
    view = one_slot("b", local("a"), local("b"), b={**PRICED, "in_flight": 9})
    elsewhere = {**view.statuses, "a": Status(residency=Residency("other", "a", load_s=5.0))}
    idle = FleetView(view.deployments, elsewhere, (), {**view.memories, "other": Memory((), max_models=1)})
    assert order(decided(idle, asked=turn(answer_tokens=500))) == ["a", "b"]


def test_replicas_count_as_equally_good_and_the_warm_one_is_asked() -> None:
    replicas = local("g1", group="g"), local("g2", group="g")
    on = {one.id: Status(residency=Residency(one.id, "g", load_s=20.0)) for one in replicas}
    for warm in ("g1", "g2"):
        view = FleetView(replicas, on, (), {name: Memory(("g",) if name == warm else ()) for name in on})
        for model in ("auto", "g"):
            assert order(decided(view, "g", asked=turn(model=model)))[0] == warm


def test_of_two_cold_replicas_the_one_whose_load_is_under_way_is_asked_unless_its_queue_is_longer_than_a_load() -> None:
    replicas = local("g1", group="g"), local("g2", group="g")

    def first(waiting: int, load_s: float | None = 20.0, **known: Any) -> str:
        view = FleetView(
            replicas,
            {
                "g1": Status(residency=Residency("g1", "g", load_s=load_s, **known)),
                "g2": Status(in_flight=waiting, residency=Residency("g2", "g", load_s=load_s, **known)),
            },
            (),
            {"g1": Memory(("other",), max_models=1), "g2": Memory(loading="g")},
        )
        made = decided(view, "g", asked=turn(answer_tokens=200))
        assert decided(replace(view, memories={"g1": Memory(), "g2": Memory()}), "g").candidates[0].deployment == "g1"
        return made.candidates[0].deployment

    assert first(1) == first(1, None) == first(1, **PRICED) == "g2"
    assert first(9, **PRICED) == "g1"


def test_replicas_that_are_all_warm_keep_the_order_of_balancing() -> None:
    replicas = local("g1", group="g"), local("g2", group="g")
    on = {one.id: Status(in_flight=n, residency=Residency(one.id, "g", **PRICED)) for n, one in enumerate(replicas)}
    view = FleetView(replicas, on, (), {name: Memory(("g",)) for name in on})
    rules = {"balancing": "weighted"}
    plain = FleetView(replicas, {name: Status(in_flight=status.in_flight) for name, status in on.items()})
    for n in range(20):
        asked = turn(id=f"t{n}")
        assert order(decided(view, "g", asked=asked, rules=rules)) == order(decided(plain, "g", asked=asked, rules=rules))


def test_a_conversation_stays_with_the_warm_model_that_has_read_it() -> None:
    both = {"memory": {"max_models": 2}, "a": PRICED, "b": PRICED}
    here = one_slot(("a", "b"), local("a", quality={"*": 0.8}), local("b", quality={"*": 0.79}), answered_last=("b",), **both)
    made = decided(here)
    assert order(made) == ["b", "a"]
    assert "the conversation stays where it was" in made.candidates[0].reason
    assert order(decided(here, rules={"session_affinity": False})) == ["a", "b"]
    better = local("a", quality={"*": 0.9}), local("b", quality={"*": 0.79})
    assert order(decided(one_slot(("a", "b"), *better, answered_last=("b",), **both))) == ["a", "b"]


def test_after_an_image_the_conversation_goes_back_to_its_model_even_if_that_has_to_be_loaded() -> None:
    blind = replace(ABLE, vision=False)
    models = local("a", capabilities=blind), local("b", capabilities=blind), local("eyes")
    for resident in ("eyes", "a", "b"):
        view = one_slot(resident, *models, answered_last=("eyes", "b"), load_s=60.0)
        made = decided(view, "eyes", "a", "b")
        assert order(made)[0] == "b"
        assert "the conversation goes back to it, as no image is left" in made.candidates[0].reason
        assert order(decided(view, "eyes", "a", "b", asked=image_turn())) == ["eyes"]
    begun = one_slot("eyes", *models, answered_last=("eyes",), load_s=60.0)
    assert order(decided(begun, "eyes", "a", "b"))[0] == "eyes"
    misfit = one_slot("eyes", *models, answered_last=("eyes", "b"), b={"misfit": True})
    assert order(decided(misfit, "eyes", "a", "b")) == ["eyes", "a", "b"]


def test_after_an_image_it_goes_back_though_the_model_that_sees_is_on_a_route_of_its_own() -> None:
    blind = replace(ABLE, vision=False)
    view = one_slot(
        "eyes", local("a", capabilities=blind), local("b", capabilities=blind), local("eyes"), answered_last=("eyes", "b", "a")
    )
    made = decided(view, "a", "b")
    assert order(made) == ["b", "a"]
    assert "the conversation goes back to it, as no image is left" in made.candidates[0].reason
    assert order(decided(replace(view, answered_last=("gone", "b")), "a", "b")) == ["a", "b"]


def test_a_tool_loop_stays_with_the_model_that_called_the_tool() -> None:
    cold = one_slot("b", local("a"), local("b"), answered_last=("a", "b"))
    made = decided(cold, "b", "a", asked=tool_loop_turn())
    assert order(made) == ["a", "b"]
    assert made.candidates[0].reason.startswith("called the tool whose result this is")
    assert order(decided(fleet(local("a"), local("b")), "b", "a", asked=tool_loop_turn())) == ["b", "a"]
    for name in ("auto-fast", "auto-cheap", "auto-best"):
        assert order(decided(cold, "b", "a", asked=tool_loop_turn(model=name)))[0] == "a"


def test_a_tool_loop_follows_its_model_past_the_route_but_never_past_a_guard() -> None:
    view = one_slot("b", cloud("a"), local("b"), answered_last=("a",))
    assert order(decided(view, "b", asked=tool_loop_turn())) == ["a", "b"]
    assert order(decided(view, "b", asked=tool_loop_turn(private=True))) == ["b"]
    assert order(decided(view, "b", asked=tool_loop_turn(model="memory"))) == ["b"]


def test_a_name_that_says_by_what_to_order_is_obeyed() -> None:
    big, small = local("a", parameters_b=70.0), local("b", parameters_b=1.0)
    made = decided(one_slot("b", big, small), asked=turn(model="auto-best"))
    assert order(made) == ["a", "b"]
    assert made.candidates[0].loads is True


def test_a_model_that_did_not_fit_is_asked_last_even_behind_fallbacks() -> None:
    view = one_slot("c", local("a"), local("b"), local("c"), a={"misfit": True})
    made = decided(view, "a", "b", rules={"fallbacks": {"a": ("c",)}})
    assert order(made) == ["b", "c", "a"]
    assert made.candidates[-1].reason.endswith("asked last, as it did not fit into memory when it was last loaded")
    warm = one_slot("a", local("a"), local("b"), a={"misfit": True})
    assert order(decided(warm)) == ["a", "b"]


def test_nothing_spills_unless_it_is_said_and_nothing_private_ever() -> None:
    view = one_slot("c", local("a"), cloud("cloud"), local("c"), a=PRICED, load_s=60.0, cloud={"latency_s": 1.0})
    asked = turn(stream=True)
    assert order(decided(view, "a", "cloud", asked=asked)) == ["a", "cloud"]
    spilling = {"residency": ResidencyRules(spill_s=30.0)}
    made = decided(view, "a", "cloud", asked=asked, rules=spilling)
    assert order(made) == ["cloud", "a"]
    assert "every local one would take 60 s or more, and policy.residency.spill_s is 30" in made.candidates[0].reason
    assert [one.expected_wait_s for one in made.candidates] == [1.0, pytest.approx(60.02)]
    assert order(decided(view, "a", "cloud", asked=replace(asked, private=True), rules=spilling)) == ["a"]


@pytest.mark.parametrize(
    ("a", "of_cloud", "load_s"),
    [({}, {}, 60.0), (PRICED, {}, 10.0), (PRICED, {"latency_s": 90.0}, 60.0), (PRICED, {}, None)],
)
def test_nothing_spills_while_the_wait_is_short_or_unknown_or_no_shorter_there(
    a: dict[str, Any], of_cloud: dict[str, Any], load_s: float | None
) -> None:
    view = one_slot("c", local("a"), cloud("cloud"), local("c"), a=a, load_s=load_s, cloud=of_cloud)
    spilling = {"residency": ResidencyRules(spill_s=30.0)}
    assert order(decided(view, "a", "cloud", asked=turn(stream=True), rules=spilling)) == ["a", "cloud"]


def test_who_is_not_known_keeps_its_place() -> None:
    view = one_slot("b", local("a"), cloud("cloud"), local("b"))
    assert order(decided(view, "a", "cloud", "b")) == ["b", "cloud", "a"]
    assert order(decided(view, "cloud", "a", "b")) == ["cloud", "b", "a"]


def test_a_server_whose_model_is_always_there_is_warm_beside_one_that_loads() -> None:
    view = one_slot("c", local("a"), local("always"), local("c"), always={"residency": None, "loaded": True})
    assert order(decided(view, "a", "always")) == ["always", "a"]


def test_on_an_open_route_a_model_made_for_the_task_is_worth_a_short_load() -> None:
    def first(load_s: float) -> str:
        view = one_slot("b", local("coder", model="some-coder"), local("b"), load_s=load_s)
        return order(decide(turn(), view, policy(), artefacts("coding")))[0]

    assert (first(10.0), first(60.0)) == ("coder", "b")


names = st.sampled_from(["a", "b", "c", "d"])
maybe = st.sampled_from([None, True, False])
residencies = st.builds(
    Residency,
    st.sampled_from(["one", "two"]),
    names,
    size_bytes=st.sampled_from([None, 1, 5]),
    load_s=st.sampled_from([None, 0.5, 30.0]),
    prompt_tokens_per_s=st.sampled_from([None, 0.0, 500.0]),
    answer_tokens_per_s=st.sampled_from([None, 30.0]),
    waiting=st.sampled_from([None, 0, 7]),
    demand=st.sampled_from([0.0, 0.7]),
    misfit=st.booleans(),
)
statuses = st.builds(
    Status,
    up=maybe,
    loaded=maybe,
    in_flight=st.integers(0, 4),
    cooling_s=st.sampled_from([None, 5.0]),
    latency_s=st.sampled_from([None, 0.4]),
    residency=st.none() | residencies,
)
memories = st.builds(
    Memory,
    st.lists(names, max_size=3, unique=True).map(tuple),
    st.sampled_from([None, 6]),
    st.sampled_from([None, 1, 2]),
    st.none() | names,
)
rules = st.builds(
    ResidencyRules,
    band=st.sampled_from([0.0, 0.03, 1.0]),
    quality_per_s=st.sampled_from([0.0, 0.002, 1.0]),
    margin=st.sampled_from([0.0, 0.02]),
    spill_s=st.sampled_from([None, 1.0]),
)
qualities = st.sampled_from([{}, {"*": 0.5}, {"memory": 0.9, "*": 0.1}])
turns = st.builds(
    lambda make, model, private, stream: make(model=model, private=private, stream=stream),
    st.sampled_from([turn, image_turn, tool_loop_turn]),
    st.sampled_from(["auto", "auto-fast", "auto-best", "auto-private", "memory", "chat", "a", "g"]),
    st.booleans(),
    st.booleans(),
)


@st.composite
def fleets(draw: st.DrawFn) -> FleetView:
    deployments = tuple(
        Deployment(
            name, draw(st.sampled_from([name, "g"])), "openai", name, "openai", draw(st.booleans()), quality=draw(qualities)
        )
        for name in ("a", "b", "c", "d")
    )
    return FleetView(
        tuple(replace(one, capabilities=replace(ABLE, vision=draw(maybe))) for one in deployments),
        {one.id: draw(statuses) for one in deployments},
        draw(st.lists(names, max_size=2, unique=True).map(tuple)),
        {engine: draw(memories) for engine in draw(st.sampled_from([(), ("one",), ("one", "two")]))},
    )


def house(residency: ResidencyRules | None) -> Policy:
    routes = {"memory": Route("memory", ("c", "a", "g", "b")), "chat": Route("chat", ("d", "*"), private=True)}
    return policy(routes=routes, fallbacks={"c": ("d",), "g": ("d",)}, default_fallbacks=("b",), residency=residency)


@settings(deadline=None)
@given(case=turns, view=fleets(), known=rules)
def test_residency_never_changes_who_is_allowed_and_the_same_inputs_give_the_same_card(
    case: Turn, view: FleetView, known: ResidencyRules
) -> None:
    with_it, without = (decide(case, view, house(one), artefacts("memory")) for one in (known, None))
    assert sorted(order(with_it)) == sorted(order(without))
    assert with_it.removed == without.removed
    assert (with_it.route, with_it.reason, with_it.refusal) == (without.route, without.reason, without.refusal)
    fields = {one.deployment: (one.fallback, one.settings, one.last_resort, one.model) for one in without.candidates}
    assert fields == {one.deployment: (one.fallback, one.settings, one.last_resort, one.model) for one in with_it.candidates}
    assert all(one.expected_wait_s is None or one.expected_wait_s >= 0 for one in with_it.candidates)
    assert decide(case, view, house(known), artefacts("memory")) == with_it


@settings(deadline=None)
@given(case=turns, view=fleets(), known=rules)
def test_no_rule_puts_back_whom_a_guard_removed(case: Turn, view: FleetView, known: ResidencyRules) -> None:
    made = decide(case, view, house(known), artefacts("memory"))
    by_id = {deployment.id: deployment for deployment in view}
    private = case.private or case.model in ("auto-private", "chat")
    for candidate in made.candidates:
        status, deployment = view.status(candidate.deployment), by_id[candidate.deployment]
        assert status.up is not False
        assert status.cooling_s is None
        assert deployment.local or not private
        assert deployment.capabilities.vision or not case.has_image or made.route is None
    assert not set(order(made)) & {removal.deployment for removal in made.removed}


@settings(deadline=None)
@given(case=turns, view=fleets(), known=rules)
def test_where_no_memory_is_known_the_order_is_as_it_was(case: Turn, view: FleetView, known: ResidencyRules) -> None:
    blind = replace(view, statuses={name: replace(status, residency=None) for name, status in view.statuses.items()})
    with_it, without = (decide(case, blind, house(one), artefacts("memory")) for one in (known, None))
    assert with_it.candidates == without.candidates


@settings(deadline=None)
@given(case=turns, view=fleets(), known=rules)
def test_a_tool_loop_never_switches_while_its_model_may_answer(case: Turn, view: FleetView, known: ResidencyRules) -> None:
    made = decide(case, view, house(known), artefacts("memory"))
    fits = [one.deployment for one in made.candidates if not one.reason.endswith("last loaded")]
    if case.tool_loop_open and case.model.startswith("auto") and view.answered_last[:1] and view.answered_last[0] in fits:
        assert fits[0] == view.answered_last[0]
