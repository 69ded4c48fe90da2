"""LiteLLM's `model_list` as deployments."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from waypost.config import Config, loads
from waypost.errors import ConfigError
from waypost.fleet.deployment import Deployment, Price
from waypost.secret import Secret

NOTHING: Mapping[str, str] = {}


def config_of(*entries: Mapping[str, Any], env: Mapping[str, str] = NOTHING, **blocks: Any) -> Config:
    return loads(json.dumps({"model_list": list(entries), **blocks}), env=env)


def entry(model: str, name: str = "m", info: Mapping[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}, "model_info": info}


def compiled(
    model: str, *, env: Mapping[str, str] = NOTHING, info: Mapping[str, Any] | None = None, **params: Any
) -> Deployment:
    (deployment,) = config_of(entry(model, info=info, **params), env=env).setup.deployments
    return deployment


LOCAL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("model", "params", "lane", "provider", "name"),
    [
        ("openai/gpt-4o", {}, "openai", "openai", "gpt-4o"),
        ("gpt-4o", {}, "openai", "openai", "gpt-4o"),
        ("openai/org/model", {"api_base": LOCAL}, "openai", "openai", "org/model"),
        ("hosted_vllm/qwen", {"api_base": LOCAL}, "openai", "hosted_vllm", "qwen"),
        ("custom_openai/qwen", {"base_url": LOCAL}, "openai", "custom_openai", "qwen"),
        ("nvidia_nim/meta/llama", {}, "litellm", "nvidia_nim", "meta/llama"),
        ("nvidia_nim/meta/llama", {"api_base": LOCAL}, "openai", "nvidia_nim", "meta/llama"),
        ("text-completion-openai/x", {"api_base": LOCAL}, "litellm", "text-completion-openai", "x"),
        ("openai/responses/gpt-5", {}, "litellm", "openai", "responses/gpt-5"),
        ("anthropic/claude-sonnet-4-5", {}, "litellm", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5", {}, "litellm", "anthropic", "claude-sonnet-4-5"),
        ("bedrock/converse/us.x", {"aws_region_name": "us-east-1"}, "litellm", "bedrock", "converse/us.x"),
        ("ollama/qwen3:8b", {}, "ollama", "ollama_chat", "qwen3:8b"),
        ("ollama_chat/qwen3:8b", {}, "ollama", "ollama_chat", "qwen3:8b"),
        ("openai/qwen3:8b", {"api_base": "http://127.0.0.1:11434/v1"}, "openai", "openai", "qwen3:8b"),
        ("ollama/nomic-embed-text", {}, "ollama", "ollama", "nomic-embed-text"),
        ("simulated/chat", {}, "simulated", "simulated", "chat"),
        ("x", {"custom_llm_provider": "openai", "api_base": LOCAL}, "openai", "openai", "x"),
    ],
)
def test_the_prefix_chooses_the_lane(model: str, params: dict[str, Any], lane: str, provider: str, name: str) -> None:
    made = compiled(model, **params)
    assert (made.lane, made.provider, made.model) == (lane, provider, name)


@pytest.mark.parametrize(
    ("base", "local"),
    [
        ("http://localhost:11434", True),
        ("http://127.8.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://0.0.0.0:1", True),
        ("http://10.1.2.3", True),
        ("https://192.168.1.2/v1", True),
        ("http://[fd00::1]:1", True),
        ("https://api.openai.com/v1", False),
        ("http://8.8.8.8:1", False),
        ("http://169.254.169.254", False),
        ("http://100.64.0.1", False),
        ("http://2130706433:1", False),
        ("http://localhost.example.com", False),
        ("http://ollama:11434", False),
    ],
)
def test_only_an_address_of_ours_is_local(base: str, local: bool) -> None:
    assert compiled("openai/m", api_base=base).local is local
    assert compiled("openai/m", api_base=base, info={"waypost": {"local": not local}}).local is not local


@pytest.mark.parametrize("base", ["127.0.0.1:8000", "ftp://x/", "http://", "http://[", "http://x:port"])
def test_an_address_that_cannot_be_called_is_a_problem(base: str) -> None:
    with pytest.raises(ConfigError, match="must be an http or https address"):
        compiled("openai/m", api_base=base)


def test_a_provider_that_is_any_server_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="needs an `api_base`"):
        compiled("hosted_vllm/m")
    assert compiled("hosted_vllm/m", env={"HOSTED_VLLM_API_BASE": LOCAL}).api_base == LOCAL


def test_ids_are_the_group_or_numbered_and_the_same_at_every_load() -> None:
    entries = [entry("openai/a", "solo"), entry("openai/b", "twin"), entry("openai/c", "twin"), entry("x/d", "twin", {"id": 7})]
    ids = [deployment.id for deployment in config_of(*entries).setup.deployments]
    assert ids == ["solo", "twin#1", "twin#2", "7"]
    assert ids == [deployment.id for deployment in config_of(*entries).setup.deployments]
    with pytest.raises(ConfigError, match="the id `solo` is taken"):
        config_of(*entries, entry("openai/e", "other", {"id": "solo"}))


def test_settings_go_with_requests_and_the_rest_finds_its_place() -> None:
    made = compiled(
        "ollama_chat/qwen",
        temperature=0.6,
        num_ctx=4096,
        num_gpu=-1,
        num_predict=512,
        max_tokens=700,
        repeat_penalty=1.1,
        stop=["User:"],
        keep_alive="30m",
        own_option={"deep": [1]},
        timeout=30,
        stream_timeout="7",
        weight=2,
    )
    assert dict(made.settings) == {
        "temperature": 0.6,
        "num_ctx": 4096,
        "num_gpu": -1,
        "max_tokens": 512,
        "repeat_penalty": 1.1,
        "stop": ["User:"],
        "keep_alive": "30m",
        "own_option": {"deep": [1]},
    }
    assert (made.timeouts.total_s, made.timeouts.first_byte_s, made.weight) == (30, 7, 2)
    assert dict(compiled("azure/gpt", api_version="1").transport) == {"api_version": "1"}
    assert made.window_tokens == 4096
    assert made.sources["window_tokens"] == "config"


@pytest.mark.parametrize("prefix", ["ollama", "ollama_chat"])
@pytest.mark.parametrize("interface", ["", "/", "/v1", "/v1/", "/api", "/api/chat", "/api/generate"])
def test_ollama_is_called_at_its_root_whatever_interface_the_address_names(prefix: str, interface: str) -> None:
    assert compiled(f"{prefix}/m", api_base=f"http://gpu:11434/behind{interface}").api_base == "http://gpu:11434/behind"
    assert compiled(f"{prefix}/m", env={"OLLAMA_API_BASE": f"http://gpu:1{interface}"}).api_base == "http://gpu:1"
    assert compiled(f"{prefix}/m").api_base == "http://localhost:11434"
    assert compiled("openai/m", api_base=f"http://gpu:11434{interface}").api_base == f"http://gpu:11434{interface.rstrip('/')}"


def test_a_negative_num_predict_is_no_cap() -> None:
    assert dict(compiled("ollama_chat/q", num_predict=-1).settings) == {}


def test_extra_body_is_part_of_an_openai_compatible_body() -> None:
    made = compiled("hosted_vllm/q", api_base=LOCAL, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert dict(made.settings) == {"chat_template_kwargs": {"enable_thinking": False}}


def test_what_model_info_says_is_known_and_the_rest_is_not() -> None:
    made = compiled(
        "x/y",
        info={
            "max_input_tokens": 1000,
            "max_output_tokens": 100,
            "supports_vision": True,
            "supports_function_calling": False,
            "input_cost_per_token": "1e-6",
            "output_cost_per_token": 0.0,
        },
    )
    assert (made.window_tokens, made.max_output_tokens) == (1000, 100)
    assert (made.capabilities.vision, made.capabilities.tools, made.capabilities.audio) == (True, False, None)
    assert made.price == Price(1e-6, 0.0)
    assert set(made.sources) == {"window_tokens", "max_output_tokens", "vision", "tools", "price"}
    assert compiled("x/y").price is None
    assert compiled("x/y").window_tokens is None


def test_prices_may_stand_among_the_params() -> None:
    made = compiled("x/y", input_cost_per_token="1e-6", output_cost_per_token=2e-6, cache_read_input_token_cost=1e-7)
    assert made.price == Price(1e-6, 2e-6, 1e-7)
    assert "input_cost_per_token" not in made.settings


def test_half_a_price_is_no_price() -> None:
    config = config_of(entry("x/y", input_cost_per_token=1e-6))
    assert config.setup.deployments[0].price is None
    assert "a price needs both" in config.warnings[0]


@pytest.mark.parametrize(
    ("model", "mode"),
    [("openai/text-embedding-3-small", "embedding"), ("x/bge-m3", "embedding"), ("openai/whisper-1", "other"), ("x/y", "chat")],
)
def test_a_name_can_give_away_that_a_model_does_not_chat(model: str, mode: str) -> None:
    assert compiled(model).mode == mode
    assert compiled(model, info={"mode": "chat"}).mode == "chat"


def test_what_is_not_used_is_listed_and_never_dropped_in_silence() -> None:
    config = loads(
        """
