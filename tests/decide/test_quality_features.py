"""What quality estimates are told of a turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.decide.features import read
from waypost.decide.quality_features import STRUCTURE, WORD_BITS, structure_of, told_of, word_rows
from waypost.decide.reading import read_turn
from waypost.decide.task_model import load_task_model
from waypost.turn import EMPTY, Message, Text, Tool, Turn

MODEL = load_task_model()


def asking(text: str) -> Turn:
    return Turn("", "auto", (Message("user", (Text(text),)),), EMPTY)


def form(text: str) -> dict[str, float]:
    return dict(zip(STRUCTURE, structure_of(read_turn(asking(text))).tolist(), strict=True))


def test_options_are_counted_where_they_are_lettered_in_order() -> None:
    found = form("What is 2 + 2?\nA. 3\nB. 4\nC. five\nAnswer:")
    assert found["options"] == 3
    assert found["options_with_digits"] == pytest.approx(2 / 3)
    assert form("Ask b. about it, or c. at once")["options"] == 0


def test_numbers_are_counted_and_the_longest_one_is_known() -> None:
    found = form("Add 12 and 3456 to 7")
    assert found["numbers"] == pytest.approx(np.log1p(3))
    assert found["largest_number"] == 4
    assert form("Add nothing")["largest_number"] == 0


def test_marks_cues_and_lines_are_counted() -> None:
    found = form("Which is not true?\nx = (y)")
    assert found["marks_="] == found["marks_("] == found["marks_?"] == pytest.approx(np.log1p(1))
    assert (found["cue_which"], found["cue_not"], found["cue_write"]) == (1, 1, 0)
    assert found["lines"] == pytest.approx(np.log1p(1))


@given(st.text(max_size=300))
def test_any_text_has_a_form_of_finite_numbers(text: str) -> None:
    found = structure_of(read_turn(asking(text)))
    assert found.shape == (len(STRUCTURE),)
    assert np.isfinite(found).all()


@given(st.text(max_size=200))
def test_each_word_row_is_there_once(text: str) -> None:
    request = read(text)
    found = word_rows(request).tolist()
    assert found == sorted({row & ((1 << WORD_BITS) - 1) for row in request.rows[request.chars :].tolist()})


@pytest.mark.parametrize("text", ["Write a sonnet about rivers.", "", "…"])
def test_the_task_models_reading_is_used_where_there_is_one(text: str) -> None:
    told = told_of(asking(text), MODEL.predict(asking(text)))
    assert told.form.tolist() == structure_of(read_turn(asking(text))).tolist()
    assert told.labels.sum() == pytest.approx(1, abs=1e-5)


def test_a_turn_that_the_task_model_remembers_is_not_read_again_and_another_one_is() -> None:
    turn = asking("Say it once more, please")
    first = told_of(turn, MODEL.predict(turn))
    assert told_of(turn, MODEL.predict(turn)) is first
    other = replace(turn, tools=(Tool("search"),))
    told = told_of(other, MODEL.predict(other))
    assert told.form[STRUCTURE.index("tools_offered")] == 1
    assert first.form[STRUCTURE.index("tools_offered")] == 0
