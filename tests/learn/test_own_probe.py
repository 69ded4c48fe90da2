"""Prompts chosen for what they tell, and scores foretold from a few answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from learn.outcome_tables import asked, table
from waypost.errors import ArtefactError
from waypost.learn.ability_curves import GRID, AbilityCurves
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.outcomes import Floats, Outcomes
from waypost.learn.own_probe import OwnProbe
from waypost.learn.probe_choice import choose_prompts
from waypost.learn.probe_prediction import predict

PROMPTS, MODELS = 400, 10


def world(seed: int = 1) -> tuple[Outcomes, Floats]:
    """Outcomes of ten models of rising ability on prompts of all difficulties, and of one more that nobody knows."""
    rng = np.random.default_rng(seed)
    abilities = np.append(np.linspace(-1.5, 1.5, MODELS), 0.7)
    difficulty, slope = rng.normal(0, 1.5, PROMPTS), rng.uniform(0.5, 2.0, PROMPTS)
    chance = 1 / (1 + np.exp(-slope[:, None] * (abilities - difficulty[:, None])))
    scores = (rng.random(chance.shape) < chance).astype(float)
    return table(asked(PROMPTS), scores[:, :MODELS].tolist()), scores[:, MODELS]


def test_curves_rise_with_ability_and_stand_where_a_prompt_is_hard() -> None:
    easy, hard, sorting = [1.0] * 8, [0.0] * 8, [0.0] * 4 + [1.0] * 4
    curves = AbilityCurves.fit(np.array([easy, hard, sorting] * 20))
    middle = curves.expected[:3, len(GRID) // 2]
    assert middle[1] < 0.2
    assert middle[0] > 0.8
    assert middle[2] == pytest.approx(0.5, abs=0.15)
    assert curves.slopes[2] > 1.0
    assert curves.information[2] > max(curves.information[:2])


def test_missing_outcomes_count_for_nothing() -> None:
    rows = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]] * 10)
    holes = np.column_stack([rows, np.full(len(rows), np.nan)])
    assert np.isfinite(AbilityCurves.fit(holes).expected).all()


def test_every_category_has_its_share_and_no_question_comes_twice() -> None:
    outcomes, _ = world()
    curves = AbilityCurves.fit(outcomes.scores)
    rows = choose_prompts(outcomes, curves, 60, range(PROMPTS))
    categories = [outcomes.prompts[row].category for row in rows]
    assert len(set(rows.tolist())) == 60
    assert abs(categories.count("c0") - 30) <= 1
    assert np.ptp(curves.offsets[rows]) > 0.7 * np.ptp(curves.offsets)
    assert set(choose_prompts(outcomes, curves, 9, range(20)).tolist()) <= set(range(20))
    assert len(choose_prompts(outcomes, curves, 60, range(20))) == 20


def test_they_tell_more_than_their_neighbours() -> None:
    outcomes, _ = world()
    curves = AbilityCurves.fit(outcomes.scores)
    rows = choose_prompts(outcomes, curves, 60, range(PROMPTS))
    assert curves.information[rows].mean() > 1.2 * curves.information.mean()


@pytest.mark.parametrize("count", [40, 100])
def test_the_score_on_the_whole_file_is_foretold_between_its_bounds(count: int) -> None:
    outcomes, truth = world()
    curves = AbilityCurves.fit(outcomes.scores)
    rows = choose_prompts(outcomes, curves, count, range(PROMPTS))
    found = predict(outcomes, curves, rows, truth[rows].tolist())
    assert found.expected.lower <= truth.mean() <= found.expected.upper
    assert abs(found.expected.mean - truth.mean()) < 0.08
    assert found.expected.upper - found.expected.lower < 0.25
    assert found.expected.n == count


def test_bounds_close_in_with_more_answers_and_shut_when_all_are_known() -> None:
    outcomes, truth = world()
    curves = AbilityCurves.fit(outcomes.scores)
    widths = []
    for count in (20, 80, 320, PROMPTS):
        rows = choose_prompts(outcomes, curves, count, range(PROMPTS))
        found = predict(outcomes, curves, rows, truth[rows].tolist()).expected
        widths.append(found.upper - found.lower)
    assert widths[0] > widths[1] > widths[2] > 0
    assert widths[3] == pytest.approx(0, abs=1e-6)
    assert found.mean == pytest.approx(truth.mean())


def test_the_known_model_that_answers_alike_is_the_nearest() -> None:
    outcomes, _ = world()
    curves = AbilityCurves.fit(outcomes.scores)
    rows = choose_prompts(outcomes, curves, 60, range(PROMPTS))
    found = predict(outcomes, curves, rows, outcomes.scores[rows, 3].tolist())
    assert found.nearest[0].model == "d"
    assert len(found.nearest) == 3
    assert found.nearest[0].score == pytest.approx(outcomes.scores[:, 3].mean())
    assert 0.8 < found.nearest[0].agreement < 1.0  # shrunk: a few answers prove nothing


def test_a_new_model_that_fails_everything_has_a_score_near_nothing() -> None:
    outcomes, _ = world()
    curves = AbilityCurves.fit(outcomes.scores)
    rows = choose_prompts(outcomes, curves, 60, range(PROMPTS))
    found = predict(outcomes, curves, rows, [0.0] * 60).expected
    assert 0 <= found.lower <= found.mean < 0.1


def lines(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row(number: int, model: str, **more: object) -> dict[str, object]:
    return {"prompt": f"question {number}", "model": model, "score": number % 2, **more}


def test_answers_and_graders_are_read_from_either_form_of_file(tmp_path: Path) -> None:
    long, wide = tmp_path / "long.jsonl", tmp_path / "wide.csv"
    long.write_text(lines(*(row(1, model, answer="4", grader="number") for model in "ab")))
    wide.write_text("prompt,answer,grader,a,b\nquestion 1,4,number,1,1\n")
    for file in (long, wide):
        outcomes = load_outcomes([file])
        assert outcomes.models == ("a", "b")
        assert (outcomes.prompts[0].answer, outcomes.prompts[0].grader) == ("4", "number")


def test_two_answers_to_one_prompt_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(lines(row(1, "a", answer="4"), row(1, "b", answer="5")))
    with pytest.raises(ArtefactError, match=r"row 1 of x\.jsonl and row 2 of x\.jsonl give the same prompt another answer"):
        load_outcomes([file])


def test_only_prompts_with_an_answer_are_asked(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(lines(*(row(n, model, **({"answer": "4"} if n < 5 else {})) for n in range(30) for model in "abc")))
    own = OwnProbe.choose(file, 10)
    assert sorted(prompt.text for prompt in own.prompts) == [f"question {n}" for n in range(5)]
    assert len(own.outcomes.prompts) == 30


def test_a_file_without_answers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(lines(*(row(n, model) for n in range(3) for model in "ab")))
    with pytest.raises(ArtefactError, match="give it a column `answer`"):
        OwnProbe.choose(file, 10)
