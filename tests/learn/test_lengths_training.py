"""Forecasts of the length of answers, as they are learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from learn.known_answers import NAMES, known_answers
from waypost.decide.abilities import INPUTS
from waypost.decide.lengths import LengthForecast
from waypost.learn.answers import Answers
from waypost.learn.lengths import judge_lengths, train_lengths


def test_what_makes_answers_long_is_found() -> None:
    forecast = train_lengths(known_answers())
    assert forecast is not None
    assert forecast.names == tuple(sorted(NAMES))
    assert forecast.weights[INPUTS.index("log_words")] > 0.6
    assert forecast.spread == pytest.approx(0.3, abs=0.03)


def test_a_source_without_counts_tells_nothing_of_lengths() -> None:
    answers = known_answers()
    for source in answers:
        source.tokens[:] = np.nan
    assert train_lengths(answers) is None


def test_models_that_think_are_left_out() -> None:
    answers = known_answers()
    renamed = [_renamed(source) for source in answers]
    forecast = train_lengths(renamed)
    assert forecast is not None
    assert "deepseek-r-1" not in forecast.names


def _renamed(source: Answers) -> Answers:
    return replace(source, models=tuple("deepseek-r-1" if one == NAMES[0] else one for one in source.models))


def test_forecasts_of_sources_left_out_are_judged_beside_a_constant() -> None:
    report = judge_lengths(known_answers(), lambda _, __: None)
    assert set(report) == {"easy", "plain", "hard"}
    assert report["easy"]["error"] < 0.2
    assert report["easy"]["prompts"] > 0.5


def test_lengths_survive_their_arrays() -> None:
    forecast = train_lengths(known_answers())
    assert forecast is not None
    again = LengthForecast.of_arrays(forecast.to_arrays())
    assert again.names == forecast.names
    assert np.array_equal(again.habits, forecast.habits)
    with pytest.raises(ValueError, match="do not fit"):
        LengthForecast.of_arrays({**forecast.to_arrays(), "habits": forecast.habits[1:]})
