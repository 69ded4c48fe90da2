"""What the documents say of policies is what the simulation gives, with its fixed seed."""

from __future__ import annotations

from functools import cache

import pytest

from meta.source import ROOT
from simulate.small import scenario
from waypost.simulate.comparison import Comparison, compare
from waypost.simulate.scenario import built_in, load_scenario


@cache
def found(name: str) -> Comparison:
    return compare(load_scenario(name), name, requests=2000, seed=1)


def by_policy(compared: Comparison) -> dict[str, dict[str, float]]:
    return {row["policy"]: row for row in compared.to_dict()["policies"]}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_routes_on_one_slot_swap_a_fifth_as_often_or_less_for_a_point_of_quality_or_less(seed: int) -> None:
    aware = by_policy(compare(load_scenario("five-routes"), "five-routes", requests=2000, seed=seed))["residency"]
    assert aware["fewer_swaps"] >= 0.8
    assert aware["points_lost"] <= 1.0
    assert aware["refused"] == 0


def test_the_first_token_comes_sooner_than_task_only_and_answers_are_better_than_of_a_single_model() -> None:
    rows = by_policy(found("five-routes"))
    assert rows["residency"]["first_token_p50_s"] < rows["task only"]["first_token_p50_s"] / 5
    assert rows["residency"]["first_token_p95_s"] < rows["task only"]["first_token_p95_s"] / 2
    assert rows["residency"]["quality"] > rows["single model"]["quality"]


def test_where_everything_fits_nothing_is_gained_and_nothing_lost() -> None:
    rows = by_policy(found("everything-fits"))
    assert rows["residency"]["swaps"] == rows["task only"]["swaps"] == 0
    assert rows["residency"]["points_lost"] <= 0.1
    assert rows["residency"]["first_token_p95_s"] <= rows["task only"]["first_token_p95_s"]


def test_where_quality_goes_first_swaps_stay() -> None:
    aware = by_policy(found("quality-first"))["residency"]
    assert (aware["fewer_swaps"], aware["points_lost"]) == (pytest.approx(0.21, abs=0.01), pytest.approx(0.45, abs=0.01))


@pytest.mark.parametrize(("lead", "known", "fewer", "lost"), [(2, False, 0.89, 1.93), (4, True, 0.32, 0.94)])
def test_what_is_lost_goes_with_the_lead_of_the_specialists_until_the_policy_is_told(
    lead: float, known: bool, fewer: float, lost: float
) -> None:
    given = load_scenario("five-routes")
    best = {name: given.models[route.candidates[0]].quality[name] for name, route in given.routes.items()}
    models = {
        name: model.model_copy(
            update={"quality": {at: best[at] - lead * (best[at] - share) for at, share in model.quality.items()}}
        )
        for name, model in given.models.items()
    }
    stretched = given.model_copy(update={"models": models, "quality_known": known})
    aware = by_policy(compare(stretched, "stretched", requests=2000, seed=1))["residency"]
    assert (aware["fewer_swaps"], aware["points_lost"]) == (pytest.approx(fewer, abs=0.01), pytest.approx(lost, abs=0.01))


def test_the_same_seed_gives_the_same_numbers_and_another_one_other_conversations() -> None:
    small = scenario()
    one, again, other = (compare(small, "small", requests=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.rows != other.rows


def test_a_single_model_is_the_one_that_is_best_over_all_turns() -> None:
    single = by_policy(compare(scenario(), "small", requests=50, seed=1))["single model"]
    assert set(single["models"]) == {"a"}
    assert single["swaps"] == 0


def test_every_scenario_is_named_in_its_document() -> None:
    text = (ROOT / "docs" / "residency.md").read_text()
    assert [name for name in built_in() if name not in text] == []
