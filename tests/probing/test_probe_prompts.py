"""The prompts that come with Waypost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from meta.source import ROOT
from waypost.decide.labels import TASKS
from waypost.probing.grading import GRADERS, Answer, Call
from waypost.probing.prompts import SHIPPED, ProbePrompt, shipped_prompts

SET = shipped_prompts()
EVERY = pytest.mark.parametrize("prompt", SET.prompts, ids=lambda prompt: prompt.id)


def good(prompt: ProbePrompt) -> Answer:
    """An answer as a careful model would give it."""
    reference: Any = prompt.reference
    if prompt.grader == "tool_calls":
        firsts = [
            {key: value[0] if isinstance(value, list) else value for key, value in one["arguments"].items()}
            for one in reference
        ]
        calls = tuple(Call(one["name"], json.dumps(first)) for one, first in zip(reference, firsts, strict=True))
        return Answer("" if calls else "Green.", calls)
    if prompt.grader == "json":
        value = reference.get("const") or {name: one["const"] for name, one in reference["properties"].items()}
        return Answer(json.dumps(value))
    if prompt.grader == "form":
        return Answer(FORMED.get(prompt.id) or (reference.get("is") or [", ".join(reference["items"])])[0])
    said = reference if isinstance(reference, str) else reference[0]
    return Answer(f"Let me think.\n\n**Answer:** {said}")


FORMED = {
    "instructions-02": "- red\n- green\n- blue",
    "instructions-08": "* gato\n* perro\n* oso",
    "instructions-11": "Every small boat in the bay sails to the harbour.",
    "instructions-12": "A big dog ran past my tall lamp.",
}


def test_there_are_enough_of_every_group_and_level() -> None:
    assert 60 <= len(SET.prompts) <= 120
    assert min(Counter(prompt.level for prompt in SET.prompts).values()) >= 20
    assert {prompt.task for prompt in SET.prompts} == set(TASKS) - {"vision"}
    assert len({prompt.language for prompt in SET.prompts}) >= 8
    assert len({prompt.text for prompt in SET.prompts}) == len({prompt.id for prompt in SET.prompts}) == len(SET.prompts)


@EVERY
def test_a_good_answer_passes_and_others_do_not(prompt: ProbePrompt) -> None:
    assert GRADERS[prompt.grader].takes(prompt.reference)
    assert prompt.passes(good(prompt))
    others = [other for other in SET.prompts if other.reference != prompt.reference and other.grader == prompt.grader]
    same_form = [other for other in others if prompt.grader != "form"]
    assert [other.id for other in same_form if prompt.passes(good(other))] == []
    for wrong in ("", "I do not know.", prompt.text, "<think>" + good(prompt).text):
        expected = prompt.grader == "tool_calls" and not prompt.reference and bool(wrong) and "<think>" not in wrong
        assert prompt.passes(Answer(wrong)) is expected


def test_options_are_not_all_at_one_letter() -> None:
    letters = Counter(prompt.reference for prompt in SET.prompts if prompt.grader == "choice")
    assert max(letters.values()) < sum(letters.values()) / 2


@pytest.mark.parametrize("count", [7, 30, 60])
def test_fewer_prompts_are_of_every_group_and_have_another_name(count: int) -> None:
    part = SET.mixed(count)
    assert len(part.prompts) == count
    assert {prompt.group for prompt in part.prompts} == {prompt.group for prompt in SET.prompts}
    assert part.name == f"waypost-1, {count} prompts"
    levels = Counter(prompt.level for prompt in part.prompts)
    assert max(levels.values()) <= count * 0.6


def test_a_probe_that_ends_in_the_middle_is_one_of_everything() -> None:
    mixed = SET.mixed()
    assert mixed.name == SET.mixed(1000).name == SET.name
    assert sorted(prompt.id for prompt in mixed.prompts) == sorted(prompt.id for prompt in SET.prompts)
    assert {prompt.group for prompt in mixed.prompts[:10]} == {prompt.group for prompt in SET.prompts}


def test_the_file_is_the_one_that_its_script_writes(tmp_path: Path) -> None:
    written = tmp_path / "prompts.jsonl"
    subprocess.run([sys.executable, "benchmarks/probe_prompts.py", str(written)], cwd=ROOT, check=True, timeout=60)
    assert written.read_bytes() == (ROOT / "src/waypost/artefacts" / SHIPPED).read_bytes()


def test_the_card_says_how_many_there_are() -> None:
    card = (ROOT / "src/waypost/artefacts/probe-prompts.md").read_text()
    assert f"{len(SET.prompts)} prompts" in card
    assert SET.name in card
    languages = Counter(prompt.language for prompt in SET.prompts)
    assert f"English {languages['en']}, German {languages['de']}, Spanish {languages['es']}, Chinese {languages['zh']}" in card
