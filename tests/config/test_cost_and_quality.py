"""Dials, floors, pairs and exploration in a config, and what is wrong with some."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from meta.source import ROOT
from waypost.config import Config, loads
from waypost.config.show import effective
from waypost.decide.policy import RouterPair
from waypost.errors import ConfigError

YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def config_of(*groups: str, **blocks: Any) -> Config:
    entries = [
        {"model_name": group, "litellm_params": {"model": f"openai/{group}", "api_base": "http://127.0.0.1:1"}}
        for group in groups
    ]
    return loads(yaml.safe_dump({"model_list": entries, **blocks}, sort_keys=False), env={})


def test_a_dial_a_floor_and_exploration_are_said_for_all_and_for_a_route() -> None:
    config = config_of(
        "a",
        policy={"cost_quality": 0.5, "quality_floor": 0.1},
        routes={"chat": {"cost_quality": 0, "quality_floor": 1, "explore": 0.2}, "memory": ["a"]},
    )
    policy = config.setup.policy
    assert (policy.cost_quality, policy.quality_floor) == (0.5, 0.1)
    chat, memory = policy.routes["chat"], policy.routes["memory"]
    assert (chat.cost_quality, chat.quality_floor, chat.explore) == (0.0, 1.0, 0.2)
    assert (memory.cost_quality, memory.quality_floor, memory.explore) == (None, None, 0.0)
    assert effective(config)["routes"]["chat"]["explore"] == 0.2
    assert config.version != config_of("a", policy={"cost_quality": 0.5}).version


def test_without_them_nothing_is_weighed() -> None:
    policy = config_of("a").setup.policy
    assert (policy.cost_quality, policy.quality_floor, dict(policy.pairs)) == (None, None, {})


@pytest.mark.parametrize(
    "blocks",
    [
        {"policy": {"cost_quality": 1.1}},
        {"policy": {"cost_quality": True}},
        {"policy": {"quality_floor": -0.1}},
        {"routes": {"chat": {"explore": 0.21}}},
        {"routes": {"chat": {"cost_quality": "0.5x"}}},
        {"router_pairs": {"mf": {"strong": "a"}}},
        {"router_pairs": {"mf": {"strong": "a", "weak": "b", "router": "mf"}}},
        {"quality": {"artifact": "x"}},
    ],
)
def test_a_share_out_of_range_or_half_a_pair_is_a_problem(blocks: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        config_of("a", "b", **blocks)


def test_a_pair_is_of_two_models_of_the_file() -> None:
    pairs = {"mf": {"strong": "a", "weak": "b", "router": "routellm"}}
    assert dict(config_of("a", "b", router_pairs=pairs).setup.policy.pairs) == {"mf": RouterPair("a", "b", "routellm")}
    with pytest.raises(ConfigError, match="the weak model `c` is no model of this file"):
        config_of("a", "b", router_pairs={"mf": {"strong": "a", "weak": "c"}})
    for weak in ("a", "openai/a"):
        with pytest.raises(ConfigError, match=f"the pair `mf` needs two models: `{weak}` is both"):
            config_of("a", "b", router_pairs={"mf": {"strong": "a", "weak": weak}})
    for strong in ("*", "openai/*"):
        with pytest.raises(ConfigError, match="is a pattern: name one model"):
            config_of("openai/*", "b", router_pairs={"mf": {"strong": strong, "weak": "b"}})
    config_of("openai/*", "b", router_pairs={"mf": {"strong": "openai/gpt-4o", "weak": "b"}})


def test_an_alias_may_have_a_dial_or_a_threshold() -> None:
    aliases = {"thrifty": "auto@0.2", "coder": "coding@0.9", "gpt-4": "router-mf-0.11593"}
    pairs = {"mf": {"strong": "a", "weak": "b"}}
    assert dict(config_of("a", "b", aliases=aliases, router_pairs=pairs).setup.policy.aliases) == aliases


@pytest.mark.parametrize("target", ["auto@2", "auto@", "auto-best@0.5", "nobody@0.5", "router-mf-2", "router-no-0.5"])
def test_an_alias_with_another_number_leads_nowhere(target: str) -> None:
    with pytest.raises(ConfigError, match="the target of the alias `x`"):
        config_of("a", "b", aliases={"x": target}, router_pairs={"mf": {"strong": "a", "weak": "b"}})


def test_the_configs_of_the_page_load_without_a_warning() -> None:
    blocks = YAML.findall((ROOT / "docs" / "cost-and-quality.md").read_text())
    assert len(blocks) == 2
    assert [loads(block, env={}).warnings for block in blocks] == [(), ()]
