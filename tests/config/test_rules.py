"""Routes, aliases and fallbacks: every name in them must mean something, and nothing may loop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from waypost.config import Config, load, loads
from waypost.config.params import is_setting
from waypost.config.show import effective
from waypost.decide.policy import Policy
from waypost.dialects import openai
from waypost.errors import ConfigError
from waypost.known_settings import KNOWN


def config_of(*groups: str, **blocks: Any) -> Config:
    entries = [
        {
            "model_name": group,
            "litellm_params": {"model": group if "*" in group else f"openai/{group}", "api_base": "http://127.0.0.1:1"},
        }
        for group in groups
    ]
    return loads(yaml.safe_dump({"model_list": entries, **blocks}, sort_keys=False), env={})


def policy_of(*groups: str, **blocks: Any) -> Policy:
    return config_of(*groups, **blocks).setup.policy


def test_a_route_is_a_list_or_a_block() -> None:
    policy = policy_of(
        "a",
        "b",
        routes={
            "chat": ["b", "a"],
            "memory": {"candidates": ["a"], "private": True, "settings": {"num_predict": 9, "temperature": 0}},
            "own": {"description": "A line."},
        },
    )
    assert policy.routes["chat"].candidates == ("b", "a")
    assert policy.routes["memory"].private is True
    assert dict(policy.routes["memory"].settings) == {"temperature": 0, "max_tokens": 9}
    assert policy.routes["own"].candidates == ("*",)
    assert policy.routes["vision"].candidates == ("*",)


@pytest.mark.parametrize("off", [False, "off"])  # YAML reads a plain `off` as false
def test_what_is_checked_before_it_goes_out_is_said_for_all_and_for_a_route(off: Any) -> None:
    assert policy_of("a").verify == "off"
    config = config_of("a", policy={"verify": "tools"}, routes={"chat": {"verify": off}, "memory": ["a"]})
    policy = config.setup.policy
    assert (policy.verify, policy.routes["chat"].verify, policy.routes["memory"].verify) == ("tools", "off", None)
    shown = effective(config)
    assert (shown["policy"]["verify"], shown["routes"]["chat"]["verify"]) == ("tools", "off")
    with pytest.raises(ConfigError, match=r"policy\.verify"):
        policy_of("a", policy={"verify": "everything"})


def test_a_route_may_be_for_long_turns_and_shows_it() -> None:
    config = config_of("a", routes={"memory": {"needs": {"context": 10_000}}, "chat": ["a"]})
    assert {name: route.needs_context for name, route in config.setup.policy.routes.items() if route.needs_context} == {
        "memory": 10_000
    }
    shown = effective(config)["routes"]
    assert (shown["memory"]["needs"], shown["chat"]["needs"]) == ({"context": 10_000}, {"context": None})


@pytest.mark.parametrize("needs", [10_000, {"context": "long"}, {"context": -1}, {"context": True}, {"contxt": 10_000}])
def test_needs_that_mean_nothing_are_a_problem(needs: Any) -> None:
    with pytest.raises(ConfigError):
        config_of("a", routes={"memory": {"needs": needs}})


@pytest.mark.parametrize(("window", "told"), [(4096, True), (9_999, True), (10_000, False), (None, False)])
def test_a_candidate_too_small_for_what_its_route_is_for_is_told(window: int | None, told: bool) -> None:
    entry = {"model_name": "a", "litellm_params": {"model": "openai/a", "api_base": "http://127.0.0.1:1"}}
    known = {"model_info": {"max_input_tokens": window}} if window else {}
    routes = {"memory": {"candidates": ["a", "*"], "needs": {"context": 10_000}}}
    warnings = loads(yaml.safe_dump({"model_list": [entry | known], "routes": routes}), env={}).warnings
    assert [f"its window holds {window} tokens" in warning for warning in warnings] == [True] * told


def test_a_candidate_may_be_a_group_an_id_a_model_or_an_alias_of_one() -> None:
    policy = policy_of("a", "a", "b", routes={"chat": ["a#2", "openai/b", "b", "x", "*"]}, aliases={"x": "a"})
    assert policy.routes["chat"].candidates == ("a#2", "openai/b", "b", "a", "*")


@pytest.mark.parametrize("name", ["vision", "own", "auto", "alias"])
def test_row_38_a_route_cannot_lead_to_a_route(name: str) -> None:
    with pytest.raises(ConfigError, match="a route cannot lead to a route"):
        config_of("a", routes={"chat": [name], "own": ["a"]}, aliases={"alias": "own"})


@pytest.mark.parametrize(
    "key",
    [
        *("api_base", "api_key", "model", "messages", "stream", "extra_headers", "base_url", "organization", "timeout"),
        *("fallbacks", "num_retries", "max_retries", "mock_response", "custom_llm_provider", "model_list", "callbacks"),
        *("context_window_fallback_dict", "success_callback", "litellm_metadata", "aws_role_name", "deployment_id"),
        *("client", "azure", "input_cost_per_token", "drop_params", "_skip_mcp_handler"),
    ],
)
def test_a_route_cannot_say_where_or_how_a_request_goes(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of("a", routes={"chat": {"settings": {"temperature": 0.2, key: "x"}}})
    [problem] = caught.value.problems
    assert re.fullmatch(rf"waypost\.yaml:\d+: `{key}` is not a setting: .*", problem)


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_every_known_setting_may_stand_in_a_route(key: str) -> None:
    assert is_setting(key)


def test_a_setting_of_a_wrong_type_is_a_problem_in_a_route() -> None:
    with pytest.raises(ConfigError, match="`temperature` must be a number"):
        config_of("a", routes={"chat": {"settings": {"temperature": "hot"}}})


def test_an_alias_leads_to_its_final_target() -> None:
    policy = policy_of("a", aliases={"one": "two", "two": "tool_calling", "three": "a", "four": "auto-fast"})
    assert dict(policy.aliases) == {"one": "tool_calling", "two": "tool_calling", "three": "a", "four": "auto-fast"}


@pytest.mark.parametrize("aliases", [{"a1": "a1"}, {"a1": "a2", "a2": "a1"}, {"a1": "a2", "a2": "a3", "a3": "a2"}])
def test_row_38_aliases_that_loop_are_refused(aliases: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of("m", aliases=aliases)
    assert len(caught.value.problems) == len(aliases)
    assert all("leads back to itself" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(("alias", "what"), [("chat", "route"), ("auto", "route"), ("a", "model"), ("own", "route")])
def test_an_alias_cannot_hide_a_name(alias: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"has the name of a {what}"):
        config_of("a", "b", aliases={alias: "b"}, routes={"own": ["a"]})


def test_an_alias_to_nothing_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean `hermes`"):
        config_of("hermes", aliases={"x": "hermez"})


def test_a_route_cannot_take_a_built_in_name_or_that_of_a_model() -> None:
    with pytest.raises(ConfigError, match="it is built in"):
        config_of("a", routes={"auto": ["a"]})
    with pytest.raises(ConfigError, match="has the name of a model"):
        config_of("a", "b", routes={"a": ["b"]})


def test_a_model_with_the_name_of_a_route_is_told() -> None:
    (warning,) = config_of("chat").warnings
    assert "the model `chat` has the name of a route" in warning


def test_a_name_that_discovery_may_find_is_no_problem() -> None:
    config = config_of("a", routes={"chat": ["qwen3:8b"]}, discovery={"enabled": True})
    assert config.setup.policy.routes["chat"].candidates == ("qwen3:8b",)
    assert "discovery may find it" in config.warnings[0]


def test_fallbacks_of_both_blocks_are_joined() -> None:
    policy = policy_of(
        "a",
        "b",
        "c",
        "d",
        router_settings={
            "fallbacks": [{"a": ["b"]}, {"*": ["d"]}],
            "default_fallbacks": ["c"],
            "context_window_fallbacks": None,
        },
        litellm_settings={"fallbacks": [{"a": [{"model": "c"}]}], "context_window_fallbacks": [{"a": ["d"]}]},
        policy={"default_fallbacks": ["a"]},
    )
    assert dict(policy.fallbacks) == {"a": ("b", "c")}
    assert dict(policy.context_fallbacks) == {"a": ("d",)}
    assert policy.default_fallbacks == ("a", "c", "d")


def test_row_38_fallbacks_of_fallbacks_follow_and_never_loop() -> None:
    """LiteLLM takes two groups that stand in for each other, and so do we: each is asked once."""
    policy = policy_of("a", "b", "c", router_settings={"fallbacks": [{"a": ["b", "a"]}, {"b": ["c", "a"]}, {"c": ["c"]}]})
    assert dict(policy.fallbacks) == {"a": ("b", "c"), "b": ("c", "a")}


def test_a_last_resort_must_exist() -> None:
    assert policy_of("a", "b", policy={"last_resort": ["b"]}).last_resort == ("b",)
    with pytest.raises(ConfigError, match="the last resort `c` is no model of this file"):
        config_of("a", policy={"last_resort": ["c"]})


@pytest.mark.parametrize("policy", [{"retry_budget": -0.1}, {"retry_budget": 11}, {"slot_wait_s": -1}, {"last_resort": "a"}])
def test_rules_of_the_calls_out_of_range_are_a_problem(policy: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        config_of("a", policy=policy)


def test_a_fallback_to_nothing_is_told_and_left_out() -> None:
    config = config_of("a", router_settings={"fallbacks": [{"a": ["gone"]}, {"gone": ["a"]}]})
    assert dict(config.setup.policy.fallbacks) == {}
    assert len(config.warnings) == 2


@pytest.mark.parametrize("fallbacks", ["a", [["a"]], [{"a": "b"}], [{"a": [3]}]])
def test_fallbacks_of_a_wrong_shape_are_a_problem(fallbacks: Any) -> None:
    with pytest.raises(ConfigError):
        config_of("a", "b", router_settings={"fallbacks": fallbacks})


def test_an_alias_of_litellm_works_like_ours_and_yields_to_it() -> None:
    config = config_of(
        "a",
        "b",
        router_settings={"model_group_alias": {"x": "a", "y": {"model": "b", "hidden": True}, "z": "b"}},
        aliases={"z": "a"},
    )
    assert dict(config.setup.policy.aliases) == {"z": "a", "x": "a", "y": "b"}
    assert len(config.warnings) == 1


def test_a_name_under_a_wildcard_becomes_a_deployment_when_it_is_used() -> None:
    config = config_of("openai/*", routes={"chat": ["openai/gpt-4o"]})
    pattern, made = config.setup.deployments
    assert (pattern.group, pattern.model, pattern.is_pattern) == ("openai/*", "*", True)
    assert (made.id, made.group, made.model, made.is_pattern) == ("openai/gpt-4o", "openai/gpt-4o", "gpt-4o", False)


def test_an_entry_for_every_provider_is_left_out_with_a_warning_and_the_file_loads() -> None:
    entry = {"model_name": "*", "litellm_params": {"model": "*"}}
    config = loads(yaml.safe_dump({"model_list": [entry]}))
    assert config.setup.deployments == ()
    assert any("every provider" in warning for warning in config.warnings)


def test_the_star_of_a_group_fills_the_star_of_its_model() -> None:
    entry = {"model_name": "claude-*", "litellm_params": {"model": "anthropic/claude-*"}}
    config = loads(yaml.safe_dump({"model_list": [entry], "routes": {"chat": ["claude-opus"]}}), env={})
    assert config.setup.deployments[1].model == "claude-opus"


def test_an_included_file_that_is_only_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("just some words\n")
    (tmp_path / "waypost.yaml").write_text("include: [words.txt]\n")
    with pytest.raises(ConfigError, match=r"words\.txt.* is no config"):
        load(tmp_path / "waypost.yaml")


def test_channels_are_named_in_any_case() -> None:
    policy = config_of("a", policy={"channel_routes": {"Voice": "memory"}}).setup.policy
    said = {"model": "auto", "messages": [{"role": "user", "content": "?"}]}
    spoken = openai.parse_body(said, turn_id="t1", headers={"x-waypost-channel": "vOICE"})
    assert policy.default_route_of(spoken) == "memory"


@pytest.mark.parametrize(
    ("litellm", "ours"), [("simple-shuffle", "weighted"), ("least-busy", "least_busy"), ("latency-based-routing", "latency")]
)
def test_litellms_routing_strategies_mean_the_same_here(litellm: str, ours: str) -> None:
    config = config_of("a", router_settings={"routing_strategy": litellm})
    assert config.setup.policy.balancing == effective(config)["policy"]["balancing"] == ours
    assert config.warnings == ()


def test_balancing_of_ours_goes_before_litellms_and_a_groups_own_before_both() -> None:
    rules = {"balancing": "least_busy", "group_balancing": {"b": "weighted"}, "session_affinity": False}
    policy = policy_of("a", "b", router_settings={"routing_strategy": "simple-shuffle"}, policy=rules)
    assert (policy.balancing_of("a"), policy.balancing_of("b"), policy.session_affinity) == ("least_busy", "weighted", False)


def test_a_strategy_of_litellms_that_we_do_not_have_is_told_and_not_used() -> None:
    config = config_of("a", router_settings={"routing_strategy": "cost-based-routing"})
    assert config.setup.policy.balancing == "least_busy"
    (warning,) = config.warnings
    assert "`routing_strategy` is not used: Waypost knows `simple-shuffle`, `least-busy`, `latency-based-routing`" in warning


def test_balancing_of_a_group_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="`qwem` is no `model_name` of this file; did you mean `qwen`"):
        config_of("qwen", policy={"group_balancing": {"qwem": "latency"}})


@pytest.mark.parametrize(("hedge", "after"), [(None, None), ({}, "p95"), ({"after": "p95"}, "p95"), ({"after": 1.5}, 1.5)])
def test_hedging_is_off_until_it_is_there_and_then_waits_for_the_95th_percentile(hedge: Any, after: Any) -> None:
    config = config_of("a", policy={"hedge": hedge})
    assert config.policy.hedge_after == after
    assert effective(config)["policy"]["hedge"] == (None if hedge is None else {"after": after})


@pytest.mark.parametrize("after", ["p99", True, 0, -1, 1e9, None, [1]])
def test_a_hedge_after_anything_else_is_refused(after: Any) -> None:
    with pytest.raises(ConfigError, match=r"`policy\.hedge\.after`: must be `p95` or a number of seconds"):
        config_of("a", policy={"hedge": {"after": after}})
