"""Graders, each with answers that pass and answers that must not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.errors import ArtefactError
from waypost.probing.grading import GRADERS, Answer, Call, grader_of, reference_of


def passes(grader: str, reference: Any, answer: str | Answer) -> bool:
    return GRADERS[grader].passes(Answer(answer) if isinstance(answer, str) else answer, reference)


@pytest.mark.parametrize(
    ("grader", "reference", "good", "bad"),
    [
        ("number", "0.75", "Answer: 3/4", "Answer: 0.7"),
        ("choice", "c", "Answer: **C**", "Answer: D"),
        ("exact", ["10 4"], "Answer: 10 4", "Answer: 10 4 2"),
        ("exact", ["C4", "shelf C4"], "It is on shelf c4.\n\nAnswer: Shelf C4", "Answer: C42"),
        ("exact", "Paris", "Paris.", "Paris, or Rome"),
        ("contains", ["otter", "boat"], "An Otter in a **boat**", "an otter"),
        ("json", {"const": [2, 3]}, "```json\n[2, 3]\n```", "[2, 3, 5]"),
        ("json", {"type": "object", "required": ["a"]}, '{"a": 1}', 'Here it is: {"a": 1}'),
        ("form", {"lines": 2, "each_begins": "- "}, "- red\n\n- blue", "- red\nblue"),
        ("form", {"words": 3, "ends": "harbour."}, "To the harbour.", "To a harbour. Yes."),
        ("form", {"lacks": ["e"]}, "A dog ran off", "The dog ran off"),
        ("form", {"is": ["Ja"]}, "Ja", "Ja."),
        ("form", {"items": ["1", "2"]}, "1, 2", "2, 1"),
        ("form", {"begins": "Once", "holds": ["owl"], "upper": False}, "Once an OWL", "ONCE AN OWL"),
        ("form", {"lower": True}, "all small", "Not small"),
    ],
)
def test_a_good_answer_passes_and_a_bad_one_does_not(grader: str, reference: Any, good: str, bad: str) -> None:
    assert GRADERS[grader].takes(reference)
    assert passes(grader, reference, good)
    assert passes(grader, reference, f"<think>{bad}</think>{good}")
    assert not passes(grader, reference, bad)


@pytest.mark.parametrize("grader", sorted(set(GRADERS) - {"tool_calls"}))
def test_no_answer_is_no_good_answer(grader: str) -> None:
    references = {"number": "0", "json": {}, "form": {}, "choice": "A"}
    for silence in ("", "   ", "<think>endless"):
        assert not passes(grader, references.get(grader, "x"), silence)


LIGHT = [{"name": "set_light", "arguments": {"room": ["kitchen", "galley"], "on": True}}]


def called(*calls: tuple[str, Any]) -> Answer:
    return Answer(
        "", tuple(Call(name, written if isinstance(written, str) else json.dumps(written)) for name, written in calls)
    )


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (LIGHT, called(("set_light", {"room": "Kitchen", "on": True}))),
        (LIGHT, called(("set_light", {"room": "galley", "on": True, "note": None, "scene": ""}))),
        ([{"name": "f", "arguments": {"n": 21}}], called(("f", {"n": 21.0}))),
        ([{"name": "f", "arguments": {"items": [["Milk", "eggs"]]}}], called(("f", {"items": ["milk", "eggs"]}))),
        ([{"name": "f", "arguments": {"who": {"name": "Ada"}}}], called(("f", {"who": {"name": "ada"}}))),
        ([*LIGHT, {"name": "f", "arguments": {}}], called(("f", ""), ("set_light", {"room": "kitchen", "on": True}))),
        ([], Answer("You are welcome.")),
    ],
)
def test_just_the_right_calls_pass(reference: Any, answer: Answer) -> None:
    assert GRADERS["tool_calls"].takes(reference)
    answer = Answer(answer.text, tuple(Call(one.name, one.arguments or "{}") for one in answer.calls))
    assert passes("tool_calls", reference, answer)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (LIGHT, Answer("I turned the light on.")),
        (LIGHT, Answer('set_light({"room": "kitchen", "on": true})')),
        (LIGHT, called(("set_light", {"room": "kitchen", "on": 1}))),
        (LIGHT, called(("set_light", {"room": "kitchen", "on": "true"}))),
        (LIGHT, called(("set_light", {"room": "hall", "on": True}))),
        (LIGHT, called(("set_light", {"room": "kitchen"}))),
        (LIGHT, called(("set_light", {"room": "kitchen", "on": True, "level": 3}))),
        (LIGHT, called(("lights", {"room": "kitchen", "on": True}))),
        (LIGHT, called(*[("set_light", {"room": "kitchen", "on": True})] * 2)),
        (LIGHT, called(("set_light", "{broken"))),
        (LIGHT, called(("set_light", "[1]"))),
        ([], called(("set_light", {"room": "kitchen", "on": True}))),
        ([], Answer("")),
        ([], Answer('<tool_call>{"name": "set_light"}</tool_call>')),
        ([], Answer('{"name": "set_light", "arguments": {}}')),
    ],
)
def test_a_call_too_many_too_few_or_otherwise_does_not_pass(reference: Any, answer: Answer) -> None:
    assert not passes("tool_calls", reference, answer)


def test_a_completion_gives_what_was_said_and_called() -> None:
    function = {"name": "f", "arguments": "{}"}
    message = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    assert Answer.of({"choices": [{"message": message}]}) == Answer("", (Call("f", "{}"),))
    assert Answer.of({"choices": [{"message": {"content": "hi"}}]}) == Answer("hi")


@pytest.mark.parametrize(
    ("reference", "grader"),
    [("B", "choice"), (" c ", "choice"), ("K", "exact"), ("1,200", "number"), ("3/4", "number"), ("Paris", "exact")],
)
def test_a_reference_without_a_grader_gets_the_one_that_fits(reference: str, grader: str) -> None:
    assert grader_of(reference) == grader


@pytest.mark.parametrize(
    ("grader", "given", "needs"),
    [
        ("telepathy", "x", "there are number, choice"),
        ("number", "many", "a number"),
        ("choice", "Z", "a letter from A to J"),
        ("exact", "...", "a text"),
        ("json", "{", "a JSON schema"),
        ("json", "[1]", "a JSON schema"),
        ("json", '{"type": 5}', "a JSON schema"),
        ("tool_calls", '{"name": "f"}', "a JSON list of calls"),
        ("tool_calls", '[{"name": "f"}]', "a JSON list of calls"),
        ("form", '{"rhymes": true}', "an object of forms"),
    ],
)
def test_a_reference_that_cannot_be_used_is_said_with_its_row(grader: str, given: str, needs: str) -> None:
    with pytest.raises(ArtefactError, match=rf"^row 3 of x\.csv .*{needs}"):
        reference_of(grader, given, "row 3 of x.csv")


def test_references_of_a_file_are_texts_or_json() -> None:
    assert reference_of("exact", " Paris ", "row 1") == "Paris"
    assert reference_of("tool_calls", "[]", "row 1") == []
