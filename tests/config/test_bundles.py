"""Bundles: what the settings of deployments and routes become at an engine."""

from __future__ import annotations

from typing import Any

import yaml

from waypost.config import Config, effective_requests, loads
from waypost.known_settings import KNOWN


def entry(group: str, model: str, **params: Any) -> dict[str, Any]:
    at = {} if model.startswith(("anthropic", "openai/gpt")) else {"api_base": "http://127.0.0.1:8000/v1"}
    return {"model_name": group, "litellm_params": {"model": model, **at, **params}}


def config_of(*entries: dict[str, Any], **routes: Any) -> Config:
    text = yaml.safe_dump({"model_list": list(entries), "routes": routes}, sort_keys=False)
    return loads(text, env={"OPENAI_API_KEY": "sk-x", "ANTHROPIC_API_KEY": "sk-y"})


def reads(model: str) -> str | None:
    (made,) = config_of(entry("a", model)).setup.deployments
    return made.reads


def test_an_engine_is_known_by_its_provider_or_by_openais_own_address() -> None:
    assert reads("hosted_vllm/m") == "vllm"
    assert reads("llamafile/m") == "llamacpp"
    assert reads("ollama/m") == reads("ollama_chat/m") == "ollama"
    assert reads("openai/gpt-4o") == "openai"
    assert reads("anthropic/claude-sonnet-4-5") == "litellm"
    assert reads("custom_openai/m") is None
    assert reads("openai/m") is None  # at an address of its own it may be anything
    assert reads("lm_studio/m") is None


def test_a_setting_that_an_engine_lacks_is_told_where_it_stands_and_for_whom() -> None:
    config = config_of(
        entry("local", "hosted_vllm/m", typical_p=0.9, keep_alive="5m"),
        entry("cloud", "openai/gpt-4o"),
        entry("any", "custom_openai/m"),
        chat={"candidates": ["local", "cloud", "any"], "settings": {"top_k": 40, "temperature": 0.5}},
    )
    assert config.warnings == (
        "waypost.yaml:6: `typical_p` does not go to `local`: vLLM has no such setting",
        "waypost.yaml:7: `keep_alive` does not go to `local`: vLLM has no such setting",
        "waypost.yaml:22: `top_k` does not go to `cloud`: OpenAI has no such setting",
    )


def test_what_every_request_is_sent_can_be_shown() -> None:
    config = config_of(
        entry("local", "hosted_vllm/m", repeat_penalty=1.1, num_ctx=4096, max_tokens=900),
        chat={"candidates": ["local"], "settings": {"think": False, "num_predict": 200, "own": {"api_key": "shh"}}},
        **{name: ["local"] for name in ("tool_calling", "vision", "memory", "reasoning", "coding")},
    )
    by_route = {request["route"]: request for request in effective_requests(config)}
    assert by_route[None] == {
        "route": None,
        "deployment": "local",
        "sent": {"repetition_penalty": 1.1, "max_tokens": 900},
        "renamed": {"repeat_penalty": "repetition_penalty"},
        "dropped": ["num_ctx"],
        "cap": 900,
    }
    assert by_route["chat"]["sent"] == {
        "repetition_penalty": 1.1,
        "chat_template_kwargs": {"enable_thinking": False},
        "max_tokens": 200,
        "own": {"api_key": "(hidden)"},
    }
    assert (by_route["chat"]["cap"], by_route["chat"]["renamed"]["think"]) == (200, "chat_template_kwargs")


def test_a_config_may_state_every_known_setting_for_ollama_without_a_word() -> None:
    values = {"temperature": 0.5, "top_k": 20, "min_p": 0.1, "repeat_penalty": 1.1, "think": "low", "format": "json", "seed": 3}
    assert set(values) < set(KNOWN)
    assert config_of(entry("a", "ollama_chat/m", **values, system_prefix="Be kind.", stop=["User:"])).warnings == ()
