"""How long an answer may get."""

from __future__ import annotations

from typing import Any

import pytest

from samples import turn
from waypost.fleet.view import answer_cap


@pytest.mark.parametrize(
    ("asked", "deployment", "route", "cap"),
    [
        (None, {}, {}, None),
        (20, {}, {}, 20),
        (None, {"max_tokens": 50}, {}, 50),
        (20, {"max_tokens": 50}, {}, 20),
        (80, {"max_tokens": 50}, {}, 50),
        (80, {"max_tokens": 50}, {"max_tokens": 90}, 80),
        (None, {"max_tokens": 50}, {"max_completion_tokens": 90}, 90),
        (None, {"max_tokens": 50, "num_predict": 40}, {}, 40),
        (None, {"max_tokens": 50}, {"num_predict": -1}, 50),
        (None, {"max_tokens": "many"}, {"max_tokens": True}, None),
    ],
)
def test_the_smaller_of_the_callers_cap_and_the_settings_counts_and_the_route_goes_before_the_deployment(
    asked: int | None, deployment: dict[str, Any], route: dict[str, Any], cap: int | None
) -> None:
    assert answer_cap(turn(answer_tokens=asked), deployment, route) == cap