model_list:
  - model_name: a
    tpm: 3
    litellm_params: {model: openai/a, rpm: 1, max_retries: 2}
    model_info: {team_id: x}
  - model_name: b
    litellm_params: {model: openai/b, rpm: 1, tags: [x]}
litellm_settings: {callbacks: [x], drop_params: true}
router_settings: {routing_strategy: least-busy, routing_strategy_args: {ttl: 60}}
general_settings: {master_key: sk-1234, database_url: x}
""",
        env={},
    )
    assert config.warnings == (
        "waypost.yaml:4: model_list: Waypost does not use `tpm`",
        "waypost.yaml:5: litellm_params: Waypost does not use `rpm`, `max_retries`, `tags`",
        "waypost.yaml:6: model_info: Waypost does not use `team_id`",
        "waypost.yaml:9: litellm_settings: Waypost does not use `callbacks`",
        "waypost.yaml:10: router_settings: Waypost does not use `routing_strategy_args`",
        "waypost.yaml:11: `master_key` is not used: this server asks nobody for a key",
        "waypost.yaml:11: general_settings: Waypost does not use `database_url`",
    )


def test_a_deployment_may_take_so_many_calls_at_once() -> None:
    assert compiled("openai/m", max_parallel_requests=4).max_parallel == 4
    assert compiled("openai/m").max_parallel is None
    for wrong in (0, -1, True, "many"):
        with pytest.raises(ConfigError, match="max_parallel_requests"):
            compiled("openai/m", max_parallel_requests=wrong)


def test_a_misspelt_setting_is_passed_on_with_a_hint() -> None:
    config = config_of(entry("x/y", temprature=0.1))
    assert dict(config.setup.deployments[0].settings) == {"temprature": 0.1}
    assert "did you mean `temperature`?" in config.warnings[0]


def test_an_auto_router_is_left_out_and_who_refers_to_it_made_no_mistake() -> None:
    config = config_of(
        entry("auto_router/complexity_router", "smart", complexity_router_config={}),
        entry("openai/a", "a"),
        router_settings={"fallbacks": [{"a": ["smart"]}]},
    )
    assert [deployment.group for deployment in config.setup.deployments] == ["a"]
    assert any("`auto_router/` entry is left out" in warning for warning in config.warnings)
    assert any("as that model is left out" in warning for warning in config.warnings)


def test_timeouts_of_litellm_hold_where_ours_say_nothing() -> None:
    blocks = {"litellm_settings": {"request_timeout": 300}, "router_settings": {"stream_timeout": 9}}
    (made,) = config_of(entry("x/y"), **blocks).setup.deployments
    assert (made.timeouts.total_s, made.timeouts.first_byte_s) == (300, 9)
    (made,) = config_of(entry("x/y"), policy={"timeouts": {"total_s": 20}}, **blocks).setup.deployments
    assert (made.timeouts.total_s, made.timeouts.first_byte_s) == (20, 9)


def test_a_credential_is_shared_by_name() -> None:
    shared = {"credential_name": "c", "credential_values": {"api_key": "os.environ/K", "api_base": LOCAL}}
    (made,) = config_of(
        entry("openai/a", litellm_credential_name="c"), credential_list=[shared], env={"K": "s3cr3t"}
    ).setup.deployments
    assert (made.api_base, made.api_key) == (LOCAL, Secret("s3cr3t"))


@pytest.mark.parametrize(
    ("block", "own", "expected"),
    [
        ({}, {}, None),
        ({"drop_params": True}, {}, None),
        ({"drop_params": False}, {}, False),
        ({"drop_params": False}, {"drop_params": True}, True),
        ({}, {"drop_params": False}, False),
    ],
)
def test_drop_params_of_the_file_and_of_a_deployment_reach_litellm_calls(
    block: dict[str, Any], own: dict[str, Any], expected: bool | None
) -> None:
    """Nothing said is true, which is the lane's default."""
    config = config_of(entry("anthropic/x", **own), litellm_settings=block)
    assert config.setup.deployments[0].transport.get("drop_params") is expected
    assert config.warnings == ()


