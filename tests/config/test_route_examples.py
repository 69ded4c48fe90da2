"""`routes.NAME.examples`: what is taken, what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from waypost.config import Config, json_schema, loads
from waypost.config.show import effective
from waypost.errors import ConfigError

FIVE = ["one a", "two b", "three c", "four d", "five e"]


def config_of(**routes: Any) -> Config:
    return loads(yaml.safe_dump({"routes": routes}, sort_keys=False), env={})


def problem_of(**routes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config_of(**routes)
    [problem] = caught.value.problems
    return problem


def test_examples_and_description_are_kept_and_shown() -> None:
    config = config_of(own={"examples": FIVE, "description": "counting"})
    route = config.setup.policy.routes["own"]
    assert (route.examples, route.description) == (tuple(FIVE), "counting")
    shown = effective(config)["routes"]
    assert (shown["own"]["examples"], shown["own"]["description"]) == (FIVE, "counting")
    assert (shown["chat"]["examples"], shown["chat"]["description"]) == ([], None)


def test_each_example_without_a_letter_is_named_with_its_line() -> None:
    lines = ["routes:", "  own:", "    examples:", *(f"    - {text!r}" for text in [*FIVE, "!", "?", "光", "👍"])]
    with pytest.raises(ConfigError) as caught:
        loads("\n".join(lines), env={})
    said = "`routes.own.examples`: an example must say something, in letters"
    assert caught.value.problems == tuple(f"waypost.yaml:{line}: {said}" for line in (9, 10, 12))


def test_another_example_is_another_version() -> None:
    assert config_of(own={"examples": FIVE}).version != config_of(own={"examples": [*FIVE, "six f"]}).version


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        ([], "needs 5 to 50 different examples, and has 0"),
        (FIVE[:4], "needs 5 to 50 different examples, and has 4"),
        (["same"] * 50, "needs 5 to 50 different examples, and has 1"),
        ([*FIVE[:4], "ONE  A"], "needs 5 to 50 different examples, and has 4"),
        ([f"number {n}" for n in range(51)], "needs 5 to 50 different examples, and has 51"),
        ([*FIVE, " \n"], "an example must say something, in letters"),
        ([*FIVE, "\0\x01"], "an example must say something, in letters"),
        ([*FIVE, "👍"], "an example must say something, in letters"),
        ([*FIVE, "x" * 2001], "must have at most 2000 characters"),
        ([*FIVE, 7], "must be a valid string"),
        ("one", "must be a list"),
    ],
)
def test_examples_that_nothing_can_be_learned_from_are_a_problem(examples: Any, sentence: str) -> None:
    problem = problem_of(own={"examples": examples})
    assert "`routes.own.examples`" in problem
    assert problem.endswith(sentence)


def test_an_empty_example_is_named_by_its_line() -> None:
    assert problem_of(own={"examples": [*FIVE, ""]}) == "waypost.yaml:9: `routes.own.examples` must not be empty"


def test_an_example_given_twice_counts_once() -> None:
    assert config_of(own={"examples": [*FIVE, "Two B"]}).setup.policy.routes["own"].examples == tuple(FIVE)


def test_emoji_and_control_characters_are_no_problem() -> None:
    given = ["a 🤖", "b 🔥", "c 🎉", "d 😀", "say \x07 hi"]
    assert config_of(own={"examples": given}).setup.policy.routes["own"].examples == tuple(given)


def test_the_six_tasks_take_no_examples() -> None:
    assert "the six tasks are known already" in problem_of(chat={"examples": FIVE})


def test_an_example_of_two_routes_is_told() -> None:
    [warning] = config_of(a={"examples": FIVE}, b={"examples": ["ONE a", *(f"number {n}" for n in range(4))]}).warnings
    assert warning == "waypost.yaml:11: this example stands in route `a` too: it cannot tell the two apart"


def test_the_schema_says_how_many() -> None:
    block = json_schema()["$defs"]["RouteBlock"]["anyOf"][1]["properties"]["examples"]
    assert (block["minItems"], block["maxItems"]) == (5, 50)
