"""Tasks of the user's own: told from a few examples, and never at the cost of what stands above them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import waypost.decide.own_tasks as room
from samples import FixedTask, artefacts, deployment, fleet, policy
from waypost.decide.decision import Artefacts, decide
from waypost.decide.own_tasks import MOST_IN_TABLE, MOST_MATCHES, OwnTask, background, learn_own_tasks
from waypost.decide.policy import Route
from waypost.decide.task import OwnMatch
from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.errors import ArtefactError
from waypost.turn import EMPTY, Image, Message, Text, Tool, ToolCall, Turn

GIVEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "own_tasks.json").read_text())
TASKS = tuple(OwnTask(name, task["description"], tuple(task["examples"])) for name, task in GIVEN.items())
COMMANDS = OwnTask(
    "plants",
    "",
    (
        "water the tomatoes now",
        "turn the sprinkler on",
        "water the roses for ten minutes",
        "turn the sprinkler off",
        "start the watering in the greenhouse",
    ),
)


@pytest.fixture(scope="module")
def plain() -> LinearTaskModel:
    return load_task_model()


@pytest.fixture(scope="module")
def model(plain: LinearTaskModel) -> LinearTaskModel:
    return plain.with_own_tasks(plain.learn(TASKS))


def asked(text: str, *before: Message, image: bool = False, **fields: Any) -> Turn:
    parts = (Text(text), Image(inline=True)) if image else (Text(text),)
    return Turn(id="t", model="auto", messages=(*before, Message("user", parts)), body=EMPTY, **fields)


def own_of(model: LinearTaskModel, text: str, **fields: Any) -> str | None:
    found = model.predict(asked(text, **fields)).own
    return found and found.name


def test_requests_like_the_examples_are_recognised_in_any_script(model: LinearTaskModel) -> None:
    hits = {name: np.mean([own_of(model, text) == name for text in task["paraphrases"]]) for name, task in GIVEN.items()}
    assert min(hits.values()) >= 0.3
    assert np.mean(list(hits.values())) >= 0.7


def test_of_the_background_each_task_matches_less_than_one_in_two_hundred(model: LinearTaskModel) -> None:
    ordinary = background()
    found = [own_of(model, text) for text in ordinary]
    assert {name: found.count(name) / len(ordinary) for name in GIVEN if found.count(name) > MOST_MATCHES * len(ordinary)} == {}


def test_what_is_like_no_example_is_untouched_to_the_last_bit(model: LinearTaskModel, plain: LinearTaskModel) -> None:
    for text in (
        "tell me a joke",
        "turn on the kitchen light",
        "write a loop in Rust",
        "你好",
        "",
        "how long do beans take to cook",
    ):
        with_own, without = model.predict(asked(text)), plain.predict(asked(text))
        assert replace(with_own, own=None) == without
        assert without.own is None


def test_the_same_examples_give_the_same_head(model: LinearTaskModel, plain: LinearTaskModel) -> None:
    again = plain.with_own_tasks(plain.learn(TASKS))
    assert again.version == model.version
    assert again.own is not None
    assert model.own is not None
    assert np.array_equal(again.own.table, model.own.table)
    assert np.array_equal(again.own.thresholds, model.own.thresholds)


def test_the_version_tells_the_examples(model: LinearTaskModel, plain: LinearTaskModel) -> None:
    assert model.version.startswith(f"{plain.version}-own-")
    assert plain.with_own_tasks(plain.learn(TASKS[:1])).version not in (model.version, plain.version)
    assert plain.with_own_tasks(None).version == model.with_own_tasks(None).version == plain.version


def test_the_probability_is_on_the_card(model: LinearTaskModel) -> None:
    card = model.predict(asked("what can I cook with beans and rice")).to_dict()
    assert card["own_task"]["name"] == "recipes"
    assert 0.5 <= card["own_task"]["probability"] <= 1
    assert model.predict(asked("tell me a joke")).to_dict()["own_task"] is None


def test_facts_stand_above_own_tasks(model: LinearTaskModel) -> None:
    text = "what can I cook with beans and rice"
    tool = Tool("search")
    assert own_of(model, text) == own_of(model, text, tools=(tool,)) == "recipes"
    assert own_of(model, text, image=True) is None
    assert own_of(model, text, tools=(tool,), tool_choice="required") is None
    loop = (
        Message("assistant", tool_calls=(ToolCall("c", "search", "{}"),)),
        Message("tool", (Text("found"),), tool_call_id="c"),
    )
    assert model.predict(Turn("t", "auto", (*asked(text).messages, *loop), EMPTY, tools=(tool,))).own is None


def test_an_action_stays_one_unless_the_examples_are_actions(model: LinearTaskModel, plain: LinearTaskModel) -> None:
    assert own_of(model, "add leeks and potatoes to the shopping list") is None
    gardener = plain.with_own_tasks(plain.learn((*TASKS, COMMANDS)))
    assert gardener.own is not None
    assert gardener.own.actions == (*(False for _ in TASKS), True)
    assert gardener.predict(asked("turn the sprinkler on in the greenhouse")).own == OwnMatch(
        "plants", pytest.approx(0.9, abs=0.1)
    )


@settings(deadline=None, max_examples=60)
@given(
    text=st.one_of(
        st.sampled_from([text for task in GIVEN.values() for kind in ("examples", "others") for text in task[kind]]),
        st.text(st.characters(codec=None), max_size=200),
    ),
    image=st.booleans(),
    choice=st.sampled_from([None, "auto", "none", "required"]),
)
def test_no_own_task_ever_takes_what_is_not_its_own(
    model: LinearTaskModel, plain: LinearTaskModel, text: str, image: bool, choice: str | None
) -> None:
    turn = asked(text, image=image, tools=(Tool("search"),), tool_choice=choice)
    scores = model.predict(turn)
    assert replace(scores, own=None) == plain.predict(turn)
    if image or choice == "required" or scores.probabilities["tool_calling"] >= 0.5:
        assert scores.own is None
    assert scores.own is None or (scores.own.name in GIVEN and 0.5 <= scores.own.probability <= 1)
    assert model.predict(turn) == scores


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.text(st.characters(codec=None), max_size=40), min_size=1, max_size=8), min_size=1, max_size=3))
def test_any_examples_can_be_learned(plain: LinearTaskModel, sets: list[list[str]]) -> None:
    tasks = [OwnTask(f"t{number}", "", tuple(texts)) for number, texts in enumerate(sets)]
    own = learn_own_tasks(tasks, background()[::20], plain._seen)
    assert np.isfinite(own.table).all()
    assert np.array_equal(own.table, np.rint(own.table))
    assert np.abs(own.table).max() <= MOST_IN_TABLE
    assert all(found <= len(task.examples) for found, task in zip(own.recalled, tasks, strict=True))
    for text in ("", "hello", "what can I cook with beans"):
        reading, labels, _ = plain._seen(text)
        own.match(reading, labels)


def test_one_example_many_times_and_the_same_in_two_tasks_are_no_crash(plain: LinearTaskModel) -> None:
    twins = [OwnTask("a", "", ("🤖🔥",) * 50), OwnTask("b", "", ("🤖🔥", "\0", " "))]
    own = plain.with_own_tasks(plain.learn(twins))
    assert own_of(own, "🤖🔥") in ("a", "b", None)
    assert own_of(own, "hello") is None


def test_a_missing_background_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BACKGROUND_FILE", "gone.txt")
    with pytest.raises(ArtefactError, match=r"gone\.txt is missing"):
        background()


def test_the_background_is_many_different_lines_of_many_languages(plain: LinearTaskModel) -> None:
    ordinary = background()
    assert len(set(ordinary)) == len(ordinary) > 1500
    assert all(text.strip() and len(text) <= 400 for text in ordinary)
    assert len({plain._seen(text)[2] for text in ordinary}) > 30


class _Own(FixedTask):
    def predict(self, turn: Turn) -> Any:
        return replace(super().predict(turn), own=OwnMatch("recipes", 0.912))


def test_a_decision_takes_the_own_route_before_that_of_the_task() -> None:
    view, learned = fleet(deployment("a"), deployment("b")), Artefacts(_Own("coding"))
    rules = policy(routes={"recipes": Route("recipes", ("b",))})
    made = decide(asked("x"), view, rules, learned)
    assert (made.route, [c.deployment for c in made.candidates]) == ("recipes", ["b"])
    assert made.reason == "it is like the examples of route recipes (0.91)"
    assert made.task.task == "coding"
    assert decide(asked("x"), view, policy(), learned).route == "coding"
    assert decide(asked("x"), view, rules, artefacts("coding")).route == "coding"


def test_an_explicit_name_and_the_length_stand_above_an_own_task() -> None:
    view, learned = fleet(deployment("a"), deployment("b")), Artefacts(_Own("coding"))
    rules = policy(routes={"recipes": Route("recipes", ("b",)), "memory": Route("memory", ("a",), needs_context=1000)})
    assert decide(replace(asked("x"), model="chat"), view, rules, learned).route == "chat"
    assert decide(replace(asked("x"), model="a"), view, rules, learned).route is None
    assert decide(replace(asked("x"), model="auto-fast"), view, rules, learned).route == "recipes"
    assert decide(replace(asked("x"), prompt_tokens=2000), view, rules, learned).route == "memory"


def test_guards_hold_on_an_own_route() -> None:
    view = fleet(deployment("a"), deployment("b", local=False))
    rules = policy(routes={"recipes": Route("recipes", ("b", "a"))})
    made = decide(replace(asked("x"), private=True), view, rules, Artefacts(_Own("coding")))
    assert [c.deployment for c in made.candidates] == ["a"]
    assert [r.guard for r in made.removed] == ["privacy"]


def test_a_model_stays_as_it_is_where_its_own_tasks_do(model: LinearTaskModel) -> None:
    assert model.with_own_tasks(model.own) is model
