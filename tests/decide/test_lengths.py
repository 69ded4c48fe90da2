"""How long answers are expected to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from samples import deployment, turn
from waypost.decide.abilities import INPUTS
from waypost.decide.labels import LABEL_NAMES
from waypost.decide.lengths import LengthForecast, cut_mean
from waypost.decide.task import TaskScores
from waypost.decide.task_model import load_task_model

MODEL = load_task_model()
MATHS = MODEL.predict(turn("Prove that the square root of 2 is irrational."))
CHAT = MODEL.predict(turn("Write a poem about the sea."))
MINI = deployment("mini", provider="openai", model="gpt-4o-mini")
OTHER = deployment("other", provider="openai", model="unheard-of")


def forecast() -> LengthForecast:
    """``gpt-4o-mini`` takes twice as many tokens as others, which take about 100; only maths is known."""
    spoken = np.array([name == "maths" for name in LABEL_NAMES])
    zeros = np.zeros(len(INPUTS))
    return LengthForecast(("gpt-4o-mini",), np.array([np.log(2)]), np.log(100), zeros, zeros, 0.5, spoken)


def test_a_known_model_has_its_habit_and_others_the_mean() -> None:
    mini, other = forecast().tokens(MATHS, [MINI, OTHER], [None, None])
    assert other == round(100 * np.exp(0.125)), "the mean of a log-normal is above its median"
    assert mini == pytest.approx(2 * (other or 0), abs=1)


def test_a_cap_cuts_the_mean_and_not_only_what_is_above_it() -> None:
    free, loose, tight = (forecast().tokens(MATHS, [MINI], [cap])[0] or 0 for cap in (None, 250, 50))
    assert tight <= 50
    assert tight < loose < free
    assert loose < 226, "some answers are cut at 250"


def test_of_prompts_that_nobody_counted_nothing_is_told() -> None:
    assert forecast().tokens(CHAT, [MINI, OTHER], [None, None]) == [None, None]
    assert forecast().tokens(TaskScores({}, None), [MINI], [None]) == [None]


def test_what_a_model_thinks_was_not_counted() -> None:
    thinker = deployment("r1", provider="deepseek", model="deepseek-r1")
    assert forecast().tokens(MATHS, [thinker, MINI], [None, None])[0] is None
    assert forecast().tokens(MATHS, [replace(MINI, settings={"reasoning_effort": "high"})], [None]) == [None]
    assert forecast().tokens(MATHS, [replace(thinker, settings={"think": False})], [None])[0] is not None


def test_an_answer_has_a_token_at_least() -> None:
    assert forecast().tokens(MATHS, [MINI], [1]) == [1]


def test_the_mean_that_is_cut_is_that_of_many_answers() -> None:
    drawn = np.exp(np.random.default_rng(1).normal(4.6, 0.7, 200_000))
    assert cut_mean(4.6, 0.7, None) == pytest.approx(drawn.mean(), rel=0.01)
    assert cut_mean(4.6, 0.7, 120) == pytest.approx(np.minimum(drawn, 120).mean(), rel=0.01)
