"""Fields that would steer where a request goes, as whom, or by which rules. No caller may set them; only the config file does.

LiteLLM takes such fields from any nested dict, and gateways have leaked their keys to an address in a request more than once.
So one walk looks at every key of the body at every depth. It leaves out only what a model reads as a document: JSON schemas,
where ``api_base`` is the name of somebody's property, and what a tool was called with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from waypost.dialects.fields import is_plain, joined
from waypost.dialects.strict_json import MAX_DEPTH
from waypost.errors import ForbiddenField, InvalidRequest

_ADDRESS = "only the config says where a request goes"
_CREDENTIALS = "only the config says with which credentials a request goes"
_TRANSPORT = "headers, proxies and TLS are the config's"
_ROUTING = "retries, timeouts and fallbacks are the router's"
_HOOKS = "callbacks and canned answers are no part of a request"

# Names that mean this and nothing else, wherever they stand.
FORBIDDEN: Mapping[str, str] = {
    "api_base": _ADDRESS,
    "api_type": _ADDRESS,
    "api_version": _ADDRESS,
    "base_url": _ADDRESS,
    "custom_llm_provider": _ADDRESS,
    "deployment_id": _ADDRESS,
    "deployment_url": _ADDRESS,
    "endpoint_url": _ADDRESS,
    "kv_transfer_params": _ADDRESS,
    "mcp_servers": _ADDRESS,
    "region_name": _ADDRESS,
    "s3_endpoint_url": _ADDRESS,
    "sagemaker_base_url": _ADDRESS,
    "api_key": _CREDENTIALS,
    "client_secret": _CREDENTIALS,
    "hf_token": _CREDENTIALS,
    "configurable_clientside_auth_params": _CREDENTIALS,
    "user_config": _CREDENTIALS,
    "default_headers": _TRANSPORT,
    "default_query": _TRANSPORT,
    "extra_body": "send its fields at the top level instead",
    "extra_headers": _TRANSPORT,
    "extra_query": _TRANSPORT,
    "http_client": _TRANSPORT,
    "provider_specific_header": _TRANSPORT,
    "ssl_verify": _TRANSPORT,
    "context_window_fallbacks": _ROUTING,
    "content_policy_fallbacks": _ROUTING,
    "cooldown_time": _ROUTING,
    "max_fallbacks": _ROUTING,
    "max_retries": _ROUTING,
    "model_list": _ROUTING,
    "num_retries": _ROUTING,
    "request_timeout": _ROUTING,
    "routing_strategy": _ROUTING,
    "stream_timeout": _ROUTING,
    "failure_callback": _HOOKS,
    "input_callback": _HOOKS,
    "logger_fn": _HOOKS,
    "mock_response": _HOOKS,
    "mock_timeout": _HOOKS,
    "proxy_server_request": _HOOKS,
    "success_callback": _HOOKS,
}

# Names that are also plain words: forbidden as fields, allowed as a caller's own labels in ``metadata``.
FORBIDDEN_AS_FIELD: Mapping[str, str] = {
    "callbacks": _HOOKS,
    "fallbacks": _ROUTING,
    "headers": _TRANSPORT,
    "organization": _CREDENTIALS,
    "proxies": _TRANSPORT,
    "proxy": _TRANSPORT,
    "timeout": _ROUTING,
}

FORBIDDEN_PREFIXES: Mapping[str, str] = {
    "aws_": _CREDENTIALS,
    "azure_": _CREDENTIALS,
    "langfuse_": _HOOKS,
    "langsmith_": _HOOKS,
    "litellm_": _HOOKS,
    "vertex_": _CREDENTIALS,
    "watsonx_": _CREDENTIALS,
}

# Headers from which other gateways take the address of an engine. Those with a client's own key are merely not read.
FORBIDDEN_HEADERS = frozenset(
    {
        "api-base",
        "api_base",
        "base-url",
        "base_url",
        "helicone-target-url",
        "x-api-base",
        "x-base-url",
        "x-litellm-api-base",
        "x-portkey-custom-host",
    }
)

# Where a JSON schema lives: OpenAI's three places, and those of vLLM, llama.cpp and Ollama; and the arguments of a call, which
# are an object in Ollama's dialect. ``[]`` stands for any position.
SCHEMA_PATHS = frozenset(
    {
        ("tools", "[]", "function", "parameters"),
        ("functions", "[]", "parameters"),
        ("response_format", "json_schema", "schema"),
        ("response_format", "schema"),
        ("guided_json",),
        ("json_schema",),
        ("structured_outputs", "json"),
        ("format",),
        ("messages", "[]", "tool_calls", "[]", "function", "arguments"),
    }
)

# What nearly every body, message and part consists of: one look tells that nothing else is there.
_COMMON = frozenset(
    {
        *("role", "content", "type", "text", "name", "tool_calls", "tool_call_id", "id", "function", "arguments"),
        *("model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens"),
        *("tools", "tool_choice", "image_url", "url"),
    }
)

# Thirty thousand messages, each of which is three: reading as many takes a second on one core.
MAX_VALUES = 100_000

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PREFIXES = tuple(FORBIDDEN_PREFIXES)
_NAMES = frozenset({*FORBIDDEN, *FORBIDDEN_AS_FIELD})
_SCHEMA_KEYS = frozenset(place[-1] for place in SCHEMA_PATHS)

# A tuple comes from Python only, where it is written as an array.
_CONTAINERS = (dict, list, tuple)

_Place = tuple[str | int, ...]
_MESSAGES: _Place = ("messages",)


def refuse_steering(body: Mapping[str, Any]) -> None:
    """Raises `ForbiddenField` for the first steering field, however it is spelled (``apiBase``, ``API-BASE``).

    Raises `InvalidRequest` for nesting beyond ``MAX_DEPTH``, and for more than ``MAX_VALUES`` values in all: everybody else's
    requests wait while one is read.
    """
    _walk(body, (), free=False, left=MAX_VALUES)


def refuse_steering_headers(headers: Mapping[str, str]) -> None:
    """Raises `ForbiddenField` for a header that names an address. Names are in lower case."""
    if not FORBIDDEN_HEADERS.isdisjoint(headers):
        name = min(FORBIDDEN_HEADERS & headers.keys())
        raise ForbiddenField(f"The header {name} is not accepted: {_ADDRESS}.", param=name)


def _walk(value: Mapping[str, Any] | list[Any] | tuple[Any, ...], place: _Place, *, free: bool, left: int) -> int:
    """How many values may still come."""
    left -= len(value)
    if left < 0:
        raise _too_many()
    if len(place) >= MAX_DEPTH:
        raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", param=_path(place[:1]))
    if isinstance(value, (list, tuple)):
        return _walk_items(value, place, free=free, left=left)
    free = free or _is_schema(place)
    if not free and not _COMMON.issuperset(value):
        _check(value, place)
    for key, item in value.items():
        if isinstance(item, _CONTAINERS):
            left = _walk(item, (*place, key), free=free, left=left)
    return left


def _walk_items(items: list[Any] | tuple[Any, ...], place: _Place, *, free: bool, left: int) -> int:
    for index, item in enumerate(items):
        if place == _MESSAGES and is_plain(item):
            left -= len(item)
        elif isinstance(item, _CONTAINERS):
            left = _walk(item, (*place, index), free=free, left=left)
    if left < 0:
        raise _too_many()
    return left


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"The body holds more than {MAX_VALUES} values.")


def _check(names: Iterable[str], place: _Place) -> None:
    for key in names:
        name = _plain(key)
        if name in _NAMES or name.startswith(_PREFIXES):
            _refuse(key, name, place)


def _plain(key: str) -> str:
    """The name as our tables spell it."""
    if key.islower() and "-" not in key and key == key.strip():
        return key
    return _HUMP.sub("_", key.strip()).replace("-", "_").lower()


def _is_schema(place: _Place) -> bool:
    return (
        bool(place)
        and place[-1] in _SCHEMA_KEYS
        and tuple("[]" if isinstance(step, int) else step for step in place) in SCHEMA_PATHS
    )


def _refuse(key: str, name: str, place: _Place) -> None:
    reason = FORBIDDEN.get(name) or next((why for prefix, why in FORBIDDEN_PREFIXES.items() if name.startswith(prefix)), None)
    if reason is None and place != ("metadata",):
        reason = FORBIDDEN_AS_FIELD[name]
    if reason is not None:
        path = _path((*place, key))
        raise ForbiddenField(f"'{path}' is not accepted in a request: {reason}.", param=path)


def _path(place: _Place) -> str:
    path = ""
    for step in place:
        path = f"{path}[{step}]" if isinstance(step, int) else joined(path, step)
    return path
