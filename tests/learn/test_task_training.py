"""Training: reproducible, blind to flags that give the label away, and clear about what is missing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from waypost.cli import group
from waypost.decide.labels import LABEL_NAMES, TASKS
from waypost.decide.reading import FLAGS
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.augmentation import (
    NOISE_SOURCE,
    mistyped_rows,
    noise_rows,
    offered_rows,
    padded_rows,
    polite_rows,
    quoted_rows,
    reply_rows,
)
from waypost.learn.datasets import Row, load_rows, row_of, turn_of
from waypost.learn.difficulty import train_difficulty
from waypost.learn.fine_labels import label_of
from waypost.learn.linear import FitSettings, fit
from waypost.learn.own_prompts import filled, own_rows
from waypost.learn.sources import assign_folds, capped
from waypost.learn.task_matrix import balance, encode
from waypost.learn.task_run import run
from waypost.learn.task_training import TaskTraining, allowed_labels, hide_flags

SHARED = Path(__file__).parents[3] / "shared" / "data" / "tasks"
TINY = TaskTraining(
    rows_each=10, own_prompts=False, derived_rows=10, restated_rows=10, folds=2, fit=FitSettings(epochs=1, batch=256)
)

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
    first = run(data, tmp_path / "a", 1, lambda *_: None, training=TINY)
    second = run(data, tmp_path / "b", 1, lambda *_: None, training=TINY)
    assert (tmp_path / "a" / "task-model.npz").read_bytes() == (tmp_path / "b" / "task-model.npz").read_bytes()
    assert first.card == second.card


def test_what_was_trained_can_be_loaded_and_knows_its_data(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "a", 1, lambda *_: None, training=TINY)
    scores = load_task_model(tmp_path / "a").predict(turn_of(Row("turn on lamp 7", "tool_calling", ())))
    assert scores.probabilities["tool_calling"] > 1 / len(TASKS)
    assert scores.difficulty is None
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
    assert sum(label_of(row) is not None for row in rows) > 0.7 * len(rows)


def test_missing_data_names_the_option_to_set(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["train", "task", "--data", str(tmp_path)])
    assert isinstance(result.exception, ArtefactError)
    assert "--data" in result.exception.message


def test_a_row_becomes_a_turn_with_its_facts() -> None:
    row = row_of(
        {"text": "and this?", "label": "vision", "has_image": True, "has_tools": True, "n_turns": 3, "question": "Hm?"}
    )
    turn = turn_of(row)
    assert turn.has_image
    assert turn.tools
    assert turn.user_texts == ("", "", "and this?")
    assert [message.role for message in turn.messages] == ["user", "user", "assistant", "user"]


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
    flags = encode(rows).flags
    hide_flags(rows)(flags, np.arange(len(rows)), np.random.default_rng(1))
    offered = flags[:, FLAGS.index("tools_offered")]
    action = np.array([row.task == "tool_calling" for row in rows])
    assert 0.2 < offered[~action].mean() < offered[action].mean() < 0.8
    assert not flags[:, FLAGS.index("image_in_last_message")].any()
    known = flags[:, FLAGS.index("known_to_memory")]
    memory = np.array([row.task == "memory" for row in rows])
    assert known[~memory].mean() < 0.1 < known[memory].mean() < 0.6


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (Row("", "tool_calling", (), fine="HassTurnOn"), "device_command"),
        (Row("", "tool_calling", (), fine="HassGetWeather"), "live_info"),
        (Row("", "tool_calling", (), fine="calendar_query"), "status_query"),
        (Row("", "chat", (), fine="translation"), "translation"),
        (Row("", "memory", (), fine="long_context_qa"), "document_question"),
        (Row("", "vision", ()), "image_question"),
        (Row("", "chat", (), fine="everyday"), None),
        (Row("", "chat", ()), None),
        (Row("", "coding", (), fine="translation"), None),
    ],
)
def test_the_labels_of_data_sets_are_understood(row: Row, label: str | None) -> None:
    assert label_of(row) == label


def test_a_row_without_a_label_may_be_any_of_its_task() -> None:
    allowed = dict(zip(LABEL_NAMES, allowed_labels(Row("", "reasoning", ())), strict=True))
    assert [label for label, share in allowed.items() if share] == ["maths", "logic", "planning"]
    assert sum(allowed_labels(Row("", "chat", (), fine="translation"))) == 1


def test_noise_is_as_much_of_every_task() -> None:
    allowed = dict(zip(LABEL_NAMES, allowed_labels(Row("", "chat", (), source=NOISE_SOURCE)), strict=True))
    assert allowed["image_question"] == pytest.approx(1)
    assert allowed["maths"] + allowed["logic"] + allowed["planning"] == pytest.approx(1)


def test_labels_of_a_task_share_its_rows_out_among_themselves() -> None:
    # Two words, both of the first task, one of them labelled: the other label learns the word that is left.
    rows = [*[Row("alpha", "coding", ())] * 40, *[Row("beta", "coding", ())] * 40, *[Row("gamma", "chat", ())] * 40]
    allowed = np.array([[1, 0, 0]] * 40 + [[1, 1, 0]] * 40 + [[0, 0, 1]] * 40, np.float32)
    matrix = encode(rows)
    settings = FitSettings(epochs=20, batch=16)
    weights = np.ones(len(rows), np.float32)
    learned = fit(matrix, 1 << 18, allowed, weights, np.arange(len(rows)), settings, np.random.default_rng(1))
    said = learned.scores(matrix).argmax(axis=1)
    assert (said[:40] == 0).all()
    assert (said[80:] == 2).all()
    assert not (said[40:80] == 2).any()


def test_prompts_of_our_own_cover_every_label_and_many_languages() -> None:
    rows = own_rows(random.Random(1))
    assert {row.fine for row in rows if row.fine} == set(LABEL_NAMES)
    assert len({row.lang for row in rows}) >= 40
    assert not any("{" in row.text and "}" in row.text for row in rows)
    assert any(row.question for row in rows)
    assert all(row.text for row in rows)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[sing]\nhi", "line 1 of en has the label 'sing'"), ("hello", "no label"), ("[chat]\nhello {name}", "no slot name")],
)
def test_a_mistake_in_our_own_prompts_is_named(text: str, problem: str) -> None:
    with pytest.raises(ArtefactError, match=problem):
        list(filled(text, "en", random.Random(1)))


def test_slots_questions_and_line_breaks_are_filled_in() -> None:
    text = "# a comment\n@x = one | two\n[list]\nShall I add {x}? >> yes\\nplease"
    rows = list(filled(text, "en_short", random.Random(1)))
    assert {row.question for row in rows} == {"Shall I add one?", "Shall I add two?"}
    assert {(row.text, row.task, row.fine, row.lang) for row in rows} == {("yes\nplease", "tool_calling", "list", "en")}
    assert len({row.pair for row in rows}) == 1


def test_a_quoted_command_is_no_command_and_a_polite_one_is() -> None:
    rng = random.Random(1)
    quoted = quoted_rows(written_rows(), 20, rng)
    assert {row.task for row in quoted} <= {"chat", "coding"}
    assert all(label_of(row) == row.fine for row in quoted)
    assert {row.source for row in quoted} <= {row.source for row in written_rows() if row.task == "tool_calling"}
    assert {row.task for row in polite_rows(written_rows(), 20, rng)} == {"tool_calling"}


def test_what_is_said_in_another_way_keeps_its_task_and_source() -> None:
    rows = written_rows()
    tasks = {row.source: row.task for row in rows}
    padded = padded_rows(rows, 50, random.Random(1))
    mistyped = mistyped_rows(rows, 50, random.Random(1))
    assert len(padded) == len(mistyped) == 50
    assert all(tasks[row.source] == row.task for row in (*padded, *mistyped))
    assert all(any(row.text in other.text for row in rows) for other in padded)
    assert {row.text for row in mistyped} - {row.text for row in rows}


def test_noise_can_be_encoded_as_text() -> None:
    rows = noise_rows(written_rows(), 200, random.Random(1))
    assert len(rows) == 400
    assert all(row.text.encode() for row in rows)


def test_a_question_is_agreed_to_or_refused_in_its_language() -> None:
    asked = Row("seven", "tool_calling", (), lang="de", fine="alarm_timer", question="Soll ich den Wecker stellen?")
    replies = reply_rows([asked, Row("hi", "chat", ())], random.Random(1))
    assert [(row.task, label_of(row)) for row in replies] == [("tool_calling", "alarm_timer")] * 2 + [("chat", "smalltalk")] * 2
    assert {row.question for row in replies} == {asked.question}


def test_what_the_assistant_offers_is_a_request_that_is_agreed_to_or_refused() -> None:
    command = Row("turn the light off.", "tool_calling", (), lang="en", fine="device_command", pair="1")
    rows = [command, replace(command, lang="xx"), replace(command, fine="live_info"), replace(command, question="Which?")]
    (offered,) = offered_rows(rows, 10, random.Random(1))
    assert "turn the light off" in offered.question
    assert offered.question.endswith("?")
    assert not offered.text
    assert [row.task for row in reply_rows([offered], random.Random(1))] == ["tool_calling"] * 2 + ["chat"] * 2


def test_a_file_that_is_no_parquet_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ArtefactError, match=r"train\.parquet cannot be read as parquet"):
        load_rows(tmp_path / "train.parquet")


def test_difficulty_follows_how_often_models_failed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    hard, easy = "prove the theorem about {} rings and ideals", "say hello to cat {}"
    for name in ("routellm_mmlu", "mmlu_pro", "farel_bench"):
        texts = [(frame.format(n), score) for n in range(30) for frame, score in ((hard, 0.1), (easy, 0.9))]
        records = [{"prompt": text, "model": model, "score": score} for text, score in texts for model in ("a", "b")]
        parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / f"{name}.parquet")
    found = train_difficulty(load_task_model(), tmp_path)
    assert found.prompts == 180
    assert all(correlation > 0.7 for correlation in found.spearman.values())


def test_without_outcomes_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="holds none of routellm_mmlu"):
        train_difficulty(load_task_model(), tmp_path)


def test_a_card_is_json_and_names_its_labels() -> None:
    card = json.loads((Path(load_task_model.__code__.co_filename).parents[1] / "artefacts" / "task-model.json").read_bytes())
    assert tuple(card["labels"]) == LABEL_NAMES
