"""A proof that a mean loss is below a limit is wrong as rarely as it says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.learn.loss_test import is_below, losses_needed
from waypost.learn.outcomes import Floats

LENGTH = 5


@st.composite
def three_losses(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Three values from -1 to 1, and how probable each is."""
    values = np.array(draw(st.tuples(*[st.sampled_from([-1.0, -0.4, 0.0, 0.3, 1.0])] * 3)))
    weights = np.array(draw(st.tuples(*[st.integers(0, 20)] * 3)), np.float64) + 0.001
    return values, weights / weights.sum()


@settings(max_examples=50)
@given(three_losses(), st.sampled_from([0.0, 0.05, 0.3, 0.8]), st.sampled_from([0.5, 0.7, 0.9]))
def test_over_all_that_can_be_drawn_it_is_wrong_no_more_often_than_allowed(
    drawn: tuple[Floats, Floats], below: float, confidence: float
) -> None:
    values, chances = drawn
    limit = float(values @ chances) - below
    if not -1 < limit < 1:
        return
    wrong = sum(
        math.prod(chances[list(picks)])
        for picks in itertools.product(range(3), repeat=LENGTH)
        if is_below(values[list(picks)], limit, confidence)
    )
    assert wrong <= 1 - confidence + 1e-9


@pytest.mark.parametrize("kind", ["rare", "mixed", "smooth"])
def test_just_at_the_limit_it_is_seldom_taken_in(kind: str) -> None:
    rng, limit, n, runs = np.random.default_rng(5), 0.05, 400, 600
    draws = {
        "rare": (rng.random((runs, n)) < limit).astype(np.float64),
        "mixed": rng.choice([-1.0, 0.0, 1.0], (runs, n), p=[0.1, 0.75, 0.15]),
        "smooth": np.clip(rng.normal(limit, 0.2, (runs, n)), limit - 0.5, limit + 0.5),
    }[kind]
    wrong = sum(is_below(row, limit, 0.9) for row in draws)
    # Three standard errors of a tenth.
    assert wrong <= runs * 0.1 + 3 * math.sqrt(runs * 0.09)


def test_it_uses_that_most_differences_are_nothing() -> None:
    losses = np.zeros(2000)
    losses[::25], losses[5::50] = 1.0, -1.0
    # The share of losses alone is above the limit; what the gains give back is not.
    assert (losses > 0).mean() > 0.03
    assert is_below(np.random.default_rng(1).permutation(losses), 0.035, 0.95)


def test_nothing_is_proven_by_nothing() -> None:
    assert not is_below(np.array([]), 0.1, 0.5)
    assert not is_below(np.zeros(50), 0.02, 0.95)


def test_how_many_are_needed_is_as_many_as_prove_it() -> None:
    least = losses_needed(np.zeros(1), 0.02, 0.95)
    assert least is not None
    assert not is_below(np.zeros(least - 1), 0.02, 0.95)
    assert is_below(np.zeros(least), 0.02, 0.95)
    # No method does with fewer than ln(0.05) / ln(0.98).
    assert 149 <= least <= 300
    assert losses_needed(np.array([0.1, 0.0]), 0.02, 0.95) is None
    assert losses_needed(np.zeros(1), 1e-6, 0.95, most=10_000) is None
