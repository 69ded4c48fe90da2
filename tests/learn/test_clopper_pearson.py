"""The bound of a rate."""

from __future__ import annotations

import pytest

from waypost.learn.clopper_pearson import upper_bound


def test_without_hits_it_is_what_the_formula_says() -> None:
    # No hit in n: 1 - 0.05^(1/n). For 8, 72 and 400 that is 31 %, 4 % and 0.75 %.
    for n in (1, 8, 72, 400):
        assert upper_bound(0, n) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-9)


@pytest.mark.parametrize(
    ("hits", "n", "bound"),
    [(1, 10, 0.394163), (5, 20, 0.455582), (9, 10, 0.994884), (46, 9797, 0.006000)],
)
def test_it_is_the_beta_quantile_of_the_textbook(hits: int, n: int, bound: float) -> None:
    assert upper_bound(hits, n) == pytest.approx(bound, abs=1e-6)


def test_it_agrees_with_scipy() -> None:
    beta = pytest.importorskip("scipy.stats").beta
    for hits, n in ((1, 10), (5, 20), (9, 10), (46, 9797), (3000, 9797)):
        assert upper_bound(hits, n) == pytest.approx(beta.ppf(0.95, hits + 1, n - hits), rel=1e-6)


def test_all_hits_allow_everything_and_no_rows_say_nothing() -> None:
    assert upper_bound(3, 3) == 1.0
    assert upper_bound(0, 0) is None
