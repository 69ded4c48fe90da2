"""Training: reproducible, blind to flags that give the label away, and clear about what is missing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from waypost.cli import group
from waypost.decide.features import FLAGS
from waypost.decide.task import TASKS
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.augmentation import noise_texts, polite_rows, quoted_rows, template_rows
from waypost.learn.datasets import Row, load_rows, row_of, turn_of
from waypost.learn.linear import FitSettings
from waypost.learn.sources import assign_folds, capped
from waypost.learn.task_matrix import balance, encode
from waypost.learn.task_run import run
from waypost.learn.task_training import TaskTraining, hide_flags

SHARED = Path(__file__).parents[3] / "shared" / "data" / "tasks"
TINY = TaskTraining(bits=12, rows_each=10, derived_rows=10, folds=2, l2_tried=(1e-6,), fit=FitSettings(epochs=1))

PHRASES = {
    "tool_calling": "turn on lamp {}",
    "vision": "what is in picture {}",
    "chat": "tell me about city {}",
    "memory": "what did i say about plan {}",
    "reasoning": "what is {} times {}",
    "coding": "write python function {}",
}


def written_rows() -> list[Row]:
    return [
        Row(PHRASES[task].replace("{}", str(n)), task, (task,), source=f"{task}-{n % 4}", lang="en", has_image=task == "vision")
        for task in TASKS
        for n in range(40)
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    folder = tmp_path / "data"
    folder.mkdir()
    records = [
        {"text": r.text, "task": r.task, "source": r.source, "lang": r.lang, "has_image": r.has_image, "licence": "CC0-1.0"}
        for r in written_rows()
    ]
    parquet.write_table(pyarrow.Table.from_pylist(records), folder / "train.parquet")
    return folder


def test_the_same_data_and_seed_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    first = run(data, tmp_path / "a", 1, lambda *_: None, TINY)
    second = run(data, tmp_path / "b", 1, lambda *_: None, TINY)
    assert (tmp_path / "a" / "task-model.npz").read_bytes() == (tmp_path / "b" / "task-model.npz").read_bytes()
    assert first.card == second.card


def test_what_was_trained_can_be_loaded_and_knows_its_data(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "a", 1, lambda *_: None, TINY)
    model = load_task_model(tmp_path / "a")
    assert model.predict(turn_of(Row("turn on lamp 7", "tool_calling", ()))).probabilities["tool_calling"] > 1 / len(TASKS)
    listed = {entry["source"]: entry for entry in done.card["data"]}
    assert listed["chat-0"]["licences"] == ["CC0-1.0"]
    assert done.card["scores"]["unseen sources"]["n"] > 0
    assert (tmp_path / "a" / "task-model.md").read_text().startswith("# The task model")


def test_the_real_data_can_be_read() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared development data is not here")
    pytest.importorskip("pyarrow")
    rows = load_rows(SHARED / "dev.parquet")
    assert {row.task for row in rows} == set(TASKS)


def test_missing_data_names_the_option_to_set(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["train", "task", "--data", str(tmp_path)])
    assert isinstance(result.exception, ArtefactError)
    assert "--data" in result.exception.message


def test_a_row_without_a_known_task_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": "hi", "label": "sing"}) + "\n")
    with pytest.raises(ArtefactError, match=r"row 1 of rows\.jsonl has the task 'sing'"):
        load_rows(tmp_path / "rows.jsonl")


def test_a_row_becomes_a_turn_with_its_facts() -> None:
    row = row_of({"text": "and this?", "label": "vision", "has_image": True, "has_tools": True, "n_turns": 3})
    turn = turn_of(row)
    assert turn.has_image
    assert turn.tools
    assert turn.user_texts == ("", "", "and this?")


def test_no_source_is_in_two_folds_and_every_fold_is_used() -> None:
    rows = written_rows()
    folds = assign_folds(rows, 3)
    assert set(folds) == {row.source for row in rows}
    assert set(folds.values()) == {0, 1, 2}


def test_a_large_source_is_capped_the_same_way_whatever_the_order() -> None:
    rows = written_rows()
    shuffled = random.Random(3).sample(rows, len(rows))
    assert capped(rows, 5) == capped(shuffled, 5)
    assert len(capped(rows, 5)) == len(TASKS) * 4 * 5


def test_a_large_source_counts_less_for_each_row() -> None:
    large = [Row(str(n), "chat", ("chat",), source="large", lang="en") for n in range(100)]
    small = [Row(str(n), "chat", ("chat",), source="small", lang="en") for n in range(4)]
    weights = balance([*large, *small], TASKS)
    assert weights[:100].sum() > weights[100:].sum()
    assert weights[0] < weights[100]


def test_tools_and_images_are_hidden_from_the_text_at_random() -> None:
    rows = [Row("turn on", task, (task,), has_tools=task == "tool_calling", has_image=task == "vision") for task in TASKS * 500]
    truth = np.array([TASKS.index(row.task) for row in rows], np.int64)
    flags = encode(rows, 12).flags
    hide_flags(truth)(flags, np.arange(len(rows)), np.random.default_rng(1))
    offered = flags[:, FLAGS.index("tools_offered")]
    action = truth == TASKS.index("tool_calling")
    assert 0.3 < offered[~action].mean() < offered[action].mean() < 0.8
    assert not flags[:, FLAGS.index("image_in_last_message")].any()


def test_templates_cover_every_task_and_many_languages() -> None:
    rows = template_rows(random.Random(1))
    assert {row.task for row in rows} == set(TASKS)
    assert len({row.lang for row in rows}) >= 15
    assert not any("{" in row.text for row in rows)


def test_a_quoted_command_is_no_command_and_a_polite_one_is() -> None:
    rng = random.Random(1)
    quoted = quoted_rows(written_rows(), 20, rng)
    assert {row.task for row in quoted} <= {"chat", "coding"}
    assert {row.source for row in quoted} <= {row.source for row in written_rows() if row.task == "tool_calling"}
    assert {row.task for row in polite_rows(written_rows(), 20, rng)} == {"tool_calling"}


def test_noise_can_be_encoded_as_text() -> None:
    assert all(text.encode() for text in noise_texts(200, random.Random(1)))


def test_a_file_that_is_no_parquet_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ArtefactError, match=r"train\.parquet cannot be read as parquet"):
        load_rows(tmp_path / "train.parquet")
