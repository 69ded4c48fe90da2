"""The report on a task model, in cases small enough to count by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from learn.fixed_model import FixedModel
from waypost.decide.task import TASKS, TaskScores
from waypost.learn.baselines import NO_LITELLM
from waypost.learn.datasets import Row
from waypost.learn.task_answers import Answer, Flip, answer_rows, find_flips
from waypost.learn.task_evaluation import TaskEvaluation
from waypost.learn.task_judging import calibration_bins
from waypost.learn.task_page import task_page
from waypost.learn.task_report import Judged, confusion, coverage, flip_rates, pair_flip_rates, report_on


def answer(
    label: str,
    said: str | None,
    confidence: float = 0.9,
    *,
    accept: tuple[str, ...] = (),
    lang: str = "",
    pair: str = "",
    has_tools: bool = False,
    took_us: float = 1.0,
) -> Answer:
    rest = (1 - confidence) / (len(TASKS) - 1)
    scores = TaskScores({**dict.fromkeys(TASKS, rest), said or "chat": confidence}, said)
    row = Row("a", label, accept or (label,), lang=lang, pair=pair, has_tools=has_tools)
    return Answer(row, scores, took_us)


def quiet(*_: object) -> None:
    """Hears of progress."""


def evaluated(files: dict[str, list[Row]], evaluation: TaskEvaluation, said: dict[str, tuple[str, float]]) -> dict[str, object]:
    return evaluation.evaluate(FixedModel(said), files, quiet)


def test_the_surest_rows_come_first() -> None:
    answers = [
        answer("chat", "chat", 0.9),
        answer("chat", "coding", 0.6),
        answer("chat", "chat", 0.8),
        answer("chat", None, 0.4),
    ]
    curve = {point["coverage"]: (point["accuracy"], point["confidence"]) for point in coverage(answers)}
    assert curve[0.05] == curve[0.25] == (1.0, 0.9)
    assert curve[0.5] == (1.0, 0.8)
    assert curve[0.75] == (0.6667, 0.6)
    # The likeliest task of an abstention counts here, not the default route.
    assert curve[1.0] == (0.75, 0.4)
    assert coverage([]) == []


def test_flips_are_counted_for_each_way_and_kind_and_altogether() -> None:
    flips = [
        Flip("casing", "upper case", flipped=True),
        Flip("casing", "lower case", flipped=False),
        Flip("casing", "lower case", flipped=False),
        Flip("typos", "typos", flipped=True),
    ]
    assert flip_rates(flips) == {
        "flip_rate": 0.5,
        "flip_rates": {
            "casing": {"n": 3, "flip_rate": 0.3333, "ways": {"upper case": 1.0, "lower case": 0.0}},
            "typos": {"n": 1, "flip_rate": 1.0, "ways": {"typos": 1.0}},
        },
    }
    assert flip_rates([]) == {"flip_rate": None, "flip_rates": None}


def test_a_flip_is_another_answer_and_an_abstention_is_chat() -> None:
    # "turn" is an action in this form only; in any other the model abstains, which is no flip where the answer was chat.
    model = FixedModel({"turn": ("tool_calling", 0.9)})
    action, chat = Row("turn it off", "tool_calling", ("tool_calling",)), Row("hello there", "chat", ("chat",))
    flips = find_flips(model, answer_rows(model, [action, chat], quiet), 10, 1, quiet)
    flipped = {flip.way for flip in flips if flip.flipped}
    assert {"upper case", "title case", "greeting in front"} <= flipped
    assert not {"doubled blanks", "line breaks", "thanks behind", "no punctuation"} & flipped
    alone = find_flips(model, answer_rows(model, [chat], quiet), 10, 1, quiet)
    assert not any(flip.flipped for flip in alone)
    assert find_flips(model, answer_rows(model, [chat], quiet), 0, 1, quiet) == []


def test_pairs_are_told_apart_by_language() -> None:
    answers = [
        answer("chat", "chat", lang="en", pair="1"),
        answer("chat", "coding", lang="en", pair="1"),
        answer("chat", "chat", lang="de", pair="1"),
        answer("chat", "memory", lang="de"),
        answer("chat", "memory", lang="en", pair="2"),
    ]
    # One two in English, which differs; two across languages, of which one does.
    assert pair_flip_rates(answers) == {"paraphrase_flip_rate": 1.0, "language_flip_rate": 0.5}
    assert pair_flip_rates(answers[3:]) == {"paraphrase_flip_rate": None, "language_flip_rate": None}


def test_pairs_of_two_files_are_not_mixed_up() -> None:
    files = {name: [Row(word, "chat", ("chat",), pair="1")] for name, word in (("a", "turn"), ("b", "hi"))}
    report = evaluated(files, TaskEvaluation(perturbed=0, baselines=False), {"turn": ("tool_calling", 0.9)})
    assert report["paraphrase_flip_rate"] is None


def test_an_accepted_answer_is_the_label_in_the_confusion() -> None:
    answers = [answer("memory", "chat", accept=("memory", "chat")), answer("memory", None), answer("memory", "coding")]
    assert confusion(answers) == {"memory": {**dict.fromkeys(TASKS, 0), "memory": 1, "chat": 1, "coding": 1}}


def test_false_actions_have_a_bound_and_unfit_tools_are_counted_apart() -> None:
    answers = [
        answer("chat", "tool_calling", has_tools=True),
        answer("chat", "chat", has_tools=True),
        answer("chat", "tool_calling", accept=("chat", "tool_calling"), has_tools=True),
        *[answer("chat", "chat")] * 8,
    ]
    report = report_on(Judged(answers))
    assert (report["false_action_rate"], report["false_action_upper95"]) == (0.1, 0.3942)
    assert (report["unfit_tools"], report["unfit_tools_action_rate"]) == (2, 0.5)
    assert report["action_recall"] is None


def test_what_tools_would_change_is_told_of_every_row() -> None:
    answers = [
        replace(answer("chat", "chat"), with_tools="tool_calling"),
        answer("chat", "chat"),
        replace(answer("tool_calling", "chat"), with_tools="tool_calling"),
    ]
    report = report_on(Judged(answers))
    assert (report["false_action_rate"], report["action_recall"]) == (0.0, 0.0)
    assert (report["false_action_rate_with_tools"], report["action_recall_with_tools"]) == (0.5, 1.0)


def test_groups_are_sorted_by_size_and_rows_without_a_name_are_in_none() -> None:
    answers = [answer("chat", "chat", lang="de"), *[answer("coding", "chat", lang="en")] * 2, answer("chat", "chat")]
    report = report_on(Judged(answers))
    assert list(report["per_language"]) == list(report["ece_per_language"]) == ["en", "de"]
    assert report["per_language"]["en"]["accuracy"] == 0.0
    assert report["per_source"] == {}
    assert report["ece_per_language"]["de"] == pytest.approx(0.1)


def test_latency_is_that_of_a_prediction_that_was_made() -> None:
    report = report_on(Judged([answer("chat", "chat", took_us=float(us)) for us in range(1, 201)]))
    assert report["latency_us"] == {"p50": 100.0, "p99": 198.0}


def test_bins_hold_what_was_said_as_surely() -> None:
    (low, high) = calibration_bins([0.1, 0.95, 1.0], [False, True, True], bins=2)
    assert (low.n, low.accuracy, low.low, low.high) == (1, 0.0, 0.0, 0.5)
    assert (high.n, high.confidence, high.accuracy) == (2, pytest.approx(0.975), 1.0)


def test_baselines_are_judged_on_the_same_rows_and_say_why_they_are_missing() -> None:
    answers = [answer("chat", "coding"), answer("chat", "chat"), answer("coding", "chat")]
    tiers = {"heuristic": ("SIMPLE", "SIMPLE", "COMPLEX"), "heuristic_v2": None}
    baselines = report_on(Judged(answers, (), tiers))["baselines"]
    assert baselines["majority"]["scores"]["accuracy"] == 0.6667
    assert baselines["litellm_heuristic"]["scores"]["accuracy"] == 1.0
    assert baselines["litellm_heuristic_v2"] == {"scores": None, "note": NO_LITELLM}
    assert report_on(Judged(answers))["baselines"] is None


def test_two_files_add_up() -> None:
    first = Judged([answer("chat", "chat")], [Flip("typos", "typos", flipped=True)], {"heuristic": ("SIMPLE",)})
    second = Judged([answer("coding", "chat")], [], {"heuristic": ("COMPLEX",)})
    report = report_on(first + second)
    assert (report["n"], report["accuracy"], report["flip_rate"]) == (2, 0.5, 1.0)
    assert report["baselines"]["litellm_heuristic"]["scores"]["accuracy"] == 1.0
    without = Judged([answer("chat", "chat")], [], {"heuristic": None})
    assert report_on(first + without)["baselines"]["litellm_heuristic"]["scores"] is None


def test_everything_but_the_latency_is_the_same_each_time() -> None:
    rows = [Row(f"turn off lamp number {n}", "tool_calling", ("tool_calling",), lang="en") for n in range(30)]
    evaluation = TaskEvaluation(perturbed=7, seed=3, baselines=False)
    reports = [evaluated({"a": rows}, evaluation, {"turn": ("tool_calling", 0.9)}) for _ in range(2)]
    for report in reports:
        del report["latency_us"]
    assert reports[0] == reports[1]


HOSTILE = "<script>alert(1)</script> & \"x\" 'y' https://evil.example/a.png"


def page_of_hostile_rows() -> str:
    rows = [Row(HOSTILE, "coding", ("coding",), lang="<b>", source='"><img src=x>', pair="<i>")] * 2
    report = evaluated({"<u>": rows, "b": rows}, TaskEvaluation(perturbed=1, baselines=False, misses=True), {})
    return task_page(report, ["<u>", "b"])


def test_the_page_escapes_all_that_comes_from_data() -> None:
    page = page_of_hostile_rows()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<(script|img|b>&|i>|u>)", page)
    assert page.count("<b>") == page.count("</b>") == 8  # those of the tiles


def test_the_page_refers_to_nothing_outside() -> None:
    report = evaluated({"a": [Row("hi", "chat", ("chat",), lang="en")]}, TaskEvaluation(), {})
    page = task_page(report, ["a"])
    assert not re.search(r"https?:|//\w|url\(|@import|<link|<script|\ssrc=|\shref=", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == page.count("</svg>") == 7


def test_the_page_stands_without_anything_optional() -> None:
    report = evaluated({"a": [Row("hi", "chat", ("chat",))]}, TaskEvaluation(perturbed=0, baselines=False), {})
    page = task_page(report, ["a"])
    assert page.count("<svg") == 3
    assert "Languages" not in page
    assert json.dumps(report)
