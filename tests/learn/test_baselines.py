"""What a model is compared with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from waypost.learn.baselines import (
    LITELLM_CLASSIFIERS,
    TIERS,
    kindest_mapping,
    litellm_tiers,
    most_frequent,
    note_rules,
    tasks_of_tiers,
)
from waypost.learn.datasets import Row


def row(text: str, task: str = "chat", *, has_image: bool = False) -> Row:
    return Row(text, task, (task,), has_image=has_image)


@pytest.mark.parametrize(
    ("asked", "task"),
    [
        (row("Add this, what is it?", has_image=True), "vision"),
        (row("What's my home address?"), "tool_calling"),
        (row("Who is the president of France?"), "memory"),
        (row("Tell me a joke"), "chat"),
        (row("remember to add milk"), "tool_calling"),
    ],
)
def test_the_note_looks_for_images_then_actions_then_memory(asked: Row, task: str) -> None:
    assert note_rules(asked) == task


def test_the_majority_is_that_of_the_rows() -> None:
    assert most_frequent([row("a", "coding"), row("b", "coding"), row("c")]) == ["coding"] * 3
    assert most_frequent([]) == []


def test_a_tier_gets_the_task_that_fits_its_rows_best_and_images_go_to_vision() -> None:
    rows = [row("a"), row("b"), row("c", "coding"), row("d", "reasoning"), row("e", "vision", has_image=True)]
    tiers = ["SIMPLE", "SIMPLE", "SIMPLE", "COMPLEX", "REASONING"]
    mapping = kindest_mapping(rows, tiers)
    assert mapping == {"COMPLEX": "reasoning", "REASONING": "chat", "SIMPLE": "chat"}
    assert tasks_of_tiers(rows, tiers, mapping) == ["chat", "chat", "chat", "reasoning", "vision"]


def test_litellm_gives_each_row_one_of_its_tiers() -> None:
    """In a process of its own: LiteLLM imports in threads too, after its calls, and two imports may wait for each other."""
    pytest.importorskip("litellm")
    code = """
import json
from waypost.learn.baselines import LITELLM_CLASSIFIERS, litellm_tiers
texts = ["hi", "Think step by step and analyze: prove the theorem. Let's think."]
print(json.dumps({classifier: litellm_tiers(classifier)(texts) for classifier in LITELLM_CLASSIFIERS}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    assert set(found) == set(LITELLM_CLASSIFIERS)
    for tiers in found.values():
        assert len(tiers) == 2
        assert set(tiers) <= set(TIERS)


def test_without_litellm_there_are_no_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm.router_strategy.complexity_router", None)
    assert litellm_tiers("heuristic") is None
