"""Outcomes as abilities are learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from waypost.decide.abilities import INPUTS
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.answers import PROMPTS_EACH, answers_of, plain_in

MODEL = load_task_model()
HEAD = "prompt_id,prompt,model,score,output_tokens,tokens_kind\n"


def written(folder: Path, *rows: str) -> Path:
    path = folder / "own.csv"
    path.write_text(HEAD + "\n".join(rows) + "\n")
    return path


def test_models_have_their_plain_names_and_cells_their_outcomes(tmp_path: Path) -> None:
    path = written(tmp_path, "a,What is 1+1?,openai/gpt-4o-mini-2024-07-18,1,12,reported", "b,Why?,Qwen2.5-7B-Instruct,0.5,,")
    found = answers_of(path, MODEL)
    assert found.models == ("qwen-2-5-7b-instruct", "gpt-4o-mini")
    assert found.inputs.shape == (2, len(INPUTS))
    assert found.scores[0, 1] == 1
    assert np.isnan(found.scores[0, 0])
    assert found.tokens[0, 1] == 12
    assert np.isnan(found.tokens[1, 0])


def test_several_answers_to_one_prompt_are_averaged(tmp_path: Path) -> None:
    found = answers_of(written(tmp_path, "a,Why?,m,1,10,reported", "a,Why?,m,0,20,reported", "a,Why?,n,1,,"), MODEL)
    assert found.scores[0].tolist() == [0.5, 1.0]
    assert found.tokens[0, 0] == 15


def test_a_count_that_leaves_hidden_thinking_out_is_none(tmp_path: Path) -> None:
    found = answers_of(written(tmp_path, "a,Why?,o1-mini,1,10,cl100k_visible", "a,Why?,phi-4,1,,"), MODEL)
    assert np.isnan(found.tokens).all()


def test_a_table_with_a_column_for_each_model_counts_no_tokens(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("prompt,gpt-4o-mini,phi-4\nWhy?,1,0\nHow?,0,1\n")
    found = answers_of(path, MODEL)
    assert found.models == ("gpt-4o-mini", "phi-4")
    assert np.isnan(found.tokens).all()


def test_an_answer_without_a_score_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"row 2 of own\.csv has no `score`"):
        answers_of(written(tmp_path, "a,Why?,m,,10,reported", "b,How?,n,1,10,reported"), MODEL)


def test_of_many_prompts_an_even_sample_is_read(tmp_path: Path) -> None:
    good = 3 * PROMPTS_EACH // 4
    rows = (f"{n},Why {n}?,{m},{int(n < good)},," for n in range(3 * PROMPTS_EACH // 2) for m in "mn")
    found = answers_of(written(tmp_path, *rows), MODEL)
    assert len(found.scores) == PROMPTS_EACH
    assert found.scores.mean() == pytest.approx(0.5, abs=0.01)


def test_names_mean_what_they_meant_when_their_source_was_made() -> None:
    assert plain_in("farel_bench", "gpt-4o-sys") == "gpt-4o-2024-05-13"
    assert plain_in("zeroeval_gsm", "gpt-4o-2024-08-06") == "gpt-4o-2024-08-06"
