"""Outcomes in every form they come in, and what is refused with the number of its row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from waypost.errors import ArtefactError
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcomes import Outcomes

MEND = "to average such rows, use --mend"
PLAIN = "prompt,model,score,cost\nWhat is 1+1?,big,1,0.02\nWhat is 1+1?,small,0.5,\n"


def loaded(tmp_path: Path, content: str, name: str = "outcomes.csv", *, mend: bool = False) -> Outcomes:
    (tmp_path / name).write_text(content)
    return load_outcomes([tmp_path / name], mend=mend)


def refusal(tmp_path: Path, content: str, name: str = "outcomes.csv") -> str:
    with pytest.raises(ArtefactError) as caught:
        loaded(tmp_path, content, name)
    return caught.value.message


def test_a_plain_csv_has_a_row_for_each_answer(tmp_path: Path) -> None:
    found = loaded(tmp_path, PLAIN)
    assert found.models == ("big", "small")
    assert found.scores.tolist() == [[1.0, 0.5]]
    assert found.costs[0, 0] == 0.02
    # Unknown is not zero.
    assert np.isnan(found.costs[0, 1])
    assert found.priced.tolist() == [True, False]


def test_our_own_columns_are_read(tmp_path: Path) -> None:
    row = {"prompt_id": "p", "group_id": "g", "source": "s", "category": "c", "split": "train", "prompt": "hi", "tools": None}
    rows = [
        row | {"model": model, "score": 1.0, "cost_usd": None, "flags": flag} for model, flag in (("a", None), ("b", "old"))
    ]
    found = loaded(tmp_path, "\n".join(map(json.dumps, rows)), "outcomes.jsonl")
    prompt = found.prompts[0]
    assert (prompt.id, prompt.group, prompt.category, prompt.split) == ("p", "g", "c", "train")
    assert prompt.flags == {"old"}


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"prompt": ["hi", "hi"], "model": ["a", "b"], "score": [1.0, 0.0], "cost_usd": [0.1, None]})
    parquet.write_table(table, tmp_path / "outcomes.parquet")
    assert load_outcomes([tmp_path / "outcomes.parquet"]).scores.tolist() == [[1.0, 0.0]]


def test_routellms_table_has_a_column_for_each_model(tmp_path: Path) -> None:
    table = 'prompt,weak-model,gpt-4,weak-model_response,gpt-4_response\n"Say, hi",False,True,no,hi\n'
    found = loaded(tmp_path, table)
    assert found.models == ("gpt-4", "weak-model")
    assert found.scores.tolist() == [[1.0, 0.0]]
    assert found.prompts[0].text == "Say, hi"


def test_routerbenchs_table_has_costs_and_its_empty_cells_are_no_outcomes(tmp_path: Path) -> None:
    columns = (
        "sample_id,prompt,eval_name,a,b,a|model_response,b|model_response,a|total_cost,b|total_cost,oracle_model_to_route_to"
    )
    found = loaded(tmp_path, f"{columns}\nmmlu.1,one,mmlu,1.0,0.25,x,y,0.01,0.002,a\nmmlu.2,two,mmlu,,1.0,,y,,0.002,b\n")
    assert found.models == ("a", "b")
    assert found.answered.tolist() == [[True, True], [False, True]]
    assert found.costs[0].tolist() == [0.01, 0.002]
    assert [prompt.category for prompt in found.prompts] == ["mmlu", "mmlu"]


def judgement(question: int, model: str, turn: int, score: float, asked: str) -> str:
    return json.dumps({"question_id": question, "model": model, "turn": turn, "score": score, "user_prompt": asked})


def test_mtbenchs_judgements_become_the_mean_of_their_turns(tmp_path: Path) -> None:
    first = "[Instruction]\nJudge.\n\n[Question]\nWrite a poem.\n\n[The Start of Assistant's Answer]\nRoses"
    second = "<|The Start|>\n\n### User:\nWrite a poem.\n\n### Assistant A:\nRoses\n\n### User:\nShorter."
    lines = [
        judgement(81, "a", 1, 10, first),
        judgement(81, "a", 2, 6, second),
        judgement(81, "b", 2, 2, second),
        judgement(81, "b", 1, 3, first),
    ]
    found = loaded(tmp_path, "\n".join(lines), "judgements.jsonl")
    assert found.prompts[0].text == "Write a poem."
    assert found.scores.tolist() == [[0.8, 0.25]]
    assert (
        refusal(tmp_path, "\n".join([*lines, lines[0]]), "j.jsonl") == "row 5 of j.jsonl judges turn 1 of question 81 once more"
    )
    assert "has the score -1" in refusal(tmp_path, judgement(81, "a", 1, -1, first), "j.jsonl")
    assert "has no question" in refusal(tmp_path, judgement(81, "a", 1, 1, "?"), "j.jsonl")


def test_several_files_are_one_table_and_their_names_are_categories(tmp_path: Path) -> None:
    for name in ("law", "art"):
        (tmp_path / f"{name}.csv").write_text(f"prompt,a,b\n{name}?,True,False\n")
    found = load_outcomes([tmp_path / "law.csv", tmp_path / "art.csv"])
    assert sorted(prompt.category for prompt in found.prompts) == ["art", "law"]
    assert found.name == "law.csv, art.csv"


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    head, *rows = (PLAIN + "Two?,small,1,\nTwo?,big,0,1\n").splitlines()
    forth = loaded(tmp_path, "\n".join([head, *rows]))
    back = loaded(tmp_path, "\n".join([head, *reversed(rows)]))
    assert forth.models == back.models
    assert [prompt.id for prompt in forth.prompts] == [prompt.id for prompt in back.prompts]
    assert forth.scores.tolist() == back.scores.tolist()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "outcomes.csv has no rows"),
        ("text,model,score\na,b,1\n", "outcomes.csv has no column `prompt`"),
        ("prompt,model,score\n,a,1\n", "row 2 of outcomes.csv has no `prompt`"),
        ("prompt,model,score\nhi,,1\n", "row 2 of outcomes.csv has no `model`"),
        ("prompt,model,score\nhi,a,1\nhi,b,\n", "row 3 of outcomes.csv has no `score`; leave out what a model did not answer"),
        ("prompt,model,score\nhi,a,good\n", "row 2 of outcomes.csv has no valid number in the column `score`: 'good'"),
        ("prompt,model,score\nhi,a,nan\n", "row 2 of outcomes.csv has no valid number in the column `score`: 'nan'"),
        ("prompt,model,score\nhi,a,1\nhi,b,1.5\n", "row 3 of outcomes.csv has the score 1.5; scores are from 0 to 1"),
        ("prompt,model,score\nhi,a,-0.1\n", "row 2 of outcomes.csv has the score -0.1; scores are from 0 to 1"),
        (
            "prompt,model,score,cost\nhi,a,1,-3\n",
            "row 2 of outcomes.csv has no valid cost: '-3'; leave it empty if it is unknown",
        ),
        (
            "prompt,model,score,cost\nhi,a,1,inf\n",
            "row 2 of outcomes.csv has no valid cost: 'inf'; leave it empty if it is unknown",
        ),
        ("prompt,model,score\nhi,a,1\nyo,a,1\n", "outcomes.csv has outcomes of a: a router needs at least two models"),
        ("prompt,a,b\nhi,,\n", "row 2 of outcomes.csv has no outcome of any model"),
        ("prompt,a,b\nhi,1,x\n", "row 2 of outcomes.csv has no valid number in the column `b`: 'x'"),
        ("prompt,a,b\nhi,1\n", "row 2 of outcomes.csv has not as many cells as the first line"),
        ("prompt,a,b\nhi,1,1,1\n", "row 2 of outcomes.csv has not as many cells as the first line"),
        (
            "prompt,model,score\nhi,a,1\nhi,b,1\nhi,a,0\n",
            "row 2 of outcomes.csv and row 4 of outcomes.csv both tell how a answered the same prompt; " + MEND,
        ),
        (
            "prompt_id,prompt,model,score\n1,hi,a,1\n1,hello,b,1\n",
            "row 2 of outcomes.csv and row 3 of outcomes.csv give the same prompt another text",
        ),
        (
            "prompt_id,group_id,prompt,model,score\n1,g,hi,a,1\n1,h,hi,b,1\n",
            "row 2 of outcomes.csv and row 3 of outcomes.csv give the same prompt another group",
        ),
        ("prompt,model,score,score\na,m,1,0\n", "row 1 of outcomes.csv names the column `score` twice"),
    ],
)
def test_what_does_not_fit_is_named_by_its_row(content: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, content) == said


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_bytes(b"prompt,model,score\n\xff\xfe,a,1\n")
    with pytest.raises(ArtefactError, match=r"outcomes\.csv is not UTF-8"):
        load_outcomes([tmp_path / "outcomes.csv"])


def test_repeated_outcomes_are_averaged_where_that_is_wished(tmp_path: Path) -> None:
    found = loaded(tmp_path, "prompt,model,score,cost\nhi,a,1,\nhi,b,1,1\nhi,a,0,3\n", mend=True)
    assert found.scores.tolist() == [[0.5, 1.0]]
    assert found.costs.tolist() == [[3.0, 1.0]]
    assert found.repeated == 1


def test_a_model_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no row of outcomes\.csv is about the model huge; it has big, small"):
        loaded(tmp_path, PLAIN).among(["big", "huge"])


def test_prompts_that_none_of_the_models_answered_are_left_out(tmp_path: Path) -> None:
    found = loaded(tmp_path, PLAIN + "Else?,other,1,\n").among(["small", "big"])
    assert found.models == ("big", "small")
    assert len(found.prompts) == 1
