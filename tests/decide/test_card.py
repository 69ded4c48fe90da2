"""What the card says of quality, and what it says where nobody had to estimate any."""

from __future__ import annotations

import json
from dataclasses import replace

from samples import artefacts, deployment, fleet, policy, turn
from waypost.decide.decision import decide
from waypost.decide.quality import QualityEstimate


def test_a_card_without_estimates_says_so_and_the_order_owes_nothing_to_chance() -> None:
    made = decide(turn("write a loop"), fleet(deployment("a"), deployment("b")), policy(), artefacts("coding")).to_dict()
    assert {name: made[name] for name in ("cost_quality", "quality_floor", "quality_version")} == {
        "cost_quality": None,
        "quality_floor": None,
        "quality_version": None,
    }
    assert (made["propensity"], made["explored"]) == (1.0, False)
    assert {(one["expected_quality"], one["expected_answer_tokens"]) for one in made["candidates"]} == {(None, None)}


def test_an_estimate_is_on_the_card_with_its_bounds_and_what_speaks_for_it() -> None:
    made = decide(turn(), fleet(deployment("a")), policy(), artefacts("chat"))
    estimated = replace(
        made.candidates[0], expected_quality=QualityEstimate(0.71239, 0.6, 0.8, 120), expected_answer_tokens=340
    )
    card = replace(made, candidates=(estimated,), cost_quality=0.3, propensity=0.9, quality_version="q1").to_dict()
    assert card["candidates"][0]["expected_quality"] == {"mean": 0.7124, "lower": 0.6, "upper": 0.8, "n": 120}
    assert card["candidates"][0]["expected_answer_tokens"] == 340
    assert (card["cost_quality"], card["propensity"], card["quality_version"]) == (0.3, 0.9, "q1")


def test_a_card_is_the_same_as_json_however_often_it_is_asked_for_and_hides_the_same() -> None:
    hidden = {"system_prefix": "You are Zoe.", "temperature": 0.2}
    decision = decide(turn(), fleet(deployment("near"), deployment("far")), policy(), artefacts())
    first, *rest = decision.candidates
    decision = replace(decision, candidates=(replace(first, settings=hidden, expected_wait_s=1.23456), *rest))
    for _ in range(2):
        assert json.loads(decision.to_json()) == json.loads(json.dumps(decision.to_dict()))
    assert b"Zoe" not in decision.to_json()
    another = replace(decision.candidates[0], reason="another one")
    assert json.loads(replace(decision, candidates=(another,)).to_json())["candidates"][0]["reason"] == "another one"
