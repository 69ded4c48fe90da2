"""The example configs load, and say what the pages say of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from meta.source import ROOT
from waypost.config import load

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads(path: Path) -> None:
    assert load(path, env={}).setup.deployments


def test_zoe_has_four_models_five_routes_and_the_settings_of_the_note() -> None:
    config = load(ROOT / "examples/zoe.yaml", env={})
    by_id = {deployment.id: deployment for deployment in config.setup.deployments}
    assert set(by_id) == {"hermes3", "phi3", "gemma3n", "qwen2.5-7b"}
    assert {deployment.provider for deployment in by_id.values()} == {"ollama_chat"}
    assert all(deployment.local for deployment in by_id.values())
    assert dict(by_id["hermes3"].settings) == {
        "temperature": 0.6,
        "num_gpu": -1,
        "max_tokens": 512,
        "num_ctx": 4096,
        "repeat_penalty": 1.1,
        "stop": ["\n\n", "User:"],
        "keep_alive": "30m",
    }
    assert [by_id[name].settings["num_gpu"] for name in ("phi3", "gemma3n", "qwen2.5-7b")] == [0, 99, 43]
    assert by_id["qwen2.5-7b"].window_tokens == 4096
    policy = config.setup.policy
    first = {name: route.candidates[0] for name, route in policy.routes.items()}
    assert first == {
        "tool_calling": "hermes3",
        "vision": "gemma3n",
        "chat": "phi3",
        "memory": "qwen2.5-7b",
        "reasoning": "qwen2.5-7b",
        "coding": "*",
    }
    assert {name: route.needs_context for name, route in policy.routes.items() if route.needs_context} == {"memory": 10_000}
    assert any("`qwen2.5-7b` gets none of the long turns" in warning for warning in config.warnings)
    assert dict(policy.aliases) == {
        "zoe-action": "tool_calling",
        "zoe-vision": "vision",
        "zoe-chat": "chat",
        "zoe-memory": "memory",
        "zoe-reasoning": "reasoning",
    }
    assert policy.fallbacks["phi3"] == ("hermes3", "qwen2.5-7b")


def test_a_litellm_proxy_keeps_its_models_fallbacks_and_aliases() -> None:
    config = load(ROOT / "examples/litellm-proxy.yaml", env={"OPENAI_API_KEY": "x"})
    assert [deployment.id for deployment in config.setup.deployments] == ["azure-eu", "gpt-4o#2", "claude", "local", "openai/*"]
    policy = config.setup.policy
    assert dict(policy.fallbacks) == {"gpt-4o": ("claude", "local"), "claude": ("gpt-4o", "local")}
    assert dict(policy.context_fallbacks) == {"local": ("claude",)}
    assert policy.default_fallbacks == ("local",)
    assert dict(policy.aliases) == {"gpt-4": "gpt-4o"}