STEERING = (
    *("fallbacks", "context_window_fallback_dict", "model_list", "model_alias_map", "num_retries", "max_retries"),
    *("mock_response", "mock_tool_calls", "mock_timeout", "callbacks", "success_callback", "logger_fn", "deployment_id"),
    *("client", "shared_session", "azure", "litellm_metadata", "_skip_mcp_handler", "request_timeout", "prompt_id"),
    *("proxy_server_request", "provider_specific_header", "messages", "stream", "text_completion", "use_litellm_proxy"),
)


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("model", ["anthropic/x", "openai/x"])
def test_what_would_steer_litellm_past_the_decision_is_not_used_and_told(model: str, name: str) -> None:
    config = config_of(entry(model, **{name: ["x"]}))
    [deployment] = config.setup.deployments
    assert name not in {*deployment.settings, *deployment.transport}
    assert f"litellm_params: Waypost does not use `{name}`" in config.warnings[0]


EXAMPLES = (
    sorted(
        path
        for folder in (".", "example_config_yaml")
        for path in Path(spec.submodule_search_locations[0], "proxy", folder).glob("*.yaml")
    )
    if (spec := importlib.util.find_spec("litellm")) and spec.submodule_search_locations
    else []
)


@pytest.mark.skipif(not EXAMPLES, reason="LiteLLM is not installed")
def test_the_configs_that_litellm_ships_load_as_they_are() -> None:
    failed = {}
    for path in EXAMPLES:
        try:
            loads(path.read_text(), name=path.name, env={})
        except ConfigError as error:
            failed[path.name] = error.problems
    # Its only entry has no `litellm_params`: there is no model to call.
    failed.pop("langfuse_config.yaml", None)
    assert failed == {}
