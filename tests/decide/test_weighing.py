"""What a dial and a floor do to the order of those who may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import FixedQuality, artefacts, deployment, fleet, image_turn, policy, tool_loop_turn, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import Policy, Route
from waypost.decide.task import TaskScores
from waypost.errors import InvalidRequest, UnknownModel
from waypost.fleet.deployment import Capabilities, Price, Status
from waypost.fleet.residency import Memory, Residency
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import Turn

DEAR, MIDDLE, CHEAP = Price(1e-5, 1e-4), Price(1e-6, 2e-5), Price(1e-7, 1e-6)
THREE = fleet(
    deployment("cheap", price=CHEAP, local=False),
    deployment("dear", price=DEAR, local=False),
    deployment("middle", price=MIDDLE, local=False),
)
QUALITY = FixedQuality(cheap=0.6, middle=0.75, dear=0.85)


def ids(decision: Decision) -> list[str]:
    return [candidate.deployment for candidate in decision.candidates]


def made(view: FleetView = THREE, asked: Turn | None = None, rules: Policy | None = None, **learned: Any) -> Decision:
    given = {"quality": QUALITY, **learned}
    return decide(turn(model="auto@1") if asked is None else asked, view, rules or policy(), artefacts("chat", **given))


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("auto@0", ["cheap", "middle", "dear"]),
        ("auto@0.3", ["middle", "cheap", "dear"]),
        ("auto@1", ["dear", "middle", "cheap"]),
        ("chat@1", ["dear", "middle", "cheap"]),
        ("auto-cheap", ["cheap", "middle", "dear"]),
        ("auto-best", ["dear", "middle", "cheap"]),
        ("thrifty", ["cheap", "middle", "dear"]),
        ("thrifty@1", ["dear", "middle", "cheap"]),
        ("auto@1:latest", ["dear", "middle", "cheap"]),
    ],
)
def test_a_name_says_how_quality_is_weighed_against_cost(name: str, order: list[str]) -> None:
    rules = policy(aliases={"thrifty": "auto" if "@" in name else "auto@0"})
    assert ids(made(asked=turn(model=name), rules=rules)) == order


def test_the_utility_is_that_of_the_evaluation() -> None:
    """At 0.5, a lead of 0.02 in quality pays for a tenth of the span."""
    view = fleet(*[deployment(f"d{n}", price=Price(0, n * 1e-6), local=False) for n in (0, 1, 10)])
    better = FixedQuality(d0=0.5, d1=0.53, d10=0.5)
    worse = FixedQuality(d0=0.5, d1=0.51, d10=0.5)
    assert ids(made(view, turn(model="auto@0.5"), quality=better)) == ["d1", "d0", "d10"]
    assert ids(made(view, turn(model="auto@0.5"), quality=worse)) == ["d0", "d1", "d10"]


def test_without_a_dial_nobody_is_estimated_and_the_order_is_that_of_the_route() -> None:
    quality = FixedQuality(cheap=0.6, middle=0.75, dear=0.85)
    decision = made(asked=turn(), quality=quality)
    assert ids(decision) == ids(decide(turn(), THREE, policy(), artefacts("chat")))
    assert (quality.asked, decision.cost_quality, decision.quality_version) == ([], None, None)


def test_the_name_wins_over_the_header_the_header_over_the_route_and_the_route_over_the_policy() -> None:
    rules = policy(cost_quality=0.1, routes={"chat": Route("chat", cost_quality=0.2)})
    assert made(asked=turn(model="coding"), rules=rules).cost_quality == 0.1
    assert made(asked=turn(), rules=rules).cost_quality == 0.2
    assert made(asked=turn(cost_quality=0.3), rules=rules).cost_quality == 0.3
    assert made(asked=turn(cost_quality=0.3, model="auto@0.4"), rules=rules).cost_quality == 0.4
    assert made(asked=turn(cost_quality=0.3, model="auto-best"), rules=rules).cost_quality == 1.0


@pytest.mark.parametrize(
    ("asked", "rules"),
    [
        (turn(model="dear"), policy(cost_quality=0.0)),
        (turn(model="auto-fast"), policy(cost_quality=0.0)),
        (turn(background="title"), policy(cost_quality=0.0)),
        (turn(background="title", model="router-mf-0.5"), policy(cost_quality=0.0)),
    ],
)
def test_the_dial_does_not_touch_what_was_named_or_is_background_work(asked: Turn, rules: Policy) -> None:
    decision = made(asked=asked, rules=rules)
    assert decision.cost_quality is None
    assert ids(decision) == ids(decide(asked, THREE, replace(rules, cost_quality=None), artefacts("chat")))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("auto@1.5", "the dial behind @ must be a number from 0 to 1, as in auto@0.3"),
        ("auto@", "the dial behind @ must be a number from 0 to 1, as in auto@0.3"),
        ("chat@nan", "the dial behind @ must be a number from 0 to 1, as in chat@0.3"),
        ("auto@-0.1:latest", "the dial behind @ must be a number from 0 to 1, as in auto@0.3"),
        ("auto-cheap@0.5", "auto-cheap says itself what counts, and has no dial: ask for auto@0.3 or the like"),
    ],
)
def test_a_dial_that_is_none_is_the_callers_mistake_even_beside_a_wildcard(name: str, said: str) -> None:
    everything = deployment("*", group="*", model="*")
    refusal = made(fleet(*THREE, everything), turn(model=name)).refusal
    assert refusal is not None
    assert (refusal.error, refusal.message) == (InvalidRequest, f"model {name!r}: {said}")


def test_a_model_with_an_at_in_its_name_is_still_that_model() -> None:
    named = deployment("sonnet", model="claude-3-5-sonnet@20240620")
    assert ids(made(fleet(named), turn(model="claude-3-5-sonnet@20240620"))) == ["sonnet"]
    refusal = made(fleet(named), turn(model="sonnet@0.3")).refusal
    assert refusal is not None
    assert refusal.error is UnknownModel


def test_what_the_config_states_is_the_quality_and_nobody_else_is_estimated() -> None:
    quality = FixedQuality(middle=0.75, dear=0.85)
    view = fleet(replace(THREE.deployments[0], quality={"chat": 0.9}), *THREE.deployments[1:])
    decision = made(view, quality=quality)
    assert ids(decision) == ["cheap", "dear", "middle"]
    assert quality.asked == [("dear", "middle")]
    assert "quality 0.90 as stated" in decision.candidates[0].reason
    assert "quality 0.85 (0.80 to 0.90)" in decision.candidates[1].reason


def test_the_card_has_the_estimates_and_says_what_ordered_the_candidates() -> None:
    card = made(asked=turn(model="auto@0.6")).to_dict()
    assert (card["cost_quality"], card["quality_version"], card["propensity"]) == (0.6, "q1", 1.0)
    assert card["reason"].endswith("; ordered by the dial at 0.6")
    assert card["candidates"][0]["expected_quality"] == {"mean": 0.75, "lower": 0.7, "upper": 0.8, "n": 100}
    assert "cost 0.19 of the span" in card["candidates"][0]["reason"]


def test_a_price_that_nobody_knows_counts_like_the_dearest_and_a_local_model_without_one_is_free() -> None:
    view = fleet(
        deployment("far", local=False),
        deployment("dear", price=DEAR, local=False),
        deployment("here"),
        deployment("paid", price=CHEAP),
    )
    decision = made(view, turn(model="auto@0"))
    assert ids(decision) == ["here", "paid", "dear", "far"]
    assert [one.expected_cost_usd is None for one in decision.candidates] == [True, False, False, True]
    assert "its price is not known and counts like the dearest" in decision.candidates[3].reason


def test_one_of_whom_nothing_is_known_comes_behind_the_others() -> None:
    decision = made(quality=FixedQuality(dear=0.3, cheap=0.2))
    assert ids(decision) == ["dear", "cheap", "middle"]
    assert "its quality is not known" in decision.candidates[2].reason


def test_where_nothing_is_known_of_anybody_the_dial_does_not_count_and_the_card_says_so() -> None:
    decision = made(asked=turn(model="auto@0.7"), quality=None)
    assert ids(decision) == ids(made(asked=turn()))
    assert decision.cost_quality is None
    assert "nothing is known of how well cheap, dear, middle would answer, so the order is that of the route" in decision.reason


def test_auto_best_asks_the_dearest_first_where_the_quality_of_somebody_is_not_known() -> None:
    decision = made(asked=turn(model="auto-best"), quality=FixedQuality(cheap=0.9, middle=0.1))
    assert ids(decision) == ["dear", "middle", "cheap"]
    assert "nothing is known of how well dear would answer, so the dearest goes first" in decision.reason
    assert decision.cost_quality is None


def test_auto_cheap_asks_nobody_for_an_estimate() -> None:
    quality = FixedQuality()
    assert ids(made(asked=turn(model="auto-cheap"), quality=quality)) == ["cheap", "middle", "dear"]
    assert quality.asked == []


@pytest.mark.parametrize(
    ("floor", "order"),
    [(0.0, ["dear", "middle", "cheap"]), (0.16, ["middle", "dear", "cheap"]), (0.31, ["cheap", "middle", "dear"])],
)
def test_a_floor_takes_the_cheapest_whose_lower_bound_is_within_it_of_the_best_mean(floor: float, order: list[str]) -> None:
    decision = made(asked=turn(), rules=policy(quality_floor=floor))
    assert ids(decision) == order
    assert (decision.cost_quality, decision.quality_floor) == (None, floor)
    below = [one.deployment for one in decision.candidates if "below the floor" in one.reason]
    assert below == {0.0: ["middle", "cheap"], 0.16: ["cheap"], 0.31: []}[floor]


def test_a_floor_holds_for_every_dial_which_orders_who_reaches_it() -> None:
    rules = policy(quality_floor=0.16)
    assert ids(made(asked=turn(model="auto@0"), rules=rules)) == ["middle", "dear", "cheap"]
    decision = made(asked=turn(model="auto@1"), rules=rules)
    assert ids(decision) == ["dear", "middle", "cheap"]
    assert decision.reason.endswith("; ordered by the dial at 1 among those within 0.16 of the best")


def test_a_routes_floor_goes_before_that_of_the_policy() -> None:
    rules = policy(quality_floor=0.0, routes={"chat": Route("chat", quality_floor=0.31)})
    assert ids(made(asked=turn(), rules=rules)) == ["cheap", "middle", "dear"]


class Wordy:
    """Forecasts answers of one length for those who think, and of another for the rest."""

    def tokens(self, task: TaskScores, deployments: Sequence[Deployment], caps: Sequence[int | None]) -> list[int | None]:
        """2000 tokens with much thinking, 100 with little, none for who says nothing of it."""
        del task
        known = {"high": 2000, "low": 100}
        found = [known.get(one.settings.get("reasoning_effort", "")) for one in deployments]
        return [one if one is None or cap is None else min(one, cap) for one, cap in zip(found, caps, strict=True)]


THINKERS = fleet(
    deployment("deep", model="m", settings={"reasoning_effort": "high"}, price=MIDDLE, local=False),
    deployment("brief", model="m", settings={"reasoning_effort": "low", "max_tokens": 800}, price=MIDDLE, local=False),
    deployment("other", price=DEAR, local=False),
)


def test_one_model_with_less_thinking_competes_with_itself_and_with_others() -> None:
    quality = FixedQuality(deep=0.9, brief=0.7, other=0.8)
    cheapest, best = (made(THINKERS, turn(model=f"auto@{dial}"), quality=quality, lengths=Wordy()) for dial in (0, 1))
    assert ids(cheapest) == ["brief", "deep", "other"]
    assert ids(best) == ["deep", "other", "brief"]
    assert [one.expected_answer_tokens for one in cheapest.candidates] == [100, 2000, None]
    assert cheapest.candidates[0].expected_cost_usd == pytest.approx(10 * 1e-6 + 100 * 2e-5)
    assert cheapest.candidates[1].expected_cost_usd == pytest.approx(10 * 1e-6 + 2000 * 2e-5)


def test_a_callers_cap_and_a_callers_effort_change_what_is_forecast() -> None:
    capped = turn(model="auto@0", answer_tokens=300)
    assert [one.expected_answer_tokens for one in made(THINKERS, capped, lengths=Wordy()).candidates] == [100, 300, None]
    hard = turn(model="auto@0", body={"reasoning_effort": "high"})
    assert {one.expected_answer_tokens for one in made(THINKERS, hard, lengths=Wordy()).candidates} == {800, 2000}


def test_a_tool_loop_stays_with_who_called_the_tool_whatever_the_dial_says() -> None:
    view = FleetView(THREE.deployments, answered_last=("cheap",))
    decision = made(view, tool_loop_turn(model="auto@1"))
    assert (ids(decision)[0], decision.cost_quality) == ("cheap", None)


def test_a_conversation_moves_on_only_for_more_than_a_little() -> None:
    def first(lead: float, **rules: Any) -> str:
        quality = FixedQuality(middle=0.6, dear=0.6 + lead, cheap=0.1)
        return ids(
            made(FleetView(THREE.deployments, answered_last=("middle", "dear")), quality=quality, rules=policy(**rules))
        )[0]

    assert (first(0.01), first(0.03)) == ("middle", "dear")
    assert first(0.01, session_affinity=False) == "dear"


def test_the_dial_never_brings_back_who_cannot_answer() -> None:
    seeing, blind = Capabilities(vision=True), Capabilities(vision=False)
    view = fleet(deployment("eyes", capabilities=seeing, price=DEAR), deployment("blind", capabilities=blind, price=CHEAP))
    decision = made(view, image_turn(model="auto@0"), quality=FixedQuality(eyes=0.1, blind=0.9))
    assert ids(decision) == ["eyes"]


def test_fallbacks_stay_behind_however_cheap_and_good_they_are() -> None:
    rules = policy(routes={"chat": Route("chat", ("dear",))}, fallbacks={"dear": ("cheap", "middle")})
    for dial in ("0", "1"):
        decision = made(asked=turn(model=f"auto@{dial}"), rules=rules)
        assert [(one.deployment, one.fallback) for one in decision.candidates] == [
            ("dear", False),
            ("cheap", True),
            ("middle", True),
        ]


def one_gpu(**qualities: float) -> FleetView:
    """Two models of one Ollama with room for one: `loaded` is in memory."""
    known = {name: Residency("ollama", name, 5 << 30, 1.0, 8192, 12.0, 3, 900.0, 40.0) for name in ("loaded", "cold")}
    return FleetView(
        tuple(
            deployment(name, provider="ollama_chat", lane="ollama", quality={"*": q} if q else {})
            for name, q in qualities.items()
        ),
        {name: Status(up=True, loaded=name == "loaded", residency=one) for name, one in known.items()},
        memories={"ollama": Memory(("loaded",), 6 << 30)},
    )


@pytest.mark.parametrize(("lead", "first"), [(0.02, "loaded"), (0.4, "cold")])
def test_estimates_say_how_much_better_a_model_is_that_would_have_to_be_loaded(lead: float, first: str) -> None:
    """Without a dial the order of the list would be all that is known of it."""
    quality = FixedQuality(cold=0.5 + lead, loaded=0.5)
    decision = made(one_gpu(cold=0, loaded=0), turn(model="auto@1"), quality=quality)
    assert ids(decision)[0] == first
    assert all(one.expected_quality is not None for one in decision.candidates)


PRICES = st.builds(Price, st.floats(0, 1e-4), st.floats(0, 1e-3))


@st.composite
def fleets(draw: st.DrawFn, prices: st.SearchStrategy[Price | None] = PRICES) -> tuple[FleetView, FixedQuality]:
    """Up to five deployments with prices and estimates."""
    names = [f"d{n}" for n in range(draw(st.integers(1, 5)))]
    view = fleet(*[deployment(name, price=draw(prices), local=draw(st.booleans())) for name in names])
    return view, FixedQuality(draw(st.floats(0, 0.3)), **{name: draw(st.floats(0, 1)) for name in names})


@given(fleets(), st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_the_more_quality_counts_the_dearer_and_the_better_is_who_goes_first(
    world: tuple[FleetView, FixedQuality], dials: list[float]
) -> None:
    view, quality = world
    decisions = [made(view, turn(cost_quality=dial), quality=quality) for dial in (0.0, *sorted(dials), 1.0)]
    costs = [decision.candidates[0].expected_cost_usd or 0.0 for decision in decisions]
    everybodys = [one.expected_cost_usd or 0.0 for one in decisions[0].candidates]
    assert costs[0] == min(everybodys)
    rounding = 1e-6 * max(everybodys)
    assert all(one <= other + rounding for one, other in pairwise(costs))
    means = [one.expected_quality.mean for one in decisions[-1].candidates if one.expected_quality]
    assert means[0] >= max(means) - 1e-9


@given(fleets(st.none() | PRICES), st.floats(0, 1), st.floats(0, 1))
def test_who_may_answer_and_why_others_may_not_is_the_same_with_and_without_a_dial(
    world: tuple[FleetView, FixedQuality], dial: float, floor: float
) -> None:
    view, quality = world
    asked = turn(private=True)
    without = decide(asked, view, policy(), artefacts("chat"))
    weighed = made(view, replace(asked, cost_quality=dial), policy(quality_floor=floor), quality=quality)
    assert sorted(ids(weighed)) == sorted(ids(without))
    assert weighed.removed == without.removed
    assert made(view, replace(asked, cost_quality=dial), policy(quality_floor=floor), quality=quality) == weighed


@given(fleets(st.none() | PRICES))
def test_without_a_dial_or_a_floor_the_card_is_what_it_was(world: tuple[FleetView, FixedQuality]) -> None:
    view, quality = world
    assert made(view, turn(), quality=quality) == decide(turn(), view, policy(), artefacts("chat"))


@given(fleets(), st.floats(0, 1))
def test_a_floor_asks_first_the_cheapest_of_those_that_reach_it(world: tuple[FleetView, FixedQuality], floor: float) -> None:
    view, quality = world
    decision = made(view, turn(), policy(quality_floor=floor), quality=quality)
    known = [(one, one.expected_quality) for one in decision.candidates if one.expected_quality is not None]
    best = max(estimate.mean for _, estimate in known)
    reach = [one for one, estimate in known if estimate.mean == best or estimate.lower >= best - floor]
    costs = {one.deployment: one.expected_cost_usd or 0.0 for one in decision.candidates}
    first = decision.candidates[0]
    assert first in reach
    assert costs[first.deployment] <= min(costs[one.deployment] for one in reach) + 1e-6 * max(costs.values())
    assert [one for one in decision.candidates if one in reach] == list(decision.candidates[: len(reach)])
