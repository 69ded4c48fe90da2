"""How models are loaded: one value of each load-time option for a model of an engine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from waypost.config import Config, loads
from waypost.config.show import effective
from waypost.errors import ConfigError

HERE = "http://127.0.0.1:11434"


def ollama(group: str, model: str = "qwen3:8b", **params: Any) -> dict[str, Any]:
    return {"model_name": group, "litellm_params": {"model": f"ollama_chat/{model}", "api_base": HERE, **params}}


def config_of(*entries: dict[str, Any], **blocks: Any) -> Config:
    return loads(yaml.safe_dump({"model_list": list(entries), **blocks}, sort_keys=False), env={})


def settings(config: Config, name: str) -> dict[str, Any]:
    return next(dict(deployment.settings) for deployment in config.setup.deployments if deployment.id == name)


def test_a_model_has_the_largest_window_that_is_asked_for_and_of_the_rest_what_stands_first() -> None:
    config = config_of(
        ollama("a", num_ctx=4096, num_gpu=-1, temperature=0.1),
        ollama("b", num_ctx=8192, num_gpu=20, temperature=0.9),
        ollama("other", "llama3.1", num_ctx=2048),
    )
    assert settings(config, "a") == {"num_ctx": 8192, "num_gpu": -1, "temperature": 0.1}
    assert settings(config, "b") == {"num_ctx": 8192, "num_gpu": -1, "temperature": 0.9}
    assert settings(config, "other") == {"num_ctx": 2048}
    assert [deployment.window_tokens for deployment in config.setup.deployments] == [8192, 8192, 2048]
    assert {deployment.sources["window_tokens"] for deployment in config.setup.deployments} == {"config"}
    assert [warning for warning in config.warnings if "is not used" in warning] == [
        "waypost.yaml:6: `num_ctx`: 4096 is not used, as line 13 wants 8192 for `qwen3:8b`: it would load the model again",
        "waypost.yaml:14: `num_gpu`: 20 is not used, as line 7 wants -1 for `qwen3:8b`: it would load the model again",
    ]


def test_the_same_weights_are_known_under_every_way_to_write_their_address_and_name() -> None:
    entries = [ollama("a", "qwen3", num_ctx=4096), ollama("b", "qwen3:latest")]
    entries[1]["litellm_params"]["api_base"] = "http://localhost:11434/"
    config = config_of(*entries)
    first, second = config.setup.deployments
    assert first.weights == second.weights == (HERE, "qwen3")
    assert settings(config, "b") == {"num_ctx": 4096}
    assert second.window_tokens == 4096


def test_without_a_num_ctx_all_variants_have_the_largest_window_that_is_stated() -> None:
    entries = [ollama("a"), ollama("b"), ollama("c")]
    entries[0]["model_info"], entries[1]["model_info"] = {"max_input_tokens": 4096}, {"max_input_tokens": 8192}
    assert [deployment.window_tokens for deployment in config_of(*entries).setup.deployments] == [8192, 8192, 8192]
    config = config_of(*entries, ollama("d", num_ctx=2048))
    assert [deployment.window_tokens for deployment in config.setup.deployments] == [2048] * 4
    assert settings(config, "a") == {"num_ctx": 2048}


def test_another_engine_may_load_the_same_model_in_another_way() -> None:
    entries = [ollama("a", num_ctx=4096), ollama("b", num_ctx=8192)]
    entries[1]["litellm_params"]["api_base"] = "http://192.168.1.2:11434"
    config = config_of(*entries)
    assert [deployment.window_tokens for deployment in config.setup.deployments] == [4096, 8192]
    assert config.warnings == ()


def test_what_a_route_asks_for_is_for_its_models_on_every_route_and_leaves_its_settings() -> None:
    config = config_of(
        ollama("a", keep_alive="5m"),
        ollama("b", "llama3.1"),
        aliases={"talker": "a"},
        routes={
            "chat": {"candidates": ["talker"], "settings": {"num_ctx": 8192, "keep_alive": "1h", "temperature": 0.8}},
            "memory": {"candidates": ["a"], "settings": {"num_ctx": 4096}},
        },
    )
    assert settings(config, "a") == {"num_ctx": 8192, "keep_alive": "5m"}
    assert settings(config, "b") == {}
    assert dict(config.setup.policy.routes["chat"].settings) == {"temperature": 0.8}
    assert dict(config.setup.policy.routes["memory"].settings) == {}
    assert effective(config)["routes"]["chat"]["settings"] == {"temperature": 0.8}
    unused = [warning.partition(" is not used, ")[0] for warning in config.warnings]
    assert unused == ["waypost.yaml:19: `keep_alive`: 1h", "waypost.yaml:25: `num_ctx`: 4096"]


def test_an_open_route_speaks_for_every_model_of_ollama() -> None:
    config = config_of(ollama("a"), ollama("b", "llama3.1", num_ctx=2048), routes={"chat": {"settings": {"num_ctx": 4096}}})
    assert [deployment.window_tokens for deployment in config.setup.deployments] == [4096, 4096]


def test_a_window_of_a_route_is_what_its_long_turns_are_held_to() -> None:
    needs = {"candidates": ["a"], "needs": {"context": 10_000}}
    narrow = config_of(ollama("a", num_ctx=4096), routes={"memory": needs})
    wide = config_of(ollama("a", num_ctx=4096), routes={"memory": needs | {"settings": {"num_ctx": 16_384}}})
    assert any("gets none of the long turns" in warning for warning in narrow.warnings)
    assert not any("gets none of the long turns" in warning for warning in wide.warnings)


def test_a_name_under_a_wildcard_is_loaded_like_the_model_that_it_means() -> None:
    config = config_of(ollama("a", num_ctx=4096), ollama("ollama_chat/*", "*"), routes={"chat": ["ollama_chat/llama3.1"]})
    pattern = next(deployment for deployment in config.setup.deployments if deployment.is_pattern)
    assert dict(pattern.settings) == {}
    config = config_of(
        ollama("ollama_chat/*", "*", num_ctx=2048),
        routes={"chat": {"candidates": ["ollama_chat/llama3.1"], "settings": {"num_ctx": 8192}}},
    )
    made = next(deployment for deployment in config.setup.deployments if not deployment.is_pattern)
    assert (made.model, made.window_tokens) == ("llama3.1", 8192)
    assert any("line 6" not in warning and "`num_ctx`: 2048 is not used" in warning for warning in config.warnings)


def test_a_route_of_engines_that_are_not_loaded_by_requests_is_told() -> None:
    entry = {"model_name": "v", "litellm_params": {"model": "hosted_vllm/m", "api_base": "http://127.0.0.1:8000/v1"}}
    config = config_of(entry, routes={"chat": {"candidates": ["v"], "settings": {"num_ctx": 4096}}})
    (warning,) = config.warnings
    assert warning.endswith("`num_ctx` is not used: no candidate of this route is a model that Ollama loads")
    assert dict(config.setup.policy.routes["chat"].settings) == {}


@pytest.mark.parametrize("value", [0, -1, "4096 tokens", True])
def test_a_window_that_is_none_is_a_problem_in_a_route_and_told_in_an_entry(value: Any) -> None:
    with pytest.raises(ConfigError, match="`num_ctx` must be a whole number from 1"):
        config_of(ollama("a"), routes={"chat": {"settings": {"num_ctx": value}}})
    config = config_of(ollama("a", num_ctx=value), ollama("b", num_ctx=4096))
    assert "`num_ctx` must be a whole number from 1" in config.warnings[0]
    assert [deployment.window_tokens for deployment in config.setup.deployments] == [4096, 4096]
