"""Whatever leads to whatever in a config: it is refused, or every request in it comes to an end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from desk import turn
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import artefacts
from waypost.config import Config, loads
from waypost.decide.decision import decide
from waypost.dispatch.plan import MAX_RETRIES, Plan
from waypost.errors import ConfigError, ConnectFailed, ProviderContextTooLong, ProviderError, ProviderUnavailable
from waypost.fleet.view import FleetView

GROUPS, ALIASES, ROUTES = ["a", "b", "c"], ["x", "y", "z"], ["chat", "own", "other"]
ANY = st.sampled_from([*GROUPS, *ALIASES, *ROUTES, "auto", "*"])
CHAINS = st.dictionaries(st.sampled_from([*GROUPS, *ALIASES, "*"]), st.lists(ANY, min_size=1, max_size=4)).map(
    lambda chains: [{name: targets} for name, targets in chains.items()]
)
MODELS = [
    {"model_name": group, "litellm_params": {"model": f"hosted_vllm/{group}", "api_base": f"http://127.0.0.1:{port}/v1"}}
    for port, group in enumerate([*GROUPS, "a"], 1)
]
ADOPTED = st.fixed_dictionaries(
    {
        "fallbacks": CHAINS,
        "context_window_fallbacks": CHAINS,
        "default_fallbacks": st.lists(st.sampled_from(GROUPS + ALIASES)),
        "model_group_alias": st.dictionaries(st.sampled_from(ALIASES), ANY),
    }
)
OWN = st.fixed_dictionaries(
    {
        "aliases": st.dictionaries(st.sampled_from(ALIASES), ANY),
        "routes": st.dictionaries(st.sampled_from(ROUTES), st.lists(ANY, min_size=1, max_size=3)),
        "policy": st.fixed_dictionaries(
            {"default_fallbacks": st.lists(st.sampled_from(GROUPS)), "last_resort": st.lists(st.sampled_from(GROUPS))}
        ),
    }
)


def assert_all_come_to_an_end(config: Config, error: type[ProviderError]) -> None:
    policy, view = config.setup.policy, FleetView(config.setup.deployments)
    for name in [*GROUPS, *ALIASES, *ROUTES, "auto"]:
        made = decide(replace(turn(), model=name), view, policy, artefacts())
        listed = [candidate.deployment for candidate in made.candidates]
        assert len(listed) == len(set(listed))
        plan, asked = Plan(made, view, 100, lambda: 0.0), []
        while (step := plan.next()) is not None:
            asked.append(step.deployment.id)
            assert len(asked) <= len(listed) + MAX_RETRIES
            plan.failed(step, error("it failed", deployment=step.deployment.id))
        assert asked[: len(listed)] == listed[: len(asked)]
        assert set(asked[len(listed) :]) <= set(listed[:1])


@pytest.mark.parametrize("error", [ConnectFailed, ProviderUnavailable, ProviderContextTooLong])
@given(adopted=ADOPTED)
@settings(max_examples=60, deadline=None)
def test_row_38_whatever_a_config_of_litellms_says_nobody_is_asked_twice(
    error: type[ProviderError], adopted: dict[str, Any]
) -> None:
    config = loads(json.dumps({"model_list": MODELS, "router_settings": adopted}), env={})
    assert_all_come_to_an_end(config, error)


@given(own=OWN, adopted=ADOPTED)
@settings(max_examples=200, deadline=None)
def test_row_38_a_loop_of_our_own_routes_and_aliases_is_refused(own: dict[str, Any], adopted: dict[str, Any]) -> None:
    try:
        config = loads(json.dumps({"model_list": MODELS, "router_settings": adopted, **own}), env={})
    except ConfigError:
        return
    for name in own["aliases"]:
        seen = [name]
        while (target := own["aliases"].get(seen[-1])) is not None:
            assert target not in seen
            seen.append(target)
    assert_all_come_to_an_end(config, ConnectFailed)
