"""Scores of predictions."""

from __future__ import annotations

import pytest

from waypost.learn.task_judging import expected_calibration_error, judge

ROWS = [
    {"task": "chat"},
    {"task": "tool_calling"},
    {"label": "memory", "accept": ["memory", "chat"]},
    {"label": "chat", "accept": ["chat", "tool_calling"]},
]


def test_an_abstention_counts_as_the_default_route() -> None:
    scores = judge([None, None, None, None], ROWS)
    assert scores["accuracy"] == 0.75
    assert scores["abstain_rate"] == 1.0
    assert scores["action_recall"] == 0.0


def test_an_accepted_answer_counts_as_right_in_every_score() -> None:
    scores = judge(["chat", "tool_calling", "chat", "tool_calling"], ROWS)
    assert scores["accuracy"] == 1.0
    assert scores["macro_f1"] == 1.0
    assert scores["false_action_rate"] == 0.0


def test_a_false_action_is_one_where_no_action_was_acceptable() -> None:
    scores = judge(["tool_calling"] * 4, ROWS)
    assert scores["false_actions"] == 2
    assert scores["false_action_rate"] == 1.0
    assert scores["action_recall"] == 1.0


def test_scores_of_nothing_are_unknown_and_not_zero() -> None:
    scores = judge([], [])
    assert scores["n"] == 0
    assert scores["accuracy"] is None
    assert scores["false_action_rate"] is None
    assert expected_calibration_error([], []) is None


def test_each_prediction_needs_its_row() -> None:
    with pytest.raises(ValueError, match="zip"):
        judge(["chat"], [])


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    assert expected_calibration_error([0.9] * 10, [True] * 9 + [False]) == pytest.approx(0.0)
    assert expected_calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)
