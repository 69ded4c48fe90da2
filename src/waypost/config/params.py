"""Sorts `litellm_params`: what goes with each request, what only LiteLLM's transport reads, what is secret or not used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waypost.config import settings as request_settings
from waypost.config.environment import Expanded, expand, expand_all
from waypost.config.report import Report
from waypost.config.tree import Node
from waypost.known_settings import KNOWN
from waypost.secret import Secret

# Keys that the schema knows, or that deployments.py reads itself.
_READ_ELSEWHERE = frozenset(
    {"model", "api_base", "base_url", "api_key", "timeout", "stream_timeout", "weight", "custom_llm_provider", "model_info"}
    | {"max_parallel_requests", "litellm_credential_name", "extra_headers", "headers", "default_headers"}
    | {"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}
)
# What the caller says.
_CALLERS = frozenset({"messages", "stream", "stream_options"})
# LiteLLM's own bookkeeping and steering: limits, budgets, tags, its routers, other ways to name a model, a server or a client,
# hooks, canned answers. Waypost has one retry owner and its own choice, and nobody is asked past its guards.
_UNUSED = frozenset(
    {"rpm", "tpm", "itpm", "otpm", "default_api_key_tpm_limit", "default_api_key_rpm_limit"}
    | {"max_budget", "budget_duration", "tiered_pricing", "tags", "tag_regex", "order", "cooldown_time", "mock_response"}
    | {"max_retries", "num_retries", "fallbacks", "context_window_fallbacks", "cache", "caching", "callbacks"}
    | {"timeout_by_service_tier", "stream_timeout_by_service_tier", "keepalive_seconds", "allow_client_keepalive_override"}
    | {"use_in_pass_through", "use_litellm_proxy", "max_file_size_mb", "litellm_trace_id", "provider_affinity_header"}
    | {"configurable_clientside_auth_params", "context_window_fallback_dict", "content_policy_fallbacks", "default_fallbacks"}
    | {"disable_fallbacks", "max_fallbacks", "fallback_depth", "attempted_targets", "model_list", "model_alias_map"}
    | {"silent_model", "enable_tag_filtering"}
    | {"model_config", "routing_strategy", "retry_policy", "retry_strategy", "request_timeout", "force_timeout", "azure"}
    | {"client_side_timeout", "deployment_id", "api_type", "client", "use_client", "http_client", "shared_session", "rust"}
    | {"acompletion", "async_call", "text_completion", "atext_completion", "extra_query", "default_query", "proxy", "proxies"}
    | {"provider_specific_header", "proxy_server_request", "secret_fields", "user_config", "logger_fn", "input_callback"}
    | {"success_callback", "failure_callback", "guardrails", "prompt_id", "prompt_variables", "prompt_label", "prompt_version"}
    | {"prompt_environment", "cache_key", "preset_cache_key", "caching_groups", "no-log", "verbose"}
)
_UNUSED_PREFIXES = (
    *("auto_router_", "complexity_router_", "adaptive_router_", "quality_router_", "s3_", "gcs_"),
    *("_", "litellm_", "mock_", "langfuse_", "langsmith_"),
)
_TRANSPORT = frozenset(
    {"api_version", "organization", "region_name", "tenant_id", "client_id", "client_secret", "project", "base_model"}
    | {"drop_params", "additional_drop_params", "allowed_openai_params", "use_chat_completions_api", "ssl_verify", "space_id"}
    | {"merge_reasoning_content_in_choices", "cache_control_injection_points", "hf_model_name", "supports_system_message"}
)
_TRANSPORT_PREFIXES = ("aws_", "vertex_", "azure_", "watsonx_", "oci_", "sagemaker_", "bedrock_", "sap_")
_SECRET_WORDS = frozenset(
    {"key", "apikey", "token", "secret", "password", "passphrase", "credential", "credentials", "authorization"}
)
# What people write where a local engine wants any key.
_PLACEHOLDERS = frozenset(
    {"none", "null", "dummy", "empty", "no-key", "not-needed", "not-required", "na", "n/a", "anything", "fake", "fake-key"}
    | {"fake-api-key", "sk-none", "sk-dummy", "sk-fake", "sk-no-key-required", "no-key-required", "ollama", "lm-studio"}
    | {"lmstudio", "vllm", "llama.cpp", "local", "x", "test", "placeholder", "token", "key"}
)


@dataclass(slots=True)
class Sorted:
    """`litellm_params` by who reads them."""

    settings: dict[str, Any] = field(default_factory=dict)
    transport: dict[str, Any] = field(default_factory=dict)


def is_secret_name(name: str) -> bool:
    """A key of this name holds something that must not be shown: ``aws_secret_access_key`` does, ``max_tokens`` does not."""
    return not _SECRET_WORDS.isdisjoint(name.lower().replace("-", "_").split("_"))


def is_setting(name: str) -> bool:
    """It goes with a request, and does not say what the caller says, nor where, as whom or how often the request goes."""
    return not (name in _READ_ELSEWHERE or _is_unused(name) or _is_transport(name))


def sort_params(params: Mapping[str, Any], where: Node, env: Mapping[str, str], report: Report) -> Sorted:
    """Every key finds its place, or is reported as not used. ``where`` is the node of the mapping."""
    made = Sorted()
    raw_settings: dict[str, Any] = {}
    for name, value in params.items():
        if name in _READ_ELSEWHERE or value is None:
            continue
        at = where.at([name])
        if _is_unused(name):
            report.unused("litellm_params", name, at)
        elif is_secret_name(name):
            secret = _secret(value, at, env, report)
            if secret is not None:
                made.transport[name] = secret
        elif _is_transport(name) or _holds_secret(value):
            is_reference = isinstance(value, str) and value.startswith("os.environ/")
            made.transport[name] = (_secret if is_reference else resolved)(value, at, env, report)
        else:
            _add_setting(raw_settings, name, value, at, env, report, made)
    made.settings = request_settings.canonical(raw_settings)
    made.transport = {name: value for name, value in made.transport.items() if value is not None}
    return made


def read_secret(value: str, at: Node, env: Mapping[str, str], report: Report) -> Secret | None:
    """A key from a reference, or as it stands: then with a warning, unless it is one of the words that local engines get."""
    found: Expanded = expand(value, env)
    if found.missing:
        for missing in found.missing:
            report.unset(missing, at)
        return None
    text = found.value or ""
    if found.names:
        return Secret(text, value)
    if not text.strip():
        return None
    if text.lower() not in _PLACEHOLDERS:
        report.warning(at, "a key stands in the file: use a reference, such as `os.environ/MY_API_KEY`")
        return Secret(text, "in the file")
    return Secret(text, "placeholder")


def resolved(value: Any, at: Node, env: Mapping[str, str], report: Report) -> Any:
    """``value`` with LiteLLM's references filled in at any depth; a missing one is told and becomes ``None``."""
    return expand_all(value, env, lambda name: report.unset(name, at))


