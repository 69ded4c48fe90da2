"""How much it counts what is loaded, and how good a model is: as the config says it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from waypost.config import Config, loads
from waypost.config.show import effective
from waypost.decide.policy import ResidencyRules
from waypost.errors import ConfigError


def config_of(quality: Any = None, **blocks: Any) -> Config:
    info = {} if quality is None else {"model_info": {"waypost": {"quality": quality}}}
    entry = {"model_name": "a", "litellm_params": {"model": "openai/a", "api_base": "http://127.0.0.1:1"}, **info}
    return loads(yaml.safe_dump({"model_list": [entry], "discovery": {"enabled": False}, **blocks}), env={})


def rules_of(residency: Any) -> ResidencyRules | None:
    return config_of(policy={"residency": residency}).setup.policy.residency


def test_it_is_on_unless_it_is_switched_off() -> None:
    assert config_of().setup.policy.residency == rules_of(True) == rules_of({}) == ResidencyRules()
    assert rules_of(False) is None
    assert loads("policy: {residency: off}", env={}).setup.policy.residency is None


def test_each_number_may_be_set_and_a_route_may_have_a_band_of_its_own() -> None:
    assert rules_of({"band": 0.1, "spill_s": 20}) == ResidencyRules(band=0.1, spill_s=20.0)
    made = config_of(routes={"chat": {"candidates": ["a"], "band": 0}})
    assert made.setup.policy.routes["chat"].band == 0
    assert effective(made)["routes"]["chat"]["band"] == 0
    assert effective(made)["policy"]["residency"]["margin"] == ResidencyRules().margin


@pytest.mark.parametrize("wrong", [{"band": 1.5}, {"band": -0.1}, {"spill_s": 0}, {"bnad": 0.1}, "maybe", 3])
def test_what_means_nothing_is_a_problem(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        rules_of(wrong)


def test_quality_is_one_number_or_one_for_each_route() -> None:
    (one,) = config_of(0.8).setup.deployments
    assert one.quality_on("chat") == one.quality_on("coding") == 0.8
    (each,) = config_of({"chat": 0.9, "*": 0.5}).setup.deployments
    assert (each.quality_on("chat"), each.quality_on("coding")) == (0.9, 0.5)
    (some,) = config_of({"chat": 0.9}).setup.deployments
    assert some.quality_on("coding") is None
    assert effective(config_of(0.8))["deployments"][0]["quality"] == {"*": 0.8}


def test_a_quality_for_no_route_is_told_with_the_nearest_name() -> None:
    (warning,) = config_of({"caht": 0.9}).warnings
    assert "`quality` names `caht`, which is no route; did you mean `chat`?" in warning
    assert config_of({"coding": 0.9, "*": 0.5}).warnings == ()


@pytest.mark.parametrize("wrong", [1.2, "good", {"chat": True}, {"chat": -1}])
def test_a_quality_is_a_share(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        config_of(wrong)
