"""No question is both learned from and judged."""

from __future__ import annotations

import numpy as np
import pytest

from learn.outcome_tables import table
from waypost.errors import ArtefactError
from waypost.learn.outcome_splits import cross_validated, official, question_of, trained_elsewhere
from waypost.learn.outcomes import Outcomes, Prompt


def prompts(*found: tuple[str, str, str]) -> Outcomes:
    """Each a group, a text and a split."""
    made = [Prompt(str(n), group, text, split=split, where=f"row {n}") for n, (group, text, split) in enumerate(found)]
    return table(made, [[0.0, 1.0]] * len(made))


def test_prompts_of_a_group_or_with_the_same_words_are_one_question() -> None:
    found = prompts(("a", "What is it?", ""), ("a", "Tell me.", ""), ("b", "what is... IT", ""), ("c", "?", ""), ("d", "!", ""))
    questions = question_of(found.prompts)
    assert questions[0] == questions[1] == questions[2]
    assert len(set(questions)) == 3


def test_every_prompt_is_judged_once_by_what_never_saw_its_question() -> None:
    found = prompts(*((f"g{n % 7}", f"text {n % 13}", "") for n in range(40)))
    division = cross_validated(prompts(*((f"g{n}", f"text {n % 13}", "") for n in range(40))), 3, seed=1)
    assert sorted(division.judged.tolist()) == list(range(40))
    for part in division.parts:
        learned = {prompt.plain for prompt in part.train.prompts}
        assert not learned & {f"text {row % 13}" for row in part.judged.tolist()}
    with pytest.raises(ArtefactError, match="has 1 questions, too few for 3 folds"):
        cross_validated(found, 3, seed=1)


def test_the_same_seed_gives_the_same_folds() -> None:
    found = prompts(*((f"g{n}", f"text {n}", "") for n in range(20)))
    one, two, other = (cross_validated(found, 4, seed).judged.tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_the_official_split_learns_from_train_and_leaves_extra_out() -> None:
    found = prompts(("a", "one", "train"), ("b", "two", "test"), ("c", "three", "ood"), ("d", "four", "extra"))
    division = official(found)
    assert [prompt.text for prompt in division.parts[0].train.prompts] == ["one"]
    assert [found.prompts[row].text for row in division.judged.tolist()] == ["two", "three"]


def test_a_group_in_both_splits_is_refused_with_its_rows_or_mended() -> None:
    found = prompts(("a", "one", "train"), ("b", "two", "train"), ("a", "one!", "test"))
    with pytest.raises(ArtefactError, match="row 0 and row 2: the group a is in the split train and in test"):
        official(found)
    division = official(found, mend=True)
    assert [prompt.text for prompt in division.parts[0].train.prompts] == ["two"]
    assert division.leaks == 1


def test_the_same_text_in_another_group_is_left_out_of_the_training_and_counted() -> None:
    found = prompts(("a", "One?", "train"), ("b", "two", "train"), ("c", "one", "test"))
    division = official(found)
    assert [prompt.text for prompt in division.parts[0].train.prompts] == ["two"]
    assert division.leaks == 1


def test_without_an_official_split_that_is_said() -> None:
    with pytest.raises(ArtefactError, match=r"no official split.*\(it has none 1\)"):
        official(prompts(("a", "one", "")))


def test_training_elsewhere_judges_everything_and_lacks_what_is_judged() -> None:
    judged = prompts(("a", "one", ""), ("b", "two", ""))
    other = prompts(("x", "ONE", ""), ("b", "second", ""), ("y", "three", ""))
    division = trained_elsewhere(judged, [other])
    assert [prompt.text for prompt in division.parts[0].train.prompts] == ["three"]
    assert division.leaks == 2
    assert division.judged.tolist() == [0, 1]
    with pytest.raises(ArtefactError, match="asks what is judged"):
        trained_elsewhere(judged, [judged])
    without = Outcomes("other", other.prompts, ("a", "c"), other.scores, other.costs)
    with pytest.raises(ArtefactError, match="no row of other is about the model b"):
        trained_elsewhere(judged, [without])


def test_training_elsewhere_may_have_more_models() -> None:
    judged = prompts(("a", "one", ""))
    wide = table([Prompt("1", "q", "else")], [[0.1, 0.2, 0.3]])
    train = trained_elsewhere(judged, [wide]).parts[0].train
    assert train.models == ("a", "b")
    assert np.allclose(train.scores, [[0.1, 0.2]])