def _is_unused(name: str) -> bool:
    # Prices by the second, the image or the tier are LiteLLM's; we count tokens.
    return name in _CALLERS or name in _UNUSED or name.startswith((*_UNUSED_PREFIXES, "cost_per_")) or "_cost" in name


def _is_transport(name: str) -> bool:
    return name in _TRANSPORT or name.startswith(_TRANSPORT_PREFIXES)


def _secret(value: Any, at: Node, env: Mapping[str, str], report: Report) -> Secret | None:
    if isinstance(value, str):
        return read_secret(value, at, env, report)
    # LiteLLM takes credentials that are a mapping as JSON text too.
    return Secret(json.dumps(resolved(value, at, env, report)), "in the file")


def _holds_secret(value: Any) -> bool:
    """A container with a secret's name or a reference anywhere in it."""
    if isinstance(value, dict):
        return any(is_secret_name(name) or _may_be_secret(child) for name, child in value.items())
    return isinstance(value, list) and any(_may_be_secret(child) for child in value)


def _may_be_secret(value: Any) -> bool:
    return value.startswith("os.environ/") if isinstance(value, str) else _holds_secret(value)


def _add_setting(
    into: dict[str, Any], name: str, value: Any, at: Node, env: Mapping[str, str], report: Report, made: Sorted
) -> None:
    """A value that a variable holds may be secret, unless its name says that it is not."""
    if isinstance(value, str):
        found = expand(value, env) if value.startswith("os.environ/") else Expanded(value)
        if found.missing:
            report.unset(found.missing[0], at)
            return
        if found.names and name not in KNOWN:
            made.transport[name] = Secret(found.value or "", value)
            return
        value = request_settings.from_text(name, found.value or "")
    else:
        value = resolved(value, at, env, report)
    wrong = request_settings.wrong_type(name, value) or request_settings.near_miss(name)
    if wrong:
        report.warning(at, wrong)
    into[name] = value
