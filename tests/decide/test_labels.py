"""The label table: what the model knows, and what each label says of a turn."""

from __future__ import annotations

from waypost.decide.labels import ACTION, ACTS, DEFAULT_TASK, LABELS, NEEDS, TASK_OF, TASKS, labels_of


def test_every_label_is_of_a_known_task_and_every_task_has_labels() -> None:
    assert {label.task for label in LABELS} == set(TASKS)
    assert len(TASK_OF) == len(LABELS) == sum(len(list(labels_of(task))) for task in TASKS)
    assert {label.act for label in LABELS} == set(ACTS)
    assert {label.need for label in LABELS if label.need} == set(NEEDS)


def test_only_an_action_can_be_a_command_and_what_is_unclear_is_none() -> None:
    assert {label.task for label in LABELS if label.act == "command"} == {ACTION}
    assert DEFAULT_TASK != ACTION


def test_to_teach_a_fact_is_no_command() -> None:
    assert next(label for label in LABELS if label.name == "teach").act == "chat"
