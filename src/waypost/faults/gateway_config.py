"""The config with which a gateway has faultd as its upstreams: a model for each case, and a healthy one behind most of them."""

from __future__ import annotations

from typing import Any

from waypost.faults.cases import CASES, READY, Case

FAULTD_PORT = 4199
# How each dialect of faultd is called in a config of LiteLLM's format: the provider, and what follows the address.
UPSTREAMS = {"openai": ("openai", "/v1"), "anthropic": ("anthropic", ""), "ollama": ("ollama_chat", "")}
# Nobody listens on port 9 (discard), and `.invalid` is no name by RFC 2606.
_ELSEWHERE = {"refused": "http://127.0.0.1:9", "no-host": "http://nobody.invalid"}
_TOTAL_S, _SILENCE_S = 6, 2
_WINDOW, _LARGER_WINDOW = 8_192, 32_768


def waypost_config(faultd_port: int = FAULTD_PORT, *, prefix: str = "", upstream: str = "openai") -> dict[str, Any]:
    """What ``waypost serve -c`` takes."""
    return {
        "model_list": model_list(faultd_port, prefix, upstream),
        "router_settings": _fallbacks(prefix),
        "policy": {
            "timeouts": {"connect_s": _SILENCE_S, "first_byte_s": _SILENCE_S, "idle_s": _SILENCE_S, "total_s": _TOTAL_S}
        },
        "discovery": {"enabled": False},
        "ledger": {"enabled": False},
    }


def litellm_config(faultd_port: int = FAULTD_PORT, *, prefix: str = "", upstream: str = "openai") -> dict[str, Any]:
    """What ``litellm --config`` takes: fallbacks, retries only where they help, and cooldowns for lone deployments too."""
    never = ("BadRequestError", "AuthenticationError", "TimeoutError", "RateLimitError", "ContentPolicyViolationError")
    settings = {
        "num_retries": 2,
        "retry_after": 0,
        "retry_policy": {**{f"{name}Retries": 0 for name in never}, "InternalServerErrorRetries": 2},
        "allowed_fails": 3,
        "allowed_fails_policy": {"RateLimitErrorAllowedFails": 0, "AuthenticationErrorAllowedFails": 0},
        "cooldown_time": 30,
        "enable_pre_call_checks": True,
        "timeout": _TOTAL_S,
        "stream_timeout": _SILENCE_S,
    }
    return {
        "model_list": model_list(faultd_port, prefix, upstream),
        "router_settings": {**settings, **_fallbacks(prefix)},
        "litellm_settings": {"drop_params": True, "telemetry": False},
    }


def model_list(faultd_port: int, prefix: str, upstream: str) -> list[dict[str, Any]]:
    """The deployments of all cases, in LiteLLM's format."""
    provider, path = UPSTREAMS[upstream]
    faultd = f"http://127.0.0.1:{faultd_port}"

    def entry(name: str, model: str, address: str, window: int, *, sees: bool) -> dict[str, Any]:
        return {
            "model_name": f"{prefix}{name}",
            "litellm_params": {
                "model": f"{provider}/{model}",
                "api_base": address + path,
                "api_key": "none",
                "timeout": _TOTAL_S,
                "stream_timeout": _SILENCE_S,
            },
            # Not local: nothing but the requests of the bench goes to faultd.
            "model_info": {"max_input_tokens": window, "supports_vision": sees, "waypost": {"local": False}},
        }

    entries = []
    for case in (READY, *CASES):
        address = _ELSEWHERE.get(case.fault, faultd)
        entries.append(entry(case.key, case.upstream_model, address, _WINDOW, sees=case.sees))
        if case.healthy is not None:
            name = case.key if case.healthy == "replica" else _fallback_name(case)
            entries.append(entry(name, case.healthy_model, faultd, _LARGER_WINDOW, sees=False))
    return entries


def _fallbacks(prefix: str) -> dict[str, Any]:
    behind = [{f"{prefix}{case.key}": [f"{prefix}{_fallback_name(case)}"]} for case in CASES if case.healthy == "fallback"]
    return {"fallbacks": behind, "context_window_fallbacks": behind}


def _fallback_name(case: Case) -> str:
    return f"{case.key}-fallback"
