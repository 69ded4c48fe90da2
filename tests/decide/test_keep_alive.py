"""How long Ollama keeps a model says what the model is worth, unless somebody stated it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decide.engine import cloud, local, one_slot
from samples import artefacts, fleet, policy, turn
from waypost.decide.decision import decide
from waypost.decide.keep_alive import LEAST_S, keep_alive_s
from waypost.decide.policy import Route
from waypost.fleet.residency import Residency
from waypost.fleet.view import FleetView

NATIVE: dict[str, Any] = {"lane": "ollama"}


def kept(view: FleetView, asked: Any = None, settings: dict[str, Any] | None = None, **rules: Any) -> dict[str, Any]:
    """What each candidate's settings say of how long it is kept."""
    made = policy(routes={"memory": Route("memory", settings=settings or {})}, **rules)
    found = decide(asked or turn(), view, made, artefacts("memory"))
    return {one.deployment: one.settings.get("keep_alive") for one in found.candidates}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 600)), min_size=2, max_size=2),
)
def test_what_a_reload_would_cost_more_is_kept_for_longer(models: list[tuple[float, float]]) -> None:
    one, other = (
        keep_alive_s(local("a", **NATIVE), Residency("ollama", "a", load_s=load_s, demand=demand), {})
        for demand, load_s in models
    )
    assert one is not None
    assert other is not None
    assert min(one, other) >= LEAST_S
    costs = [demand * load_s for demand, load_s in models]
    if abs(costs[0] - costs[1]) > 0.02:
        assert (one > other) == (costs[0] > costs[1])


def test_the_settings_of_candidates_say_it_for_ollamas_alone() -> None:
    view = one_slot(
        "a",
        local("a", **NATIVE),
        local("b", **NATIVE),
        local("vllm", lane="openai"),
        cloud(),
        a={"demand": 0.6, "load_s": 40.0},
        b={"demand": 0.4, "load_s": 10.0},
    )
    assert kept(view) == {"a": LEAST_S + 60 * 24, "b": LEAST_S + 60 * 4, "vllm": None, "cloud": None}


@pytest.mark.parametrize("stated", ["30m", -1, 0])
def test_what_the_config_states_stays(stated: Any) -> None:
    view = one_slot("a", local("a", **NATIVE, settings={"keep_alive": stated}), local("b", **NATIVE))
    assert kept(view) == {"a": None, "b": LEAST_S}
    assert kept(view, settings={"keep_alive": stated})["b"] == stated


def test_a_clients_own_work_keeps_nothing_for_longer() -> None:
    assert kept(one_slot("a", local("a", **NATIVE)), turn(background="a title")) == {"a": None}


def test_nothing_is_said_where_it_does_not_count_or_nobody_knows() -> None:
    assert kept(one_slot("a", local("a", **NATIVE)), residency=None) == {"a": None}
    assert kept(one_slot("a", local("a", **NATIVE), load_s=None)) == {"a": None}
    assert kept(fleet(local("a", **NATIVE))) == {"a": None}
