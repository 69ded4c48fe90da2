"""The pieces of the artefact that speak of any deployment."""

from __future__ import annotations

from pathlib import Path

from learn.known_answers import NAMES, known_answers
from waypost.decide.abilities import Abilities
from waypost.decide.lengths import LengthForecast
from waypost.decide.task_model import load_task_model
from waypost.learn.general_quality import general_lines, learn_general, train_general


def test_both_pieces_are_made_and_the_card_says_how_they_did() -> None:
    steps: list[tuple[int, int]] = []
    pieces, card = learn_general(known_answers(), lambda done, of: steps.append((done, of)))
    assert set(Abilities.of_arrays(pieces["abilities"]).names) == set(NAMES)
    assert set(LengthForecast.of_arrays(pieces["lengths"]).names) == set(NAMES)
    assert steps[-1] == (6, 6)
    assert card["abilities"]["models"] == 10
    assert card["abilities"]["sources"] == {"easy": 4000, "plain": 4000, "hard": 2000}
    assert "plain" in card["abilities"]["left_out"]


def test_the_card_can_be_read_by_people() -> None:
    _, card = learn_general(known_answers(), lambda _, __: None)
    lines = general_lines(card)
    assert lines[:2] == ["", "## Models that are known"]
    assert any(line.startswith("| plain | 10 |") for line in lines)
    assert general_lines({}) == []


def test_every_file_is_a_source(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two", "three"):
        path = tmp_path / f"{name}.csv"
        rows = [f"p{i},What is {i} + {i}?,{m},{int(i % 3 > 0)}" for i in range(30) for m in ("gpt-4o-mini", "phi-4")]
        path.write_text("\n".join(["prompt_id,prompt,model,score", *rows]))
        files.append(path)
    pieces, card = train_general(files, load_task_model(), lambda _, __: None)
    assert set(pieces) == {"abilities"}
    assert card["abilities"]["sources"] == {"one": 60, "two": 60, "three": 60}
