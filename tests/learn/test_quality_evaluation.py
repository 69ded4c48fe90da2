"""Whole evaluations of routers, on tables small enough to know the answers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learn.fixed_model import FixedModel
from learn.outcome_tables import asked, table
from waypost.decide.quality import QualityEstimate
from waypost.decide.task import TaskScores
from waypost.errors import ArtefactError
from waypost.fleet.view import Deployment
from waypost.learn.outcome_splits import cross_validated
from waypost.learn.outcomes import Outcomes, Prompt
from waypost.learn.quality_evaluation import QualityEvaluation
from waypost.learn.quality_page import quality_page
from waypost.learn.quality_plot import write_quality_plot
from waypost.learn.quality_policies import Estimated, Maker, baselines
from waypost.turn import Turn

pytest.importorskip("scipy")


def quiet(*_: object) -> None:
    """Hears of progress."""


def makers() -> dict[str, Maker]:
    """Those that need nothing that may not be installed."""
    return baselines(FixedModel({"code": ("coding", 0.9)}))


def evaluated(outcomes: Outcomes, subject: str = "best_per_category", **options: Any) -> dict[str, Any]:
    evaluation = QualityEvaluation(**{"resampled": 50, "perturbed": 4, **options})
    report = evaluation.evaluate(outcomes, cross_validated(outcomes, 4, seed=1), makers(), subject, quiet)
    protocol = {"way": "cross-validated", "folds": 4, "train": [], "leaks": 0, "repeated": 0, "unanswered": 0, "seed": 1}
    return report | {"protocol": protocol, "files": ["<u>.csv"], "versions": {"waypost": "0", "litellm": None}}


def by_category(n: int = 80) -> Outcomes:
    """Model a is dear and right in one category, and at times in the other; model b is cheap, and right in the other only."""
    scores = [[0.0, 1.0] if number % 2 else [1.0, 0.0] for number in range(n)]
    scores[1::10] = [[1.0, 1.0]] * (n // 10)
    return table(asked(n), scores, [0.3, 0.1])


def value(report: dict[str, Any], policy: str, key: str) -> float:
    found = report["policies"][policy][key]["value"]
    assert isinstance(found, float)
    return found


def test_what_can_be_told_apart_is_worth_as_much_as_knowing_it() -> None:
    report = evaluated(by_category())
    assert report["quality"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    assert report["oracle"]["value"] == 1.0
    assert report["oracle_gap_share"]["value"] == 1.0
    assert report["random"]["value"] == 0.55
    assert report["cost_usd"]["value"] == pytest.approx(0.2)
    assert report["best_single"] | {"ci95": None} == {"value": 0.6, "ci95": None, "model": "a"}
    assert report["policies"]["cheapest"]["calls"] == {"b": 1.0}
    assert report["categories"]["c0"]["quality"]["best_per_category"] == 1.0
    assert report["categories"]["c0"]["n"] == 40


def test_nobody_beats_the_oracle_and_chance_recovers_half_of_the_gap() -> None:
    outcomes = table(asked(60), [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]] * 15, [0.3, 0.1])
    report = evaluated(outcomes)
    best = value(report, "oracle", "quality")
    for name, one in report["policies"].items():
        assert one["quality"]["value"] <= best, name
        assert one["apgr"]["value"] <= value(report, "oracle", "apgr"), name
        assert one["aiq"]["value"] <= value(report, "oracle", "aiq") + 1e-9, name
    for name in ("random", "cheapest", "best_single"):
        assert report["policies"][name]["apgr"] == {"value": 0.5, "ci95": [0.5, 0.5]}
        assert (value(report, name, "cpt50"), value(report, name, "cpt80")) == (0.5, 0.8)
    # Half of the prompts gain: the oracle needs no more calls.
    assert value(report, "oracle", "apgr") == pytest.approx(0.75, abs=0.02)
    assert report["pair"] == {"strong": "a", "weak": "b"}


def test_the_best_single_model_is_what_others_are_measured_against() -> None:
    report = evaluated(table(asked(40), [[1.0, 0.5, 0.0]] * 40, [0.3, 0.2, 0.1]))
    assert report["best_single"] == {"value": 1.0, "ci95": [1.0, 1.0], "model": "a"}
    assert value(report, "random", "over_best_single") == -0.5
    assert value(report, "best_single", "cost_at_best_single_quality") == pytest.approx(0.3)
    # From 0.1 to 0.3 dollars the line of the single models rises from 0 to 1.
    assert value(report, "best_single", "aiq") == pytest.approx(0.5)
    assert report["apgr"] is None
    assert report["pair"] is None
    # There is nothing between the best single model and the oracle.
    assert report["oracle_gap_share"] is None


def test_the_strong_model_may_be_named() -> None:
    outcomes = table(asked(40), [[1.0, 0.0], [1.0, 1.0]] * 20)
    assert evaluated(outcomes, strong="b")["apgr"] is None
    assert evaluated(outcomes)["apgr"] is not None


def test_without_costs_nothing_about_costs_is_told() -> None:
    report = evaluated(table(asked(40), [[1.0, 0.0], [0.0, 1.0]] * 20, [0.3, None]))
    assert "cheapest" not in report["policies"]
    for key in ("cost_usd", "aiq", "arena_score", "quality_at_best_single_cost", "cost_at_best_single_quality"):
        assert report[key] is None
    assert report["policies"]["knn"]["curve"] is None
    assert report["models"]["a"] == {"n": 40, "quality": 0.5, "cost_usd": 0.3}
    assert report["models"]["b"]["cost_usd"] is None


def test_a_missing_outcome_is_no_choice() -> None:
    scores = [[1.0, math.nan], [math.nan, 0.0]] * 20
    report = evaluated(table(asked(40), scores, [0.3, 0.1]))
    assert report["quality"]["value"] == 0.5
    assert report["oracle"]["value"] == 0.5
    assert report["apgr"] is None


def test_the_order_of_models_and_prompts_changes_nothing() -> None:
    outcomes = by_category()
    again = evaluated(outcomes)
    report = evaluated(outcomes)
    for one in (report, again):
        for policy in one["policies"].values():
            policy.pop("latency_us")
        one.pop("latency_us")
    assert json.dumps(report) == json.dumps(again)


def test_expected_scores_are_held_against_what_came() -> None:
    report = evaluated(by_category(), "best_per_category")
    assert 0 < report["ece"]["value"] < 0.3
    assert sum(one["n"] for one in report["reliability"]) == 160
    assert report["policies"]["random"]["ece"] is None
    assert evaluated(by_category(), "random")["reliability"] is None


def test_bounds_of_estimates_are_held_against_what_came() -> None:
    rng = np.random.default_rng(2)
    prompts = [replace(one, category=f"c{number // 40}") for number, one in enumerate(asked(400))]
    outcomes = table(prompts, (rng.random((400, 2)) < 0.6).astype(float).tolist())

    class Estimator:
        version = "mine-1"

        def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
            del turn, task
            return [QualityEstimate(0.6, 0.58, 0.62, 9) for _ in deployments]

    chosen = makers() | {"mine": lambda train: Estimated(Estimator(), train.models, FixedModel({}))}
    report = QualityEvaluation(resampled=5, perturbed=4).evaluate(
        outcomes, cross_validated(outcomes, 4, seed=1), chosen, "mine", quiet
    )
    assert report["coverage90"]["value"] == pytest.approx(0.9, abs=0.1)
    assert report["coverage90"]["ci95"] is None
    assert report["interval_width"]["value"] == pytest.approx(0.04)
    assert report["policies"]["knn"]["coverage90"] is None


def test_what_does_not_read_the_text_does_not_flip() -> None:
    report = evaluated(by_category())
    assert report["policies"]["best_per_category"]["flip_rate"] == 0.0
    assert report["policies"]["oracle"]["flip_rate"] is None
    assert evaluated(by_category(), perturbed=0)["flip_rate"] is None


def test_a_choice_that_hangs_on_a_word_flips() -> None:
    prompts = [replace(one, text=f"{'code' if n % 2 else 'Talk'} this {n}") for n, one in enumerate(asked(80))]
    report = evaluated(table(prompts, [[1.0, 0.0], [0.0, 1.0]] * 40), perturbed=8)
    # CODE THIS, and code with a greeting before it, is no code to this task model.
    assert 0 < report["policies"]["best_per_task"]["flip_rate"] < 1


def test_decisions_are_timed() -> None:
    latency = evaluated(by_category())["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"]


def test_the_intervals_hold_the_value_and_are_of_whole_questions() -> None:
    rng = np.random.default_rng(3)
    outcomes = table(asked(80), rng.random((80, 3)).tolist(), [0.3, 0.2, 0.1])
    report = evaluated(outcomes, resampled=200)
    low, high = report["quality"]["ci95"]
    assert low < report["quality"]["value"] < high
    # Ten questions asked eight times tell less than eighty questions.
    tied = replace(outcomes, prompts=tuple(replace(p, group=f"g{n % 10}") for n, p in enumerate(outcomes.prompts)))
    scores = np.repeat(outcomes.scores[:10], 8, axis=0).reshape(10, 8, 3).transpose(1, 0, 2).reshape(80, 3)
    wide = evaluated(replace(tied, scores=scores), resampled=200)["random"]["ci95"]
    narrow = report["random"]["ci95"]
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert evaluated(outcomes, resampled=0)["quality"]["ci95"] is None


def test_the_page_stands_alone_and_escapes_what_it_is_given() -> None:
    outcomes = by_category()
    named = replace(outcomes, models=("<b>a</b>", "b"))
    page = quality_page(evaluated(named))
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "<b>a</b>" not in page
    assert "&lt;u&gt;.csv" in page
    assert not re.search(r"(?:src|href)=|url\(|<script", page)
    for title in ("Quality against cost", "Gap recovered", "Reliability of best_per_category", "Categories", "Models"):
        assert title in page


def test_the_page_leaves_out_what_was_not_measured() -> None:
    page = quality_page(evaluated(table(asked(40), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] * 20), "random"))
    for title in ("Quality against cost", "Gap recovered", "Reliability", "APGR"):
        assert title not in page


@pytest.mark.parametrize("name", ["plot.png", "plot.svg"])
def test_the_plot_is_what_its_name_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_quality_plot(evaluated(by_category()), tmp_path / name)
    begins = {"plot.png": b"\x89PNG", "plot.svg": b"<?xml"}[name]
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_plot_without_costs_shows_quality_alone(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_quality_plot(evaluated(table(asked(40), [[1.0, 0.0, 0.0]] * 40), "random"), tmp_path / "plot.svg")
    assert "Quality" in (tmp_path / "plot.svg").read_text()


def test_another_kind_of_plot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"plot\.pdf is no name of a plot"):
        write_quality_plot({}, tmp_path / "plot.pdf")


def test_prompts_without_words_are_prompts_too() -> None:
    prompts = [Prompt(str(n), str(n), "?" * (n + 1)) for n in range(20)]
    assert evaluated(table(prompts, [[1.0, 0.0]] * 20), "knn")["quality"]["value"] == 1.0
